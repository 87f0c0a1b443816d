package lang

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"maps"
	"slices"

	"github.com/llmscen/llmscen/scenarios"
)

// scenario makes the plain values of all blocks.
func (m *module) scenario() *scenarios.Scenario {
	s := &scenarios.Scenario{Dir: m.set.dir}
	if m.scenarioBlock != nil {
		s.Name = m.scenarioBlock.name
		m.fillAll(&m.scenarioBlock.body, nil, s)
	}
	s.Warehouse = m.makeWarehouse()
	for _, b := range m.order {
		if b.spec.name == "run" {
			continue
		}
		for _, i := range b.instances {
			m.makeInstance(b, i)
		}
	}
	taken := map[string]*block{}
	for _, b := range m.blocks["run"] {
		taken[b.name] = b
	}
	for _, b := range m.order {
		if b.spec.name != "run" {
			continue
		}
		for _, i := range b.instances {
			if run := m.makeRun(b, i, taken); run != nil {
				s.Runs = append(s.Runs, *run)
			}
		}
	}
	for _, f := range m.set.files {
		s.Sources = append(s.Sources, scenarios.Source{Name: f.name, Text: string(f.text)})
	}
	s.EnvRead = slices.Sorted(maps.Keys(m.envRead))
	s.Variables = m.shownVariables()
	s.SHA256 = m.digest()
	return s
}

func (m *module) makeWarehouse() scenarios.Warehouse {
	b := m.warehouse
	if b == nil {
		b = &block{spec: topLevel("warehouse"), body: body{rows: topLevel("warehouse").rows(nil)}}
	}
	w := scenarios.Warehouse{Block: scenarios.Block{Addr: "warehouse", Decl: m.found.place(b.at)}}
	m.fillAll(&b.body, nil, &w)
	return w
}

// makeInstance decodes one block, and checks what it means where all of it could be read.
func (m *module) makeInstance(b *block, i *instance) {
	head := scenarios.Block{Addr: i.addr, Decl: m.found.place(b.at)}
	kindName := ""
	if b.kind != nil {
		kindName = b.kind.name
	}
	switch b.spec.name {
	case "runtime":
		r := &scenarios.Runtime{Block: head, Engine: kindName}
		if kindName == "simulated" {
			r.Simulated = &scenarios.Simulated{}
		}
		m.make(b, i, r, func() { m.checkRuntime(b, r) })
	case "node_pool":
		p := &scenarios.NodePool{Block: head, Kind: kindName}
		m.make(b, i, p, func() { m.checkNodePool(b, p) })
	case "prompt_set":
		p := &scenarios.PromptSet{Block: head, Kind: kindName}
		m.make(b, i, p, func() { m.checkPromptSet(b, p) })
	case "load":
		l := &scenarios.Load{Block: head, Shape: kindName}
		m.make(b, i, l, func() { m.checkLoad(b, l) })
	case "slo":
		s := &scenarios.SLO{Block: head}
		m.make(b, i, s, func() { m.checkSLO(b, s) })
	case "collect":
		c := &scenarios.Collect{Block: head, Source: kindName}
		m.make(b, i, c, func() { m.checkCollect(b, c) })
	}
}

func (m *module) make(b *block, i *instance, value any, check func()) {
	i.value = value
	if m.fillAll(&b.body, i, value) && !b.faulty {
		check()
	}
}

// digest is the digest, in hex, of all that makes the scenario what it is.
//
// Values of sensitive variables are left out: a short one could be guessed from its digest, and they can change nothing
// but which reference to a secret is taken.
func (m *module) digest() string {
	h := sha256.New()
	for _, f := range m.set.files {
		part(h, "file", f.base, string(f.text))
	}
	for _, name := range slices.Sorted(maps.Keys(m.inputs)) {
		part(h, "variable", name, m.inputs[name].shown)
	}
	for _, name := range slices.Sorted(maps.Keys(m.filesRead)) {
		part(h, "read", name, string(m.filesRead[name]))
	}
	for _, name := range slices.Sorted(maps.Keys(m.envRead)) {
		part(h, "env", name, m.envRead[name])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// part adds texts to a digest so that no two lists of texts look the same to it.
func part(h hash.Hash, texts ...string) {
	for _, s := range texts {
		fmt.Fprintf(h, "%d:%s", len(s), s)
	}
}
