package lang

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// nameRule is what names may be: what Kubernetes takes for a label, and begins with a letter, so that it can be
// referred to.
var nameRule = regexp.MustCompile(`^[a-z]([-_a-z0-9]{0,61}[a-z0-9])?$`)

const nameAdvice = "a name has lower-case letters, digits, - and _, begins with a letter, ends with a letter or digit, and has at most 63 of them"

// declare compares the files with the schema and notes what they declare.
func (m *module) declare() {
	for _, f := range m.set.files {
		for _, a := range sortedAttributes(f.body.Attributes) {
			m.found.errorf(a.NameRange, "Attribute outside a block", "%s", m.outsideAdvice(a.Name))
		}
		for _, b := range f.body.Blocks {
			m.declareBlock(b, f.spoiled[b.TypeRange.Start.Byte])
		}
	}
	if len(m.set.files) == 0 || m.incomplete {
		return
	}
	top := hcl.Range{Filename: m.set.files[0].name, Start: hcl.InitialPos, End: hcl.InitialPos}
	if m.scenarioBlock == nil {
		m.found.errorf(top, "Scenario without a name", "There is no scenario block: write scenario \"NAME\" {} at the top.")
	}
	if len(m.blocks["run"]) == 0 && m.scenarioBlock != nil {
		m.found.errorf(m.scenarioBlock.at, "Nothing to run", "The scenario has no run block: write run \"NAME\" { runtime = …, prompt_set = …, load = … }.")
	}
}

func (m *module) outsideAdvice(name string) string {
	for i := range schema {
		b := &schema[i]
		if b.name == name {
			return fmt.Sprintf("%s is a block: write %s { … }, without an equals sign.", name, b.header())
		}
	}
	return "Attributes stand in blocks: move it into one, or into locals { }."
}

func sortedAttributes(attributes hclsyntax.Attributes) []*hclsyntax.Attribute {
	list := make([]*hclsyntax.Attribute, 0, len(attributes))
	for _, a := range attributes {
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b *hclsyntax.Attribute) int { return a.NameRange.Start.Byte - b.NameRange.Start.Byte })
	return list
}

func topLevelNames() []string {
	list := make([]string, len(schema))
	for i := range schema {
		list[i] = schema[i].name
	}
	return list
}

func (m *module) declareBlock(syntax *hclsyntax.Block, broken bool) {
	spec := topLevel(syntax.Type)
	if spec == nil {
		m.found.errorf(syntax.TypeRange, "Unknown block", "There is no block %q.%s There are %s.",
			syntax.Type, didYouMean("", syntax.Type, topLevelNames()), strings.Join(topLevelNames(), ", "))
		return
	}
	if spec.name == "locals" {
		m.declareLocals(syntax, broken)
		return
	}
	b := &block{spec: spec, body: body{broken: broken}}
	named := m.readLabels(b, syntax)
	m.readBody(&b.body, syntax, spec, b.kind, spec.rows(b.kind))
	if len(spec.kinds) > 0 && b.kind == nil {
		b.faulty = true
	}
	b.forEach = b.settings["for_each"]
	delete(b.settings, "for_each")
	if named {
		m.note(b)
	} else {
		m.nameless[spec.name] = true
	}
}

// note makes a block known under its name, once.
func (m *module) note(b *block) {
	var known map[string]*block
	switch b.spec.name {
	case "scenario":
		if m.scenarioBlock != nil {
			m.found.errorf(b.at, "Second scenario block", "A scenario has one name, declared at %s. A folder is one scenario; give files as paths to have several.", where(m.scenarioBlock.at))
			return
		}
		m.scenarioBlock = b
		return
	case "warehouse":
		if m.warehouse != nil {
			m.found.errorf(b.at, "Second warehouse block", "A scenario has one warehouse, declared at %s.", where(m.warehouse.at))
			return
		}
		m.warehouse = b
		return
	case "variable":
		known = m.variables
	default:
		known = m.blocks[b.spec.name]
	}
	if was := known[b.name]; was != nil {
		m.found.errorf(b.at, "Name that is taken", "%s %q is declared already, at %s: names are unique, whatever the kind.", b.spec.name, b.name, where(was.at))
		return
	}
	known[b.name] = b
	if b.spec.referable {
		m.order = append(m.order, b)
	}
}

