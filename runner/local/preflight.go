package local

import (
	"context"
	"fmt"
	"slices"

	"github.com/llmscen/llmscen/runner"
	"github.com/llmscen/llmscen/runner/embedded/wasm"
	"github.com/llmscen/llmscen/runner/engines"
)

// Preflight says what the runtimes of a plan need that this machine does not have, a sentence each, each once: programs
// and a container engine. Nothing is started. searchDir is where the search for programs begins; "" means the current
// folder.
func Preflight(ctx context.Context, deployments []runner.Deployment, searchDir string) []string {
	d := New(Options{SearchDir: searchDir})
	var found []string
	say := func(format string, args ...any) {
		if s := fmt.Sprintf(format, args...); !slices.Contains(found, s) {
			found = append(found, s)
		}
	}
	noContainers, asked := error(nil), false
	for _, dep := range deployments {
		dep.Runtime = d.named(dep.Runtime)
		r := dep.Runtime
		e, known := engines.Find(r.Engine)
		if known && e.Name == "wasm" && r.Model != "" && needsFile(r, e) {
			say("%s has the model %s, which is neither the carried one nor one of %s (below this folder or one above it): write model = \"FILE.gguf\", a file below the scenario's folder.", r.Addr, r.Model, engines.ModelsFolder)
		}
		if !known || e.Carried || r.Engine == "endpoint" || dep.NodePool != nil && dep.NodePool.Kind != "local" {
			continue
		}
		if r.Image != "" {
			if !asked {
				_, noContainers = containerEngine(ctx)
				asked = true
			}
			if noContainers != nil {
				say("%s has an image, and no container engine answers on this machine (%s): start one, or leave the image out.", r.Addr, noContainers)
			}
		}
		if e.Starts() {
			d.lacks(dep, e, say)
		}
	}
	return found
}

// lacks says what an engine of the table lacks.
func (d *Driver) lacks(dep runner.Deployment, e *engines.Engine, say func(string, ...any)) {
	r := dep.Runtime
	if needsFile(r, e) {
		say("%s is of engine %s, which serves a GGUF file: write model = \"FILE.gguf\", a file below the scenario's folder, or the name of the carried model or of one in %s (below this folder or one above it).", r.Addr, e.Name, engines.ModelsFolder)
	}
	if e.Name == "ollama" && r.Threads > 0 && r.ModelFile == "" && r.Model != wasm.CarriedModel {
		say("%s says threads, which Ollama takes with a GGUF only: limit its resources, or leave threads out.", r.Addr)
	}
	if e.Name == "wllama" && (r.Threads > 1 || r.Parallel > 1) {
		say("%s says threads or parallel, and wllama has one thread, which works on one request at a time: leave them out.", r.Addr)
	}
	if r.Image != "" {
		return
	}
	if len(r.Command) == 0 {
		if _, err := engines.Locate(d.searchDir(), e.Programs...); err != nil {
			say("%s needs the program %s, which is neither in %s (below this folder or one above it) nor on the PATH: install it, run `make engines`, or give its command.", r.Addr, either(e.Programs), engines.Folder)
		}
	}
	for _, name := range e.Files {
		if _, err := engines.LocateFile(d.searchDir(), name); err != nil {
			say("%s needs the file %s, which is neither in %s (below this folder or one above it) nor in a folder of the PATH.", r.Addr, name, engines.Folder)
		}
	}
}

func either(names []string) string {
	s := names[0]
	for _, n := range names[1:] {
		s += " or " + n
	}
	return s
}
