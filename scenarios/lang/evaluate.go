package lang

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/llmscen/llmscen/scenarios"
)

// evaluate computes the locals and multiplies blocks by for_each, each after what it refers to.
func (m *module) evaluate() {
	v := &visit{m: m, state: map[string]int{}}
	for _, name := range m.localNames {
		v.node("local", name)
	}
	for _, b := range m.order {
		v.node(b.spec.name, b.name)
	}
}

// visit walks what depends on what, depth first.
type visit struct {
	m     *module
	state map[string]int // 1: under way, 2: done
	path  []string
}

// node evaluates a local, or the keys of a block; other names need nothing.
func (v *visit) node(root, name string) {
	s, b := v.m.locals[name], v.m.blocks[root][name]
	if root != "local" {
		s = nil
	}
	if s == nil && b == nil {
		return
	}
	if b != nil {
		s = b.forEach // nil: it depends on nothing
	}
	addr := root + "." + name
	switch v.state[addr] {
	case 2:
		return
	case 1:
		v.tellCycle(addr)
		return
	}
	v.state[addr] = 1
	v.path = append(v.path, addr)
	if s != nil {
		for _, ref := range s.refs {
			v.node(ref.root, ref.name)
		}
	}
	v.path = v.path[:len(v.path)-1]
	v.state[addr] = 2
	if b != nil {
		v.m.multiply(b)
		return
	}
	v.m.values[name], _ = v.m.value(s, nil)
}

// tellCycle tells a circle once, at its first part in the source, and takes it out of the evaluation.
func (v *visit) tellCycle(addr string) {
	cycle := v.path[slices.Index(v.path, addr):]
	first := cycle[0]
	for _, a := range cycle {
		s := v.setting(a)
		s.bad = true
		if at, was := s.at(), v.setting(first).at(); at.Filename < was.Filename || at.Filename == was.Filename && at.Start.Byte < was.Start.Byte {
			first = a
		}
	}
	i := slices.Index(cycle, first)
	shown := append(append(slices.Clone(cycle[i:]), cycle[:i]...), first)
	if len(shown) > maxListed {
		shown = append(append(shown[:maxListed-1:maxListed-1], "…"), first)
	}
	v.m.found.errorf(v.setting(first).at(), "Circle of references", "%s needs itself: %s. Take one of these references out.", first, strings.Join(shown, " → "))
}

func (v *visit) setting(addr string) *setting {
	root, name, _ := strings.Cut(addr, ".")
	if root == "local" {
		return v.m.locals[name]
	}
	return v.m.blocks[root][name].forEach
}

// context holds the names that an expression refers to, and no others.
func (m *module) context(s *setting, each *instance) *hcl.EvalContext {
	groups := map[string]map[string]cty.Value{}
	put := func(root, name string, v cty.Value) {
		if groups[root] == nil {
			groups[root] = map[string]cty.Value{}
		}
		groups[root][name] = v
	}
	ctx := &hcl.EvalContext{Variables: map[string]cty.Value{}, Functions: m.functions}
	for _, ref := range s.refs {
		switch ref.root {
		case "var":
			if in := m.inputs[ref.name]; in != nil {
				put("var", ref.name, in.value)
			} else {
				put("var", ref.name, cty.DynamicVal)
			}
		case "local":
			if v, ok := m.values[ref.name]; ok {
				put("local", ref.name, v)
			} else {
				put("local", ref.name, cty.DynamicVal)
			}
		case "each":
			put("each", "key", cty.StringVal(each.key))
			put("each", "value", each.each)
		case "target":
			for _, name := range scenarios.TargetNames() {
				put("target", name, cty.StringVal("${target."+name+"}"))
			}
		case "port":
			ctx.Variables["port"] = cty.StringVal("${port}")
		case "matrix": // the cell's own context has it
		default:
			put(ref.root, ref.name, m.blockValue(ref))
		}
	}
	for root, group := range groups {
		ctx.Variables[root] = cty.ObjectVal(group)
	}
	return ctx
}

// blockValue is what TYPE.NAME is: a reference, or an object of them by key.
func (m *module) blockValue(ref reference) cty.Value {
	b := m.blocks[ref.root][ref.name]
	if b == nil || b.forEach == nil && len(b.instances) == 0 || b.forEach != nil && b.byKey == nil {
		return cty.DynamicVal
	}
	if b.forEach == nil {
		return cty.CapsuleVal(referenceType, b.instances[0])
	}
	if b.value == cty.NilVal {
		all := make(map[string]cty.Value, len(b.instances))
		for _, i := range b.instances {
			all[i.key] = cty.CapsuleVal(referenceType, i)
		}
		b.value = cty.ObjectVal(all)
	}
	return b.value
}

