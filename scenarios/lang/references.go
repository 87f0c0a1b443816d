package lang

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/llmscen/llmscen/scenarios"
)

// reference is a name in an expression: local.models, runtime.llama["8b"], each.key.
type reference struct {
	root, name string
	at         hcl.Range
	// keyed: a text in brackets, or a further name, follows the name.
	keyed bool
	key   string
	keyAt hcl.Range
}

// scope is which names an expression may use beside var, local and blocks.
type scope struct {
	each   bool
	matrix []string // its keys; nil: there is no matrix
	anyKey bool     // the matrix's keys are known only by evaluation
	hole   string
	// only: the one variable that a validation may use; "" for any.
	only string
	// nothing: no reference is allowed at all.
	nothing string
}

// checkReferences checks every name in every expression, and prepares the expressions for evaluation.
func (m *module) checkReferences() {
	for _, name := range m.localNames {
		m.checkSetting(m.locals[name], scope{})
	}
	for _, name := range names(m.variables) {
		v := m.variables[name]
		if d := v.settings["default"]; d != nil {
			m.checkSetting(d, scope{nothing: "The default of a variable"})
		}
		for _, n := range v.nested {
			for _, s := range n.settings {
				m.checkSetting(s, scope{only: v.name})
			}
		}
		for _, s := range []string{"description", "sensitive"} {
			if s := v.settings[s]; s != nil {
				m.checkSetting(s, scope{nothing: "This attribute"})
			}
		}
	}
	for _, b := range []*block{m.scenarioBlock, m.warehouse} {
		if b != nil {
			m.checkBody(&b.body, scope{})
		}
	}
	for _, b := range m.order {
		if b.forEach != nil {
			m.checkSetting(b.forEach, scope{})
		}
		s := scope{each: b.forEach != nil}
		if matrix := b.settings["matrix"]; matrix != nil {
			s.matrix, s.anyKey = literalKeys(matrix.written)
		}
		m.checkBody(&b.body, s)
	}
}

func (m *module) checkBody(b *body, s scope) {
	for _, set := range b.settings {
		here := s
		here.hole = set.spec.hole
		if set.spec.once {
			here.matrix, here.anyKey = nil, false
		}
		m.checkSetting(set, here)
	}
	for _, n := range b.nested {
		m.checkBody(&n.body, s)
	}
}

// literalKeys are the keys of an object as it is written, in its order; any tells that they can't be seen from there.
func literalKeys(e hclsyntax.Expression) (keys []string, any bool) {
	object, ok := e.(*hclsyntax.ObjectConsExpr)
	if !ok {
		return []string{}, true
	}
	keys = []string{}
	for _, item := range object.Items {
		key, diags := item.KeyExpr.Value(nil)
		if diags.HasErrors() || key.IsNull() || !key.IsKnown() || key.Type() != cty.String {
			return keys, true
		}
		keys = append(keys, key.AsString())
	}
	return keys, false
}

// checkSetting checks the names in one attribute.
func (m *module) checkSetting(s *setting, in scope) {
	for _, t := range s.written.Variables() {
		ref := readReference(t)
		if summary, detail := m.problemWith(ref, in); summary != "" {
			m.found.errorf(ref.at, summary, "%s", detail)
			s.bad = true
			continue
		}
		s.refs = append(s.refs, ref)
	}
	if !m.functions.check(m, s.written) {
		s.bad = true
	}
	s.expr = instrument(s.written, m.budget)
}

func readReference(t hcl.Traversal) reference {
	ref := reference{root: t.RootName(), at: t.SourceRange()}
	if len(t) > 1 {
		ref.name, _ = stepName(t[1])
		// The subject is the name; what follows it is another matter.
		ref.at = hcl.RangeBetween(t[0].SourceRange(), t[1].SourceRange())
	}
	if len(t) > 2 {
		ref.key, ref.keyed = stepName(t[2])
		ref.keyAt = t.SourceRange()
	}
	return ref
}

func stepName(step hcl.Traverser) (string, bool) {
	switch s := step.(type) {
	case hcl.TraverseAttr:
		return s.Name, true
	case hcl.TraverseIndex:
		if s.Key.Type() == cty.String && s.Key.IsKnown() && !s.Key.IsNull() {
			return s.Key.AsString(), true
		}
		return "", true
	}
	return "", false
}

// problemWith says what is wrong with a reference; "" where nothing is.
func (m *module) problemWith(ref reference, in scope) (summary, detail string) {
	if in.nothing != "" {
		return "Reference where there can't be one", fmt.Sprintf("%s can't refer to anything: write the value itself.", in.nothing)
	}
	if in.only != "" && !(ref.root == "var" && ref.name == in.only) {
		return "Reference where there can't be one", fmt.Sprintf("A validation refers to its own variable only: var.%s.", in.only)
	}
	switch {
	case ref.root == "each":
		return eachProblem(ref, in)
	case ref.root == "matrix":
		return matrixProblem(ref, in)
	case ref.root == "target":
		return targetProblem(ref, in)
	case ref.root == "port" && in.hole == "port":
		return "", ""
	case ref.root == "var":
		return nameProblem(m, "variable", "var", ref, m.variables)
	case ref.root == "local":
		return nameProblem(m, "local", "local", ref, m.locals)
	case m.blocks[ref.root] != nil:
		return m.blockProblem(ref)
	}
	return "Unknown name", m.unknownRoot(ref)
}

