package lang

import (
	"errors"
	"fmt"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// fill decodes a body into a target: every row of the schema that has a place in it. where limits the rows; nil means
// all. It tells what is wrong and returns whether nothing was.
func (m *module) fill(b *body, each *instance, target any, where func(*attribute) bool) bool {
	ok := true
	for i := range b.rows.attributes {
		row := &b.rows.attributes[i]
		if row.into == nil || where != nil && !where(row) {
			continue
		}
		s := b.settings[row.name]
		if s == nil {
			fallBack(m, row, target)
			continue
		}
		v, known := m.value(s, each)
		if !known {
			ok = false
			continue
		}
		ok = m.put(s, v, target) && ok
	}
	return ok
}

// fillAll is fill with the nested blocks.
func (m *module) fillAll(b *body, each *instance, target any) bool {
	ok := m.fill(b, each, target, nil)
	return m.fillNested(b, each, target) && ok
}

func (m *module) fillNested(b *body, each *instance, target any) bool {
	ok := true
	for _, n := range b.nested {
		if n.spec.into != nil {
			ok = m.fillAll(&n.body, each, n.spec.into(target, n.label)) && ok
		}
	}
	return ok
}

// put decodes one value into its place.
func (m *module) put(s *setting, v cty.Value, target any) bool {
	row := s.spec
	if v.ContainsMarked() {
		m.found.errorf(s.at(), "Sensitive value would be shown", "%s is stored with the plan, and the value comes from a sensitive variable: it can go into secret(…) only.", row.name)
		return false
	}
	if !v.IsWhollyKnown() {
		return false // why has been told where it comes from
	}
	if v.IsNull() {
		if row.required {
			m.found.errorf(s.at(), "Attribute that is missing", "%s is null, and it is needed: %s.", row.name, row.is.name)
			return false
		}
		fallBack(m, row, target)
		return true
	}
	if err := row.is.decode(m, v, row.into(target)); err != nil {
		var w *mistake
		if !errors.As(err, &w) {
			w = &mistake{summary: "Value that can't be used", detail: err.Error(), element: -1}
		}
		m.found.errorf(elementRange(s, w.element), w.summary, "%s", w.detail)
		return false
	}
	return true
}

// elementRange is where an element of a list is written, or else the whole.
func elementRange(s *setting, element int) hcl.Range {
	if list, ok := s.written.(*hclsyntax.TupleConsExpr); ok && element >= 0 && element < len(list.Exprs) {
		return list.Exprs[element].Range()
	}
	return s.at()
}

// fallBack puts a row's fallback into its place.
func fallBack(m *module, row *attribute, target any) {
	if row.fallback == "" {
		return
	}
	if err := row.is.decode(m, fallbackValue(row.fallback), row.into(target)); err != nil {
		panic(fmt.Sprintf("the schema's own fallback of %s is wrong: %v", row.name, err))
	}
}

var fallbackValues sync.Map // text → cty.Value

// fallbackValue is the value of a fallback, which is a constant expression of the schema.
func fallbackValue(text string) cty.Value {
	if v, ok := fallbackValues.Load(text); ok {
		return v.(cty.Value)
	}
	expr, diags := hclsyntax.ParseExpression([]byte(text), "schema", hcl.InitialPos)
	if diags.HasErrors() {
		panic(fmt.Sprintf("the schema's own fallback %s is wrong: %v", text, diags))
	}
	v, diags := expr.Value(nil)
	if diags.HasErrors() {
		panic(fmt.Sprintf("the schema's own fallback %s is wrong: %v", text, diags))
	}
	fallbackValues.Store(text, v)
	return v
}

// written tells whether an attribute was written, with any value.
func (b *body) written(name string) bool { return b.settings[name] != nil }

// rangeOf is where an attribute is written, or else the block's header.
func (b *body) rangeOf(name string) hcl.Range {
	if s := b.settings[name]; s != nil {
		return s.at()
	}
	return b.at
}
