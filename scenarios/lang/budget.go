package lang

import (
	"context"
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// budget bounds the work of evaluation: an expression is a program, and a short one can ask for very much.
type budget struct {
	ctx  context.Context
	left int
	// spent is the finding that ended the evaluation. It is kept here as well as returned, because try() and can()
	// swallow what an expression returns.
	spent *hcl.Diagnostic
}

// spend takes steps; nil where there are enough.
func (b *budget) spend(steps int, at hcl.Range) *hcl.Diagnostic {
	if b.spent != nil {
		return b.spent
	}
	b.left -= steps
	if b.left < 0 {
		b.spent = &hcl.Diagnostic{
			Severity: hcl.DiagError, Subject: &at, Summary: "Too much to evaluate",
			Detail: fmt.Sprintf("The scenario takes more than %d steps to evaluate: use smaller lists, or fewer for expressions.", int(maxSteps)),
		}
	} else if b.left%1024 == 0 && b.ctx.Err() != nil {
		b.spent = &hcl.Diagnostic{Severity: hcl.DiagError, Subject: &at, Summary: "Evaluation interrupted", Detail: "It was stopped from outside."}
	}
	return b.spent
}

// weight is how large a value is.
type weight struct {
	elements, bytes int
	outOfRange      bool // a number beyond what a float64 holds
}

// steps is what looking at a value of that weight costs.
func (w weight) steps() int { return 1 + w.elements/20 + w.bytes/10_000 }

// weigh measures a value, and stops where it is too large: values share their parts, so a small program can build one
// that is larger than memory to those who walk through it.
func weigh(v cty.Value) (w weight, problem string) {
	w.add(v)
	switch {
	case w.outOfRange:
		problem = "A number in it is beyond what 64-bit floating point holds."
	case w.elements > maxElements:
		problem = fmt.Sprintf("It has more than %d elements.", int(maxElements))
	case w.bytes > maxValueBytes:
		problem = fmt.Sprintf("It has more than %d MiB of text.", maxValueBytes>>20)
	}
	return w, problem
}

func (w *weight) over() bool {
	return w.outOfRange || w.elements > maxElements || w.bytes > maxValueBytes
}

func (w *weight) add(v cty.Value) {
	w.elements++
	if v.IsMarked() {
		v, _ = v.Unmark()
	}
	if w.over() || !v.IsKnown() || v.IsNull() {
		return
	}
	t := v.Type()
	switch {
	case t == cty.String:
		w.bytes += len(v.AsString())
	case t == cty.Number:
		f := v.AsBigFloat()
		if e := f.MantExp(nil); f.IsInf() || e > maxNumberBits || e < -maxNumberBits {
			w.outOfRange = true
		}
	case t.IsTupleType(), t.IsObjectType(), t.IsCollectionType():
		for it := v.ElementIterator(); it.Next() && !w.over(); {
			key, e := it.Element()
			if key.Type() == cty.String && !t.IsSetType() {
				if key.IsMarked() {
					key, _ = key.Unmark()
				}
				w.bytes += len(key.AsString())
			}
			w.add(e)
		}
	}
}