func eachProblem(ref reference, in scope) (string, string) {
	if !in.each {
		return "Reference to each without for_each", "each.key and each.value are in blocks with for_each, and this one has none."
	}
	if ref.name != "key" && ref.name != "value" {
		return "Unknown name", fmt.Sprintf("each has key and value, and no %q.", ref.name)
	}
	return "", ""
}

func matrixProblem(ref reference, in scope) (string, string) {
	if in.matrix == nil {
		return "Reference to matrix without one", "matrix.KEY is in the attributes of a run that has a matrix and that may differ from cell to cell."
	}
	if ref.name != "" && !in.anyKey && !slices.Contains(in.matrix, ref.name) {
		return "Reference to a matrix key that is not there", fmt.Sprintf("The matrix has no %q.%s It has %s.",
			ref.name, didYouMean("matrix.", ref.name, in.matrix), listed(in.matrix))
	}
	return "", ""
}

func targetProblem(ref reference, in scope) (string, string) {
	if in.hole != "target" {
		return "Reference to target where there is none", "target is known in the query of a series only: it is filled in by the trial."
	}
	if !slices.Contains(scenarios.TargetNames(), ref.name) {
		return "Reference to something that a target does not have", fmt.Sprintf("A target has no %q.%s It has %s.",
			ref.name, didYouMean("target.", ref.name, scenarios.TargetNames()), listed(scenarios.TargetNames()))
	}
	return "", ""
}

// nameProblem is about a name of a kind of things: a variable, a local, a block.
func nameProblem[T any](m *module, noun, root string, ref reference, declared map[string]T) (summary, detail string) {
	if ref.name == "" {
		return "Reference without a name", fmt.Sprintf("%s alone is nothing: write %s.NAME.", root, root)
	}
	if _, there := declared[ref.name]; there || m.incomplete || m.nameless[noun] {
		return "", ""
	}
	summary = fmt.Sprintf("Reference to %s %s that is not there", article(noun), noun)
	detail = fmt.Sprintf("There is no %s %q.", noun, ref.name)
	if len(m.found.list) > maxErrors {
		return summary, detail // to look for what was meant takes long, and no one reads all of these
	}
	all := names(declared)
	near := didYouMean(root+".", ref.name, all)
	if near == "" {
		near = m.elsewhere(root, ref.name)
	}
	if len(all) == 0 {
		return summary, detail + " None is declared." + near
	}
	return summary, fmt.Sprintf("%s%s Declared here: %s.", detail, near, listed(all))
}

func (m *module) blockProblem(ref reference) (string, string) {
	declared := m.blocks[ref.root]
	b := declared[ref.name]
	if spec := topLevel(ref.root); b == nil && spec.kind(ref.name) != nil && ref.keyed {
		return "Reference with a kind", fmt.Sprintf("The kind is not part of a reference: write %s.%s.", ref.root, ref.key)
	}
	if summary, detail := nameProblem(m, ref.root, ref.root, ref, declared); summary != "" || b == nil {
		return summary, detail
	}
	if ref.keyed && b.forEach == nil {
		return "Reference into a block", fmt.Sprintf("%s is one block, without for_each: write %s alone.", b.addr(), b.addr())
	}
	return "", ""
}

// elsewhere looks for the name among the other things that can be referred to.
func (m *module) elsewhere(root, name string) string {
	if root != "local" && m.locals[name] != nil {
		return fmt.Sprintf(" Did you mean local.%s?", name)
	}
	if root != "var" && m.variables[name] != nil {
		return fmt.Sprintf(" Did you mean var.%s?", name)
	}
	for i := range schema {
		if typ := schema[i].name; typ != root && m.blocks[typ][name] != nil {
			return fmt.Sprintf(" Did you mean %s.%s?", typ, name)
		}
	}
	return ""
}

func (m *module) unknownRoot(ref reference) string {
	if near := m.elsewhere("", ref.root); near != "" && ref.name == "" {
		return fmt.Sprintf("There is nothing called %q.%s", ref.root, near)
	}
	roots := []string{"var", "local", "each", "matrix"}
	for i := range schema {
		if schema[i].referable {
			roots = append(roots, schema[i].name)
		}
	}
	near := didYouMean("", ref.root, roots)
	if near == "" && ref.name == "" {
		near = " A text is written in double quotes."
	}
	return fmt.Sprintf("There is nothing called %q.%s References begin with %s.", ref.root, near, strings.Join(roots, ", "))
}
