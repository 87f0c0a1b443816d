package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/llmscen/llmscen/runner/engines"
)

// engineReference shows the table of engines, with the command line of a start in which all is said.
func engineReference() string {
	var b strings.Builder
	b.WriteString(`# Engines: reference

What ` + "`llmscen apply`" + ` starts for each kind of ` + "`runtime`" + `, and what it knows of it. [Runtimes](../runtimes.md) says how they are
written. Images are named here as their projects name them; their tags were not tried against a registry.

`)
	head(&b, "engine", "what it is", "protocols", "model", "run for real")
	for _, e := range engines.All() {
		row(&b, "["+code(e.Name)+"](#"+e.Name+")", e.Title, list(e.Protocols, "any"), e.Model, e.Tried)
	}
	for _, e := range engines.All() {
		fmt.Fprintf(&b, "\n## %s\n\n", e.Name)
		head(&b, "", "")
		if e.Starts() {
			row(&b, "program", list(slices.Concat(e.Programs, e.Files), ""))
			row(&b, "arguments", code(strings.Join(e.Arguments(shown(e)), " ")))
			var env []string
			for _, name := range slices.Sorted(maps.Keys(e.Environment(shown(e)))) {
				env = append(env, name+"="+e.Environment(shown(e))[name])
			}
			row(&b, "variables", list(env, "none"))
			image := code(e.Image)
			if image == "" {
				image = "none that could be named: a scenario names its own"
			}
			row(&b, "image", image)
			row(&b, "port in the image", fmt.Sprint(e.ImagePort))
		}
		ready := code(e.Ready)
		if ready == "" {
			ready = "what its protocol has"
		}
		row(&b, "ready", ready+" within "+about(e.ReadyTimeout))
		for _, name := range slices.Sorted(maps.Keys(e.Headers)) {
			row(&b, "sent with each request", code(name+": "+e.Headers[name]))
		}
		row(&b, "version and model", e.Identity)
		reset := e.Reset
		if reset == "" {
			reset = "can't be: `reset = \"runtime\"` starts it anew"
		}
		row(&b, "cache made cold", reset)
		metrics := code(e.MetricsPath)
		if metrics == "" {
			metrics = "none known"
		}
		row(&b, "metrics", metrics)
		row(&b, "of these are kept", list(e.Keep, "all"))
		if len(e.Traps) > 0 {
			b.WriteString("\nWhat is known to surprise:\n\n")
			for _, trap := range e.Traps {
				fmt.Fprintf(&b, "- %s\n", trap)
			}
		}
	}
	return b.String()
}

func list(all []string, none string) string {
	if len(all) == 0 {
		return none
	}
	quoted := make([]string, len(all))
	for i, s := range all {
		quoted[i] = code(s)
	}
	return strings.Join(quoted, ", ")
}

// shown is a start in which all is said.
func shown(e engines.Engine) engines.Start {
	s := engines.Start{Model: "MODEL", Name: "MODEL", Host: "HOST", Port: 12345, ContextTokens: 1024, Parallel: 2, Threads: 4}
	if e.TakesFiles {
		s.File, s.Name = "MODEL.gguf", "MODEL"
	}
	return s
}
