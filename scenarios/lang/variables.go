package lang

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// sensitiveMark is on every value that comes from a sensitive variable.
const sensitiveMark = "sensitive"

// input is the value of a variable.
type input struct {
	value     cty.Value
	sensitive bool
	shown     string // as HCL text; (sensitive) for what is
}

// given is a value from outside: a text, or an expression of a file.
type given struct {
	from string // as findings call it: --var peak, LLMSCEN_VAR_peak, prod.scenvars.hcl line 3
	text string
	expr hclsyntax.Expression // nil: text counts
}

// givenValues are the values that come with the options, for all scenarios.
type givenValues struct {
	env    func(string) (string, bool)
	vars   map[string]given
	files  map[string]given
	at     map[string]hcl.Range // of values in files
	wanted map[string]bool      // names that some scenario declares
	known  []string
	whole  bool // at least one scenario could be read whole
}

func newGivenValues(o Options, base string, found *findings) *givenValues {
	g := &givenValues{env: o.Env, vars: map[string]given{}, files: map[string]given{}, at: map[string]hcl.Range{}, wanted: map[string]bool{}}
	for name, text := range o.Vars {
		g.vars[name] = given{from: "--var " + name, text: text}
	}
	for _, path := range o.VarFiles {
		if f := readFile(under(base, path), path, found); f != nil {
			for name, a := range values(f, found) {
				g.files[name] = given{from: path, expr: a.Expr}
				g.at[name] = a.NameRange
			}
		}
	}
	return g
}

// values are the attributes of a file of values.
func values(f *file, found *findings) hclsyntax.Attributes {
	for _, b := range f.body.Blocks {
		found.errorf(b.TypeRange, "Block among values", "A file of values holds NAME = value, a line each.")
	}
	for _, a := range sortedAttributes(f.body.Attributes) {
		if refs := a.Expr.Variables(); len(refs) > 0 {
			found.errorf(refs[0].SourceRange(), "Reference where there can't be one", "A file of values holds values, and no references. A text is written in double quotes.")
			delete(f.body.Attributes, a.Name)
		}
	}
	return f.body.Attributes
}

// tellUnused says which values were given to nothing.
func (g *givenValues) tellUnused(found *findings) {
	if !g.whole {
		return
	}
	slices.Sort(g.known)
	for _, name := range slices.Sorted(maps.Keys(g.vars)) {
		if !g.wanted[name] {
			found.nowhere("Value for a variable that is not there", "--var %s: no scenario declares a variable %q.%s", name, name, didYouMean("", name, g.known))
		}
	}
	for name, at := range g.at {
		if !g.wanted[name] {
			found.errorf(at, "Value for a variable that is not there", "No scenario declares a variable %q.%s", name, didYouMean("", name, g.known))
		}
	}
}

// setVariables gives every declared variable its value.
func (m *module) setVariables(g *givenValues) {
	auto := map[string]given{}
	for _, f := range m.set.auto {
		for name, a := range values(f, m.found) {
			auto[name] = given{from: f.name, expr: a.Expr}
			if m.variables[name] == nil && m.set.folder && !m.incomplete {
				m.found.warnf(a.NameRange, "Value for a variable that is not there", "The scenario declares no variable %q.%s", name, didYouMean("", name, names(m.variables)))
			}
		}
	}
	g.whole = g.whole || !m.incomplete
	for _, name := range slices.Sorted(maps.Keys(m.variables)) {
		g.wanted[name] = true
		g.known = append(g.known, name)
		m.inputs[name] = m.inputFor(m.variables[name], g, auto)
	}
	for _, name := range slices.Sorted(maps.Keys(m.variables)) {
		m.validate(m.variables[name])
	}
}

// choose is the value that counts for a name.
func (g *givenValues) choose(name string, auto map[string]given) (given, bool) {
	for _, from := range []map[string]given{g.vars, g.files, auto} {
		if v, ok := from[name]; ok {
			return v, true
		}
	}
	variable := "LLMSCEN_VAR_" + name
	if text, ok := g.env(variable); ok {
		return given{from: variable, text: text}, true
	}
	return given{}, false
}

