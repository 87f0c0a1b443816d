package runner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/llmscen/llmscen/runner/engines"
	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/scenarios"
)

// What an apply on this machine can collect; the rest plans completely.
var executableCollects = []string{"procfs", "scrape"}

// notExecutable says what a plan has that an apply could not do, a sentence each, each once.
func notExecutable(p *Plan) []string {
	var found []string
	say := func(format string, args ...any) {
		if s := fmt.Sprintf(format, args...); !slices.Contains(found, s) {
			found = append(found, s)
		}
	}
	for _, t := range p.Trials {
		c := t.Cell
		for _, pool := range []*scenarios.NodePool{c.NodePool, c.ClientNodePool} {
			if pool != nil && pool.Kind != "local" {
				say("%s is a %s pool, and this version applies on this machine only: leave node_pool out of run %q, or use a local pool.", pool.Addr, pool.Kind, t.Run)
			}
		}
		if local := c.NodePool == nil || c.NodePool.Kind == "local"; local {
			if e, known := engines.Find(c.Runtime.Engine); known {
				notOfEngine(c, e, say)
			} else {
				say("%s is of engine %s, which this version does not know.", c.Runtime.Addr, c.Runtime.Engine)
			}
			if c.Replicas > 1 {
				say("Run %q asks for %d replicas, and on this machine there is one of each runtime.", t.Run, c.Replicas)
			}
		}
		if c.ClientWorkers > 1 {
			say("Run %q asks for %d client_workers, and on this machine there is one.", t.Run, c.ClientWorkers)
		}
		if l, err := load.NewPlan(c.Load, c.WarmUp, c.CoolDown, t.Seed); err == nil && c.Load.Shape != "search" && l.Executable() != nil {
			say("%s is of shape %s, which this version plans but does not make.", c.Load.Addr, c.Load.Shape)
		}
		for _, col := range c.Collects {
			if !slices.Contains(executableCollects, col.Source) {
				say("%s collects from %s, which this version plans but does not read: procfs and scrape work on this machine.", col.Addr, col.Source)
			}
		}
		if c.Reset == scenarios.ResetCache {
			if e, known := engines.Find(c.Runtime.Engine); known && !e.CanResetCache() {
				say("Run %q resets the cache before each trial, which engine %s can't: use reset = \"runtime\", or prompts with cache = \"cold\".", t.Run, e.Name)
			}
		}
	}
	return found
}

// notOfEngine says what a runtime asks of an engine that it can't do on this machine, whatever is installed there.
func notOfEngine(c scenarios.Cell, e *engines.Engine, say func(string, ...any)) {
	r := c.Runtime
	if !e.Speaks(r.Protocol) {
		say("%s speaks %s, which engine %s does not: it has %s.", r.Addr, r.Protocol, e.Name, strings.Join(e.Protocols, ", "))
	}
	if e.Carried && r.Image != "" {
		say("%s has an image, and engine %s is in llmscen itself: leave it out.", r.Addr, e.Name)
	}
}