// readLabels takes the kind and the name from the labels; false where there is no name to note.
func (m *module) readLabels(b *block, syntax *hclsyntax.Block) bool {
	spec := b.spec
	wanted := 0
	if len(spec.kinds) > 0 {
		wanted++
	}
	if spec.label != "" {
		wanted++
	}
	if len(syntax.Labels) != wanted {
		m.found.errorf(syntax.DefRange(), "Wrong labels", "This block is written %s { … }.%s", spec.header(), m.labelAdvice(spec, syntax))
		return false
	}
	rest, ranges := syntax.Labels, syntax.LabelRanges
	if len(spec.kinds) > 0 {
		b.kind = spec.kind(rest[0])
		if b.kind == nil {
			m.found.errorf(ranges[0], "Unknown kind of "+spec.name, "There is no %s %q.%s There are %s.", spec.name, rest[0],
				didYouMean("", rest[0], spec.kindNames()), strings.Join(spec.kindNames(), ", "))
		}
		rest, ranges = rest[1:], ranges[1:]
	}
	if spec.label == "" {
		return true
	}
	b.name = rest[0]
	if !nameRule.MatchString(b.name) {
		m.found.errorf(ranges[0], "Name that can't be used", "%q: %s.", b.name, nameAdvice)
		return false
	}
	return true
}

func (m *module) labelAdvice(spec *blockType, syntax *hclsyntax.Block) string {
	if len(spec.kinds) == 0 || len(syntax.Labels) != 1 {
		return ""
	}
	if spec.kind(syntax.Labels[0]) != nil {
		return " The name is missing."
	}
	return fmt.Sprintf(" The kind is missing: one of %s.", strings.Join(spec.kindNames(), ", "))
}

func (m *module) declareLocals(syntax *hclsyntax.Block, broken bool) {
	if len(syntax.Labels) > 0 {
		m.found.errorf(syntax.DefRange(), "Wrong labels", "This block is written locals { … }.")
	}
	for _, b := range syntax.Body.Blocks {
		m.found.errorf(b.TypeRange, "Block in locals", "locals holds attributes: write %s = { … }, with an equals sign.", b.Type)
	}
	for _, a := range sortedAttributes(syntax.Body.Attributes) {
		if was := m.locals[a.Name]; was != nil {
			m.found.errorf(a.NameRange, "Name that is taken", "local.%s is declared already, at %s.", a.Name, where(was.nameRange))
			continue
		}
		m.locals[a.Name] = &setting{name: a.Name, written: a.Expr, nameRange: a.NameRange, bad: broken}
		m.localNames = append(m.localNames, a.Name)
	}
}

// readBody compares a body with the rows that it may hold.
func (m *module) readBody(b *body, syntax *hclsyntax.Block, spec *blockType, k *kind, r rows) {
	b.rows, b.settings, b.at, b.faulty = r, map[string]*setting{}, syntax.DefRange(), b.broken
	kindKnown := len(spec.kinds) == 0 || k != nil
	meant := map[string]bool{} // what an unknown attribute was most likely to be
	for _, a := range sortedAttributes(syntax.Body.Attributes) {
		row := r.attribute(a.Name)
		if row == nil {
			b.faulty = true
			if kindKnown {
				meant[nearest(a.Name, r.attributeNames())] = true
				m.found.errorf(a.NameRange, "Unknown attribute", "%s", unknownAttribute(a.Name, spec, k, r))
			}
			continue
		}
		b.settings[a.Name] = &setting{spec: row, name: a.Name, written: a.Expr, nameRange: a.NameRange, bad: b.broken}
	}
	seen := map[string]int{} // nested blocks that may be there once → their line
	for _, n := range syntax.Body.Blocks {
		if kindKnown {
			m.readNested(b, n, spec, k, r, seen)
		}
	}
	for i := range r.attributes {
		if row := &r.attributes[i]; row.required && b.settings[row.name] == nil {
			b.faulty = true
			if b.broken || meant[row.name] {
				continue // it may be there, behind the mistake that is told
			}
			m.found.errorf(b.at, "Attribute that is missing", "%s needs %s: %s %s", heading(spec, k), row.name, row.is.name+".", row.doc)
		}
	}
}

