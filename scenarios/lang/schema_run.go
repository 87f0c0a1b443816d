package lang

import "github.com/llmscen/llmscen/scenarios"

func runBlock() blockType {
	return blockType{
		name: "run", label: "NAME", referable: true,
		doc:        "Joins a runtime, prompts, a load and promises; its matrix multiplies it into cells, and each cell is tried several times.",
		attributes: append(runAttributes(), cellAttributes()...),
		blocks: []blockType{samplingBlock(inner(func(c *scenarios.Cell) any {
			c.Sampling = c.Runtime.Sampling
			return &c.Sampling
		}))},
	}
}

// runAttributes belong to the run as a whole.
func runAttributes() []attribute {
	return []attribute{
		{name: "matrix", is: anything, once: true, absent: "one cell", doc: "{ KEY = [values] }: the run is made for each combination; matrix.KEY is the value. Values are texts, numbers, truths, or references."},
		{name: "exclude", is: anything, once: true, doc: "[{ KEY = value }]: combinations to leave out: those that have all these values."},
		{name: "trials", is: count, once: true, fallback: "1", doc: "How often each cell is tried.",
			into: field(func(r *scenarios.Run) any { return &r.Trials })},
		{name: "order", is: choice("listed", "shuffled", "interleaved"), once: true, fallback: `"interleaved"`,
			doc:  "listed: cell by cell; shuffled: by chance within each deployment, so that a large model is not loaded anew for each trial; interleaved: all cells once, then again, so that drift meets all alike.",
			into: field(func(r *scenarios.Run) any { return &r.Order })},
		{name: "seed", is: integer, once: true, fallback: "0", doc: "The root of all seeds of the run.",
			into: field(func(r *scenarios.Run) any { return &r.Seed })},
	}
}

// cellAttributes may differ from cell to cell, through matrix.
func cellAttributes() []attribute {
	return []attribute{
		{name: "runtime", is: referenceTo("runtime"), required: true, doc: "What is measured.", into: field(func(c *scenarios.Cell) any { return &c.Runtime })},
		{name: "prompt_set", is: referenceTo("prompt_set"), required: true, doc: "What is asked.", into: field(func(c *scenarios.Cell) any { return &c.PromptSet })},
		{name: "load", is: referenceTo("load"), required: true, doc: "How it is asked.", into: field(func(c *scenarios.Cell) any { return &c.Load })},
		{name: "slo", is: referenceTo("slo"), absent: "nothing is promised", doc: "What is promised.", into: field(func(c *scenarios.Cell) any { return &c.SLO })},
		{name: "collect", is: referencesTo("collect"), absent: "procfs, every 100ms, where the runtime runs on this machine", doc: "[collect.NAME, …]: which resources are watched; [] for none.",
			into: field(func(c *scenarios.Cell) any { return &c.Collects })},
		{name: "node_pool", is: referenceTo("node_pool"), absent: "this machine", doc: "Where the runtime runs.", into: field(func(c *scenarios.Cell) any { return &c.NodePool })},
		{name: "client_node_pool", is: referenceTo("node_pool"), absent: "this machine", doc: "Where the load comes from.", into: field(func(c *scenarios.Cell) any { return &c.ClientNodePool })},
		{name: "client_workers", is: count, fallback: "1", doc: "How many workers make the load together.", into: field(func(c *scenarios.Cell) any { return &c.ClientWorkers })},
		{name: "replicas", is: count, fallback: "1", doc: "How many of the runtime there are.", into: field(func(c *scenarios.Cell) any { return &c.Replicas })},
		{name: "warm_up", is: duration, fallback: `"0s"`, doc: "Before the load, at its first rate or users: sent, stored and marked, never measured.", into: field(func(c *scenarios.Cell) any { return &c.WarmUp })},
		{name: "cool_down", is: duration, fallback: `"0s"`, doc: "After the load, at its last rate or users: sent, stored and marked, never measured.", into: field(func(c *scenarios.Cell) any { return &c.CoolDown })},
		{name: "rest", is: duration, fallback: `"0s"`, doc: "The idle pause before the next trial.", into: field(func(c *scenarios.Cell) any { return &c.Rest })},
		{name: "reset", is: choice("none", "cache", "runtime"), fallback: `"none"`, doc: "What is made fresh before each trial.", into: field(func(c *scenarios.Cell) any { return &c.Reset })},
		{name: "keep_bodies", is: choice("none", "errors", "all"), fallback: `"none"`, doc: "Whose prompts and answers are stored.", into: field(func(c *scenarios.Cell) any { return &c.KeepBodies })},
	}
}
