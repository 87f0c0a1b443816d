module github.com/llmscen/llmscen

go 1.26