// heading is a block with its kind, as sentences call it.
func heading(spec *blockType, k *kind) string {
	if k == nil {
		return spec.name
	}
	return fmt.Sprintf("%s %q", spec.name, k.name)
}

func unknownAttribute(name string, spec *blockType, k *kind, r rows) string {
	what := heading(spec, k)
	if n := r.block(name); n != nil {
		return fmt.Sprintf("%s is a block in %s: write %s { … }, without an equals sign.", name, what, n.header())
	}
	if kinds := spec.kindsWith(name); len(kinds) > 0 {
		for i := range kinds {
			kinds[i] = fmt.Sprintf("%q", kinds[i])
		}
		return fmt.Sprintf("%s has no %s: it is an attribute of %s %s.", what, name, spec.name, strings.Join(kinds, ", "))
	}
	near := didYouMean("", name, append(r.attributeNames(), r.blockNames()...))
	return fmt.Sprintf("%s has no %s.%s It has %s.", what, name, near, strings.Join(append(r.attributeNames(), r.blockNames()...), ", "))
}

func (m *module) readNested(b *body, syntax *hclsyntax.Block, spec *blockType, k *kind, r rows, seen map[string]int) {
	row := r.block(syntax.Type)
	if row == nil {
		b.faulty = true
		if r.attribute(syntax.Type) != nil {
			m.found.errorf(syntax.TypeRange, "Attribute written as a block", "%s is an attribute: write %s = …, with an equals sign.", syntax.Type, syntax.Type)
			return
		}
		near := didYouMean("", syntax.Type, append(r.blockNames(), r.attributeNames()...))
		m.found.errorf(syntax.TypeRange, "Unknown block", "%s has no block %s.%s", heading(spec, k), syntax.Type, near)
		return
	}
	n := &nested{spec: row, body: body{broken: b.broken}}
	if !m.readNestedLabel(n, syntax) {
		b.faulty = true
	}
	if row.once || row.unique {
		title := blockTitle(syntax)
		if line, twice := seen[title]; twice {
			b.faulty = true
			m.found.errorf(syntax.DefRange(), "Block that is there twice", "There is %s already, at line %d.", title, line)
			return
		}
		seen[title] = syntax.TypeRange.Start.Line
	}
	m.readBody(&n.body, syntax, row, nil, rows{attributes: row.attributes, blocks: row.blocks})
	b.faulty = b.faulty || n.faulty
	b.nested = append(b.nested, n)
}

func (m *module) readNestedLabel(n *nested, syntax *hclsyntax.Block) bool {
	wanted := 0
	if n.spec.label != "" {
		wanted = 1
	}
	if len(syntax.Labels) != wanted {
		m.found.errorf(syntax.DefRange(), "Wrong labels", "This block is written %s { … }.", n.spec.header())
		return false
	}
	if wanted == 0 {
		return true
	}
	n.label = syntax.Labels[0]
	if len(n.spec.names) > 0 && !slices.Contains(n.spec.names, n.label) {
		m.found.errorf(syntax.LabelRanges[0], "Unknown "+n.spec.name, "There is no %s %q.%s There are %s.", n.spec.name, n.label,
			didYouMean("", n.label, n.spec.names), strings.Join(n.spec.names, ", "))
		return false
	}
	if len(n.spec.names) == 0 && !nameRule.MatchString(n.label) {
		m.found.errorf(syntax.LabelRanges[0], "Name that can't be used", "%q: %s.", n.label, nameAdvice)
		return false
	}
	return true
}