func (m *module) inputFor(b *block, g *givenValues, auto map[string]given) *input {
	in := &input{value: cty.DynamicVal}
	in.sensitive = m.isSensitive(b)
	fallback := cty.NilVal
	if d := b.settings["default"]; d != nil && !d.bad {
		v, diags := d.expr.Value(m.context(d, nil))
		m.found.hcl(diags)
		if diags.HasErrors() {
			return in
		}
		fallback = v
	}
	want, defaults, ok := m.typeOf(b, fallback)
	if !ok {
		return in
	}
	value, from := fallback, "default"
	if v, ok := g.choose(b.name, auto); ok {
		if value, ok = m.read(b, v, want, in.sensitive); !ok {
			return in
		}
		from = v.from
	} else if b.settings["default"] == nil {
		m.found.errorf(b.at, "Variable without a value", "Give it with --var %s=VALUE, in a file with --var-file, as LLMSCEN_VAR_%s in the environment, or write a default.", b.name, b.name)
		return in
	} else if fallback == cty.NilVal {
		return in // what is wrong with the default has been told
	}
	if defaults != nil && !value.IsNull() {
		value = defaults.Apply(value)
	}
	converted, err := convert.Convert(value, want)
	if err != nil {
		m.found.errorf(m.valueRange(b, from), "Value of the wrong type", "The value of var.%s (%s) is not %s: %s.", b.name, from, article(want.FriendlyName())+" "+want.FriendlyName(), err)
		return in
	}
	if _, problem := weigh(converted); problem != "" {
		m.found.errorf(m.valueRange(b, from), "Value too large", "The value of var.%s (%s) is too large. %s", b.name, from, problem)
		return in
	}
	if !converted.IsWhollyKnown() {
		return in // what is wrong with it has been told
	}
	if !isPlain(converted) {
		m.found.errorf(m.valueRange(b, from), "Value that a variable can't hold", "A variable holds texts, numbers, truths, lists and objects: write distributions and secrets where they are used, or in locals.")
		return in
	}
	in.value, in.shown = converted, "(sensitive)"
	if in.sensitive {
		in.value = converted.Mark(sensitiveMark)
	} else {
		in.shown = strings.TrimSpace(string(hclwrite.TokensForValue(converted).Bytes()))
	}
	return in
}

// isPlain tells whether a value can be written down: whether nothing in it comes from a function of this language alone.
func isPlain(v cty.Value) bool {
	plain := true
	_ = cty.Walk(v, func(_ cty.Path, e cty.Value) (bool, error) {
		plain = plain && !e.Type().IsCapsuleType()
		return plain, nil
	})
	return plain
}

// valueRange is where a variable's value is written, or else the variable.
func (m *module) valueRange(b *block, from string) hcl.Range {
	if d := b.settings["default"]; d != nil && from == "default" {
		return d.at()
	}
	return b.at
}

func (m *module) isSensitive(b *block) bool {
	s := b.settings["sensitive"]
	if s == nil || s.bad {
		return false
	}
	v, diags := s.expr.Value(m.context(s, nil))
	m.found.hcl(diags)
	if diags.HasErrors() || !v.IsKnown() {
		return true // to be on the safe side
	}
	v, err := convert.Convert(v, cty.Bool)
	if err != nil || v.IsNull() {
		m.found.errorf(s.at(), "Not true or false", "sensitive is true or false.")
		return true
	}
	return v.True()
}

// typeOf is the type that a variable's values have: what is written, else that of a plain default, else any.
func (m *module) typeOf(b *block, fallback cty.Value) (cty.Type, *typeexpr.Defaults, bool) {
	if s := b.settings["type"]; s != nil {
		t, defaults, diags := typeexpr.TypeConstraintWithDefaults(s.written)
		m.found.hcl(diags)
		return t, defaults, !diags.HasErrors()
	}
	if fallback != cty.NilVal && fallback.Type().IsPrimitiveType() {
		return fallback.Type(), nil, true
	}
	return cty.DynamicPseudoType, nil, true
}