// value evaluates an attribute; ok is false where it could not be, which has been told.
func (m *module) value(s *setting, each *instance) (v cty.Value, ok bool) {
	if s.bad || !m.keysExist(s) {
		return cty.DynamicVal, false
	}
	return m.valueIn(s, m.context(s, each))
}

func (m *module) valueIn(s *setting, ctx *hcl.EvalContext) (cty.Value, bool) {
	v, diags := s.expr.Value(ctx)
	if m.budget.spent != nil {
		m.found.hcl(hcl.Diagnostics{m.budget.spent})
		return cty.DynamicVal, false
	}
	if diags.HasErrors() {
		m.tellHCL(s, diags)
		return cty.DynamicVal, false
	}
	w, problem := weigh(v)
	if d := m.budget.spend(w.steps()-1, s.at()); d != nil {
		m.found.hcl(hcl.Diagnostics{d})
		return cty.DynamicVal, false
	}
	if problem != "" {
		m.found.errorf(s.at(), "Value too large", "%s", problem)
		return cty.DynamicVal, false
	}
	return v, true
}

// tellHCL tells what went wrong in an evaluation, without what a sensitive value could shine through.
func (m *module) tellHCL(s *setting, diags hcl.Diagnostics) {
	if !m.touchesSensitive(s) {
		m.found.hcl(diags)
		return
	}
	for _, d := range diags {
		at := s.at()
		if d.Subject != nil {
			at = *d.Subject
		}
		m.found.errorf(at, d.Summary, "The details are withheld, because a sensitive value takes part.")
	}
}

func (m *module) touchesSensitive(s *setting) bool {
	for _, ref := range s.refs {
		if in := m.inputs[ref.name]; ref.root == "var" && in != nil && in.sensitive {
			return true
		}
		if l := m.locals[ref.name]; ref.root == "local" && l != nil && (m.values[ref.name].ContainsMarked() || m.values[ref.name].Type() == cty.DynamicPseudoType && m.touchesSensitive(l)) {
			return true
		}
	}
	return false
}

// keysExist checks references into blocks with for_each, whose keys are known only now.
func (m *module) keysExist(s *setting) bool {
	ok := true
	for _, ref := range s.refs {
		b := m.blocks[ref.root][ref.name]
		if b == nil || b.byKey == nil || !ref.keyed || b.byKey[ref.key] != nil {
			continue
		}
		ok = false
		m.found.errorf(ref.keyAt, "Reference to a key that is not there", "%s has no key %q.%s It has %s.",
			b.addr(), ref.key, didYouMean("", ref.key, names(b.byKey)), listed(names(b.byKey)))
	}
	return ok
}

// multiply makes the instances of a block.
func (m *module) multiply(b *block) {
	if b.forEach == nil {
		b.instances = []*instance{{block: b, addr: b.addr()}}
		return
	}
	if m.instances > maxInstances {
		return // which has been told
	}
	v, ok := m.value(b.forEach, nil)
	if !ok || !v.IsWhollyKnown() {
		return
	}
	if v.ContainsMarked() {
		m.found.errorf(b.forEach.at(), "Sensitive value would be shown", "The keys of for_each are part of names: they can't come from a sensitive variable.")
		return
	}
	pairs, problem := eachPairs(v)
	if problem != "" {
		m.found.errorf(b.forEach.at(), "for_each of something else", "%s", problem)
		return
	}
	if m.instances += len(pairs); m.instances > maxInstances {
		m.found.errorf(b.forEach.at(), "Too many blocks", "All for_each together make more than %d blocks: leave some keys out.", int(maxInstances))
		return
	}
	b.byKey = map[string]*instance{}
	for _, p := range pairs {
		if problem := keyProblem(b, p.key); problem != "" {
			m.found.errorf(b.forEach.at(), "Key that can't be used", "%s", problem)
			continue
		}
		i := &instance{block: b, addr: b.addr() + "[" + quoted(p.key) + "]", key: p.key, each: p.value}
		b.instances = append(b.instances, i)
		b.byKey[p.key] = i
	}
}
