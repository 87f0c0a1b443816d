package protocol

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/scenarios"
)

func TestRequestsSayWhatTheScenarioSays(t *testing.T) {
	chat := load.Prompt{Messages: []load.Message{{Role: "system", Content: "be <brief>"}, {Role: "user", Content: "hé \"you\"\n"}}, OutputTokens: 9}
	seed, yes, no := int64(7), true, false
	for _, c := range []struct {
		name    string
		runtime scenarios.Runtime
		prompt  load.Prompt
		want    string
	}{
		{"OpenAI's chat", scenarios.Runtime{Protocol: "openai", Model: "m"}, chat,
			`{"model":"m","stream":true,"stream_options":{"include_usage":true},"temperature":0,"max_tokens":9,"messages":[{"role":"system","content":"be <brief>"},{"role":"user","content":"hé \"you\"\n"}]}`},
		{"without a limit", scenarios.Runtime{Protocol: "openai", Engine: "vllm", Model: "m"}, load.Prompt{Messages: chat.Messages[1:]},
			`{"model":"m","stream":true,"stream_options":{"include_usage":true},"temperature":0,"messages":[{"role":"user","content":"hé \"you\"\n"}]}`},
		{"an engine that can ignore the end", scenarios.Runtime{Protocol: "openai_completions", Engine: "vllm", Model: "m", Sampling: scenarios.Sampling{Temperature: 0.5, TopP: 0.9, Seed: &seed}}, chat,
			`{"model":"m","seed":7,"stream":true,"stream_options":{"include_usage":true},"temperature":0.5,"top_p":0.9,"max_tokens":9,"ignore_eos":true,"prompt":"be <brief>\n\nhé \"you\"\n"}`},
		{"an engine that shall not", scenarios.Runtime{Protocol: "openai_completions", Engine: "vllm", Model: "m", Sampling: scenarios.Sampling{IgnoreEOS: &no}}, chat,
			`{"model":"m","stream":true,"stream_options":{"include_usage":true},"temperature":0,"max_tokens":9,"prompt":"be <brief>\n\nhé \"you\"\n"}`},
		{"another name of the limit, no options, one that shall ignore the end", scenarios.Runtime{Protocol: "openai", Model: "m", Sampling: scenarios.Sampling{IgnoreEOS: &yes},
			ExtraBody: map[string]any{"max_tokens": nil, "stream_options": nil, "user": "u", "model": "n"}}, chat,
			`{"model":"n","stream":true,"temperature":0,"user":"u","max_completion_tokens":9,"ignore_eos":true,"messages":[{"role":"system","content":"be <brief>"},{"role":"user","content":"hé \"you\"\n"}]}`},
		{"limits of extra_body's own", scenarios.Runtime{Protocol: "openai", Model: "m", Engine: "vllm",
			ExtraBody: map[string]any{"max_completion_tokens": 3, "ignore_eos": false, "stream_options": map[string]any{"continuous_usage_stats": true}}}, chat,
			`{"ignore_eos":false,"max_completion_tokens":3,"model":"m","stream":true,"stream_options":{"continuous_usage_stats":true,"include_usage":true},"temperature":0,"messages":[{"role":"system","content":"be <brief>"},{"role":"user","content":"hé \"you\"\n"}]}`},
		{"Ollama's chat", scenarios.Runtime{Protocol: "ollama", Engine: "ollama", Model: "m", ContextTokens: 4096, Sampling: scenarios.Sampling{Seed: &seed}, ExtraBody: map[string]any{"keep_alive": "5m", "options": map[string]any{"num_thread": 2}}}, chat,
			`{"keep_alive":"5m","model":"m","stream":true,"options":{"num_ctx":4096,"num_thread":2,"seed":7,"temperature":0,"num_predict":9},"messages":[{"role":"system","content":"be <brief>"},{"role":"user","content":"hé \"you\"\n"}]}`},
		{"Ollama's generate", scenarios.Runtime{Protocol: "ollama_generate", Model: "m", ExtraBody: map[string]any{"options": map[string]any{"num_predict": 1}}}, chat,
			`{"model":"m","stream":true,"options":{"num_predict":1,"temperature":0},"prompt":"be <brief>\n\nhé \"you\"\n"}`},
		{"Ollama without options", scenarios.Runtime{Protocol: "ollama_generate", Model: "m", ExtraBody: map[string]any{"options": nil}}, chat,
			`{"model":"m","stream":true,"options":{"num_predict":9},"prompt":"be <brief>\n\nhé \"you\"\n"}`},
		{"TGI, greedy", scenarios.Runtime{Protocol: "tgi", Model: "m"}, chat,
			`{"parameters":{"details":true,"do_sample":false,"max_new_tokens":9},"inputs":"be <brief>\n\nhé \"you\"\n"}`},
		{"TGI, sampled", scenarios.Runtime{Protocol: "tgi", Model: "m", Sampling: scenarios.Sampling{Temperature: 1}, ExtraBody: map[string]any{"parameters": map[string]any{"max_new_tokens": 2}}}, chat,
			`{"parameters":{"details":true,"do_sample":true,"max_new_tokens":2,"temperature":1},"inputs":"be <brief>\n\nhé \"you\"\n"}`},
	} {
		f, err := newFormat(c.runtime)
		if err != nil {
			t.Fatal(err)
		}
		got := string(f.body(load.Request{Prompt: c.prompt}))
		if got != c.want || !json.Valid([]byte(got)) {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestExtraBodyCanNotReplaceThePrompt(t *testing.T) {
	for protocol, field := range map[string]string{"openai": "messages", "openai_completions": "prompt", "ollama": "messages", "ollama_generate": "prompt", "tgi": "inputs"} {
		_, err := newFormat(scenarios.Runtime{Protocol: protocol, ExtraBody: map[string]any{field: "x"}})
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", protocol, err)
		}
		_, err = newFormat(scenarios.Runtime{Protocol: protocol, ExtraBody: map[string]any{"x": func() {}}})
		if err == nil {
			t.Errorf("%s takes a function for JSON", protocol)
		}
	}
	for protocol, field := range map[string]string{"ollama": "options", "tgi": "parameters"} {
		if _, err := newFormat(scenarios.Runtime{Protocol: protocol, ExtraBody: map[string]any{field: "x"}}); err == nil {
			t.Errorf("%s takes a text for its %s", protocol, field)
		}
	}
}
