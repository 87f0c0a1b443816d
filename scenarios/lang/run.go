package lang

import (
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/llmscen/llmscen/scenarios"
)

// defaultSampling is how often this machine's resources are read where a run says nothing of it.
const defaultSampling = 100 * time.Millisecond

// makeRun makes a run and its cells; nil where it can't be made, which has been told.
func (m *module) makeRun(b *block, i *instance, taken map[string]*block) *scenarios.Run {
	run := &scenarios.Run{Block: scenarios.Block{Addr: i.addr, Decl: m.found.place(b.at)}, Name: b.name}
	if i.key != "" {
		run.Name += "-" + i.key
		if was := taken[run.Name]; was != nil {
			m.found.errorf(b.at, "Name that is taken", "%s is called %q, and so is the run declared at %s.", i.addr, run.Name, where(was.at))
			return nil
		}
		taken[run.Name] = b
	}
	ok := m.fill(&b.body, i, run, func(a *attribute) bool { return a.once })
	matrix, matrixOK := m.matrixOf(b, i)
	if !matrixOK {
		// The cells are not known. What is wrong with the attributes that don't need them is told all the same.
		m.fill(&b.body, i, &scenarios.Cell{}, func(a *attribute) bool { return !a.once && !usesMatrix(b.settings[a.name]) })
		return nil
	}
	cells := m.makeCells(b, i, matrix)
	if !ok || cells == nil {
		return nil
	}
	run.Cells = cells
	return run
}

func usesMatrix(s *setting) bool {
	return s != nil && slices.ContainsFunc(s.refs, func(r reference) bool { return r.root == "matrix" })
}

// makeCells decodes each combination of a matrix. What doesn't depend on the matrix is decoded once.
func (m *module) makeCells(b *block, i *instance, mx *matrix) []scenarios.Cell {
	var base scenarios.Cell
	ok := m.fill(&b.body, i, &base, func(a *attribute) bool { return !a.once && !usesMatrix(b.settings[a.name]) })
	var varying []*setting
	var contexts []*hcl.EvalContext
	for k := range b.rows.attributes {
		if s := b.settings[b.rows.attributes[k].name]; usesMatrix(s) && s.spec.into != nil {
			if s.bad || !m.keysExist(s) {
				ok = false
				continue
			}
			varying = append(varying, s)
			contexts = append(contexts, m.context(s, i))
		}
	}
	if m.cells += len(mx.combinations); m.cells > maxCells {
		m.found.errorf(b.rangeOf("matrix"), "Too many cells", "All runs together have more than %d cells: leave some values out.", int(maxCells))
		return nil
	}
	cells := make([]scenarios.Cell, 0, len(mx.combinations))
	for _, combination := range mx.combinations {
		cells = append(cells, base)
		cell := &cells[len(cells)-1]
		cell.Values, cell.Numbers = mx.shown(combination)
		scope := mx.scope(combination)
		for k, s := range varying {
			ctx := contexts[k].NewChild()
			ctx.Variables = scope
			v, known := m.valueIn(s, ctx)
			ok = known && m.put(s, v, cell) && ok
		}
		cell.Sampling = cell.Runtime.Sampling
		ok = m.fillNested(&b.body, i, cell) && ok
		if m.budget.spent != nil {
			return nil
		}
		if ok && !b.faulty {
			m.checkCell(b, cell)
		}
	}
	if !ok || b.faulty {
		return nil
	}
	return cells
}

// checkCell checks what the parts of a cell say together, and fills what depends on them.
func (m *module) checkCell(b *block, c *scenarios.Cell) {
	if c.Load.Shape == "search" && c.SLO == nil {
		m.found.errorf(b.rangeOf("load"), "Search without a promise", "%s searches for the highest load that meets the run's slo, and the run has none: write slo = slo.NAME.", c.Load.Addr)
	}
	if c.Load.Shape == "search" && c.SLO != nil && !slices.ContainsFunc(c.SLO.Objectives, scenarios.Objective.Searchable) {
		m.found.errorf(b.rangeOf("load"), "Search without a limit", "%s searches for the highest load that meets %s, which has no objective that more load could break: give it a percentile of a latency, a share of errors or of goodput.", c.Load.Addr, c.SLO.Addr)
	}
	if c.Load.Shape == "cold_start" && c.Runtime.Engine == "endpoint" {
		m.found.errorf(b.rangeOf("load"), "Cold start of a server that runs", "%s can't be stopped and started: a cold start needs a runtime that llmscen starts.", c.Runtime.Addr)
	}
	if c.Load.Shape == "cold_start" {
		for name, over := range map[string]time.Duration{"warm_up": c.WarmUp, "cool_down": c.CoolDown} {
			if over > 0 {
				m.found.errorf(b.rangeOf(name), "Attribute without effect", "A cold start has no rate that could be held before or after it: leave %s out.", name)
			}
		}
	}
	if c.Runtime.Engine == "endpoint" && c.Replicas > 1 {
		m.found.errorf(b.rangeOf("replicas"), "Replicas of a server that runs", "%s is one address: its replicas are its own affair.", c.Runtime.Addr)
	}
	if c.Runtime.Engine == "command" && c.NodePool != nil && c.NodePool.Kind == "kubernetes" {
		m.found.errorf(b.rangeOf("node_pool"), "Command on a cluster", "%s starts a command on this machine: use an engine with an image for %s.", c.Runtime.Addr, c.NodePool.Addr)
	}
	if c.PromptSet.Kind == "conversation" && c.Load.Shape == "replay" {
		m.found.errorf(b.rangeOf("prompt_set"), "Two schedules", "A trace says when each request is due, and so does a conversation: take other prompts.")
	}
	if !b.written("collect") && (c.NodePool == nil || c.NodePool.Kind == "local") {
		c.Collects = []scenarios.Collect{{Source: "procfs", Every: defaultSampling}}
	}
}

// scope is what an expression sees of a combination.
func (mx *matrix) scope(combination []int) map[string]cty.Value {
	values := make(map[string]cty.Value, len(mx.keys))
	for k, key := range mx.keys {
		values[key.name] = key.values[combination[k]].value
	}
	return map[string]cty.Value{"matrix": cty.ObjectVal(values)}
}
