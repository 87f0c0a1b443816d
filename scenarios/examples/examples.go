// Package examples carries scenarios that teach one thing each; `llmscen init` writes them.
package examples

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

//go:embed *.scen.hcl prompts
var files embed.FS

const suffix = ".scen.hcl"

// Default is the name of the example that init writes unasked.
const Default = "quickstart"

// Example is one scenario with the files that it names.
type Example struct {
	// Name is what `init --example` takes, as in compare-two; its file is NAME.scen.hcl.
	Name string
	// About is the sentence at its top.
	About string
	// Files are the scenario, first, and what it reads; paths have slashes and are relative to its folder.
	Files []File
}

// File is one file of an example.
type File struct {
	Path string
	Text string
}

// List is all examples, sorted by name.
func List() []Example {
	names, err := fs.Glob(files, "*"+suffix)
	if err != nil {
		panic(fmt.Sprintf("the pattern is constant, but: %v", err))
	}
	list := make([]Example, len(names))
	for i, name := range names {
		text := read(name)
		about, _, _ := strings.Cut(text, "\n")
		list[i] = Example{
			Name:  strings.TrimSuffix(name, suffix),
			About: strings.TrimPrefix(about, "# "),
			Files: append([]File{{name, text}}, named(text)...),
		}
	}
	return list
}

// Find is the example of a name.
func Find(name string) (Example, bool) {
	for _, e := range List() {
		if e.Name == name {
			return e, true
		}
	}
	return Example{}, false
}

// named are the carried files that a scenario names.
func named(text string) []File {
	entries, err := fs.ReadDir(files, "prompts")
	if err != nil {
		panic(fmt.Sprintf("the folder is embedded, but: %v", err))
	}
	var list []File
	for _, e := range entries {
		if at := path.Join("prompts", e.Name()); strings.Contains(text, `"`+at+`"`) {
			list = append(list, File{at, read(at)})
		}
	}
	return list
}

func read(name string) string {
	text, err := files.ReadFile(name)
	if err != nil {
		panic(fmt.Sprintf("the file is embedded, but: %v", err))
	}
	return string(text)
}
