package lang

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// instrument puts an expression under the eye of a budget: it replaces, in the tree, every part that can make something
// large. What refers to names is left as it is, so that the tree can still be asked for its variables.
func instrument(e hclsyntax.Expression, b *budget) hclsyntax.Expression {
	each := func(list []hclsyntax.Expression) {
		for i := range list {
			list[i] = instrument(list[i], b)
		}
	}
	switch e := e.(type) {
	case *hclsyntax.ParenthesesExpr:
		e.Expression = instrument(e.Expression, b)
	case *hclsyntax.RelativeTraversalExpr:
		e.Source = instrument(e.Source, b)
	case *hclsyntax.IndexExpr:
		e.Collection, e.Key = instrument(e.Collection, b), instrument(e.Key, b)
	case *hclsyntax.ConditionalExpr:
		e.Condition, e.TrueResult, e.FalseResult = instrument(e.Condition, b), instrument(e.TrueResult, b), instrument(e.FalseResult, b)
	case *hclsyntax.UnaryOpExpr:
		e.Val = instrument(e.Val, b)
	case *hclsyntax.TemplateWrapExpr:
		e.Wrapped = instrument(e.Wrapped, b)
	case *hclsyntax.ObjectConsKeyExpr:
		// A key that is a bare word is its own name, which only the bare word can tell.
		if _, word := e.Wrapped.(*hclsyntax.ScopeTraversalExpr); !word {
			e.Wrapped = instrument(e.Wrapped, b)
		}
	case *hclsyntax.BinaryOpExpr:
		e.LHS, e.RHS = instrument(e.LHS, b), instrument(e.RHS, b)
		return &counted{Expression: e, budget: b}
	case *hclsyntax.TupleConsExpr:
		each(e.Exprs)
		return &counted{Expression: e, budget: b}
	case *hclsyntax.ObjectConsExpr:
		for i := range e.Items {
			e.Items[i].KeyExpr = instrument(e.Items[i].KeyExpr, b)
			e.Items[i].ValueExpr = instrument(e.Items[i].ValueExpr, b)
		}
		return &counted{Expression: e, budget: b}
	case *hclsyntax.FunctionCallExpr:
		each(e.Args)
		return &counted{Expression: e, budget: b}
	case *hclsyntax.SplatExpr:
		e.Source, e.Each = instrument(e.Source, b), step(e.Each, b)
		return &counted{Expression: e, budget: b}
	case *hclsyntax.ForExpr:
		e.CollExpr, e.ValExpr = instrument(e.CollExpr, b), step(e.ValExpr, b)
		if e.KeyExpr != nil {
			e.KeyExpr = step(e.KeyExpr, b)
		}
		if e.CondExpr != nil {
			e.CondExpr = step(e.CondExpr, b)
		}
		return &counted{Expression: e, budget: b}
	case *hclsyntax.TemplateJoinExpr:
		e.Tuple = instrument(e.Tuple, b)
		return &counted{Expression: e, budget: b}
	case *hclsyntax.TemplateExpr:
		if e.IsStringLiteral() {
			return e
		}
		t := &limitedTemplate{counted: counted{Expression: e, budget: b}}
		for i := range e.Parts {
			e.Parts[i] = &templatePart{Expression: instrument(e.Parts[i], b), of: t}
		}
		return t
	}
	return e
}

// step makes the body of a loop cost a step even where it is a plain name.
func step(e hclsyntax.Expression, b *budget) hclsyntax.Expression {
	return &stepped{Expression: instrument(e, b), budget: b}
}

// counted is an expression whose result is weighed.
type counted struct {
	hclsyntax.Expression
	budget *budget
}

func (e *counted) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	if d := e.budget.spend(1, e.Range()); d != nil {
		return cty.DynamicVal, hcl.Diagnostics{d}
	}
	v, diags := e.Expression.Value(ctx)
	if diags.HasErrors() {
		return v, diags
	}
	w, problem := weigh(v)
	if d := e.budget.spend(w.steps(), e.Range()); d != nil {
		return cty.DynamicVal, hcl.Diagnostics{d}
	}
	if problem != "" {
		return cty.DynamicVal, append(diags, tooLarge(e.Range(), problem))
	}
	return v, diags
}

func tooLarge(at hcl.Range, problem string) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Value too large", Detail: problem, Subject: &at}
}

// stepped is an expression that costs a step.
type stepped struct {
	hclsyntax.Expression
	budget *budget
}

func (e *stepped) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	if d := e.budget.spend(1, e.Range()); d != nil {
		return cty.DynamicVal, hcl.Diagnostics{d}
	}
	return e.Expression.Value(ctx)
}

// limitedTemplate is a template whose parts together are limited before they are joined.
type limitedTemplate struct {
	counted
	bytes int
}

func (e *limitedTemplate) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	e.bytes = 0
	return e.counted.Value(ctx)
}

// templatePart is one part of a template.
type templatePart struct {
	hclsyntax.Expression
	of *limitedTemplate
}

func (e *templatePart) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	v, diags := e.Expression.Value(ctx)
	if plain, _ := v.Unmark(); plain.Type() == cty.String && plain.IsKnown() && !plain.IsNull() {
		e.of.bytes += len(plain.AsString())
	}
	if e.of.bytes > maxValueBytes {
		return cty.DynamicVal, append(diags, tooLarge(e.of.Range(), fmt.Sprintf("The text has more than %d MiB.", maxValueBytes>>20)))
	}
	return v, diags
}
