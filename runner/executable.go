package runner

import (
	"fmt"
	"slices"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/scenarios"
)

// What an apply on this machine can do; the rest plans completely.
var (
	executableEngines  = []string{"wasm", "simulated", "endpoint", "command"}
	executableCollects = []string{"procfs"}
)

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
			if !slices.Contains(executableEngines, c.Runtime.Engine) {
				say("%s is of engine %s, which this version does not start by itself: start it and point runtime \"endpoint\" at it, or give its command in runtime \"command\".", c.Runtime.Addr, c.Runtime.Engine)
			}
			if c.Runtime.Image != "" {
				say("%s has an image, and this version does not run containers on this machine: give its command in runtime \"command\".", c.Runtime.Addr)
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
		if c.Runtime.Protocol == "tgi" && c.Runtime.Engine != "endpoint" && c.Runtime.Engine != "command" {
			say("%s speaks tgi, which only runtimes \"endpoint\" and \"command\" do here.", c.Runtime.Addr)
		}
		for _, col := range c.Collects {
			if !slices.Contains(executableCollects, col.Source) {
				say("%s collects from %s, which this version plans but does not read: procfs works on this machine.", col.Addr, col.Source)
			}
		}
		if c.Reset == scenarios.ResetCache {
			say("Run %q resets the cache before each trial, which none of these engines can: use reset = \"runtime\", or prompts with cache = \"cold\".", t.Run)
		}
	}
	return found
}