// read is the value of what was given from outside.
func (m *module) read(b *block, g given, want cty.Type, sensitive bool) (cty.Value, bool) {
	if g.expr == nil && !utf8.ValidString(g.text) {
		m.found.errorf(b.at, "Text that is not UTF-8", "The value from %s is not UTF-8.", g.from)
		return cty.DynamicVal, false
	}
	if g.expr == nil && (want == cty.String || want == cty.DynamicPseudoType && b.settings["default"] == nil) {
		return cty.StringVal(g.text), true
	}
	expr := g.expr
	if expr == nil {
		var problem string
		if expr, problem = parseGiven(g); problem != "" {
			if sensitive {
				problem = "it is withheld, because the variable is sensitive"
			}
			m.found.errorf(b.at, "Value that can't be read", "The value of var.%s from %s is not an expression of type %s: %s.", b.name, g.from, want.FriendlyName(), problem)
			return cty.DynamicVal, false
		}
	}
	s := &setting{name: b.name, written: expr}
	if !m.functions.check(m, expr) {
		return cty.DynamicVal, false
	}
	s.expr = instrument(expr, m.budget)
	v, diags := s.expr.Value(m.context(s, nil))
	if diags.HasErrors() {
		if g.expr != nil && !sensitive {
			m.found.hcl(diags)
		} else {
			m.found.errorf(b.at, "Value that can't be read", "The value of var.%s from %s can't be evaluated.", b.name, g.from)
		}
		return cty.DynamicVal, false
	}
	return v, true
}

// parseGiven parses a value that came as a text, as in --var rates=[1,2].
func parseGiven(g given) (hclsyntax.Expression, string) {
	if len(g.text) > maxFileBytes {
		return nil, "it is too long"
	}
	if _, summary, detail := guard([]byte(g.text), g.from); summary != "" {
		return nil, lowerFirst(detail)
	}
	expr, diags := hclsyntax.ParseExpression([]byte(g.text), g.from, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, lowerFirst(diags[0].Detail)
	}
	if refs := expr.Variables(); len(refs) > 0 {
		return nil, "it is " + shortened(g.text) + ", and a value is wanted; a text in a list is written in double quotes"
	}
	return expr, ""
}

// validate checks a variable's value against its validations.
func (m *module) validate(b *block) {
	in := m.inputs[b.name]
	for _, n := range b.nested {
		condition, message := n.settings["condition"], n.settings["error_message"]
		if condition == nil || message == nil || condition.bad || message.bad {
			continue
		}
		v, diags := condition.expr.Value(m.context(condition, nil))
		if diags.HasErrors() {
			m.tellHCL(condition, diags)
			continue
		}
		v, _ = v.Unmark()
		holds, err := convert.Convert(v, cty.Bool)
		if err != nil || holds.IsNull() {
			m.found.errorf(condition.at(), "Not true or false", "A condition is true or false, and this is neither.")
			continue
		}
		if !holds.IsKnown() || holds.True() {
			continue
		}
		text := "The value does not meet the condition."
		if v, diags := message.expr.Value(m.context(message, nil)); !diags.HasErrors() && v.IsWhollyKnown() && !v.IsNull() && !v.IsMarked() {
			if s, err := asText(v); err == nil {
				text = s
			}
		}
		m.found.errorf(b.at, "Value that is not allowed", "var.%s = %s: %s", b.name, shortened(in.shown), text)
	}
}

// shownVariables are the values that were used, as HCL text.
func (m *module) shownVariables() map[string]string {
	shown := make(map[string]string, len(m.inputs))
	for name, in := range m.inputs {
		shown[name] = in.shown
	}
	return shown
}
