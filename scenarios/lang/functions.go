package lang

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// functions are what expressions can call, by name. None reads the clock or chance.
type functions map[string]function.Function

// standard are cty's own functions, with the check of their arguments where the result, or the way to it, can be much
// larger than they are.
var standard = map[string]struct {
	f     function.Function
	check func(args []cty.Value) error
}{
	"abs": {stdlib.AbsoluteFunc, nil}, "ceil": {stdlib.CeilFunc, nil}, "floor": {stdlib.FloorFunc, nil},
	"int": {stdlib.IntFunc, nil}, "log": {stdlib.LogFunc, nil}, "max": {stdlib.MaxFunc, nil}, "min": {stdlib.MinFunc, nil},
	"parseint": {stdlib.ParseIntFunc, shortText}, "pow": {stdlib.PowFunc, nil}, "signum": {stdlib.SignumFunc, nil},

	"chomp": {stdlib.ChompFunc, nil}, "format": {stdlib.FormatFunc, formatFits}, "formatlist": {stdlib.FormatListFunc, formatFits},
	"indent": {stdlib.IndentFunc, indentFits}, "join": {stdlib.JoinFunc, joinFits}, "lower": {stdlib.LowerFunc, nil},
	"replace": {stdlib.ReplaceFunc, replaceFits}, "split": {stdlib.SplitFunc, splitFits}, "strlen": {stdlib.StrlenFunc, nil},
	"strrev": {stdlib.ReverseFunc, nil}, "substr": {stdlib.SubstrFunc, nil}, "title": {stdlib.TitleFunc, nil},
	"trim": {stdlib.TrimFunc, nil}, "trimprefix": {stdlib.TrimPrefixFunc, nil}, "trimspace": {stdlib.TrimSpaceFunc, nil},
	"trimsuffix": {stdlib.TrimSuffixFunc, nil}, "upper": {stdlib.UpperFunc, nil},
	"regex": {stdlib.RegexFunc, regexFits}, "regexall": {stdlib.RegexAllFunc, regexFits}, "regexreplace": {stdlib.RegexReplaceFunc, regexReplaceFits},

	"chunklist": {stdlib.ChunklistFunc, nil}, "coalesce": {stdlib.CoalesceFunc, nil}, "coalescelist": {stdlib.CoalesceListFunc, nil},
	"compact": {stdlib.CompactFunc, nil}, "concat": {stdlib.ConcatFunc, nil}, "contains": {stdlib.ContainsFunc, nil},
	"distinct": {stdlib.DistinctFunc, distinctFits}, "element": {stdlib.ElementFunc, nil}, "flatten": {stdlib.FlattenFunc, nil},
	"hasindex": {stdlib.HasIndexFunc, nil}, "index": {stdlib.IndexFunc, nil}, "keys": {stdlib.KeysFunc, nil}, "length": {stdlib.LengthFunc, nil},
	"lookup": {stdlib.LookupFunc, nil}, "merge": {stdlib.MergeFunc, nil}, "range": {stdlib.RangeFunc, nil},
	"reverse": {stdlib.ReverseListFunc, nil}, "setintersection": {stdlib.SetIntersectionFunc, nil},
	"setproduct": {stdlib.SetProductFunc, productFits}, "setsubtract": {stdlib.SetSubtractFunc, nil}, "setunion": {stdlib.SetUnionFunc, nil},
	"slice": {stdlib.SliceFunc, nil}, "sort": {stdlib.SortFunc, nil}, "values": {stdlib.ValuesFunc, nil}, "zipmap": {stdlib.ZipmapFunc, nil},

	"csvdecode": {stdlib.CSVDecodeFunc, csvFits}, "jsondecode": {stdlib.JSONDecodeFunc, jsonFits}, "jsonencode": {stdlib.JSONEncodeFunc, nil},
	"formatdate": {stdlib.FormatDateFunc, nil}, "timeadd": {stdlib.TimeAddFunc, nil},

	"tobool": {conversion(cty.Bool), nil}, "tolist": {conversion(cty.List(cty.DynamicPseudoType)), nil},
	"tomap": {conversion(cty.Map(cty.DynamicPseudoType)), nil}, "tonumber": {conversion(cty.Number), nil},
	"toset": {conversion(cty.Set(cty.DynamicPseudoType)), nil}, "tostring": {conversion(cty.String), nil},
}

// conversion is a function that converts its argument to a type.
func conversion(want cty.Type) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "v", Type: cty.DynamicPseudoType, AllowNull: true}},
		Type: func(args []cty.Value) (cty.Type, error) {
			v, err := convert.Convert(args[0], want)
			if err != nil {
				return cty.NilType, function.NewArgError(0, err)
			}
			return v.Type(), nil
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, err := convert.Convert(args[0], want)
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			return v, nil
		},
	})
}

func newFunctions(m *module) functions {
	fs := functions{"try": tryfunc.TryFunc, "can": tryfunc.CanFunc}
	for name, s := range standard {
		fs[name] = limited(s.f, s.check)
	}
	for name, f := range distributionFunctions() {
		fs[name] = limited(f, nil)
	}
	fs["file"], fs["env"], fs["secret"] = limited(m.fileFunction(), nil), limited(m.envFunction(), nil), m.secretFunction()
	return fs
}

// limited puts limits on what goes into a function and what comes out.
func limited(f function.Function, check func([]cty.Value) error) function.Function {
	before := func(args []cty.Value) error {
		for i, a := range args {
			if _, problem := weigh(a); problem != "" {
				return function.NewArgErrorf(i, "the argument is too large: %s", lowerFirst(problem))
			}
		}
		if check == nil {
			return nil
		}
		for _, a := range args {
			if !a.IsWhollyKnown() || a.IsNull() {
				return nil // the function has its own words for these
			}
		}
		plain := make([]cty.Value, len(args))
		for i, a := range args {
			plain[i], _ = a.UnmarkDeep()
		}
		return check(plain)
	}
	return function.New(&function.Spec{
		Params: f.Params(), VarParam: f.VarParam(),
		Type: func(args []cty.Value) (cty.Type, error) {
			if err := before(args); err != nil {
				return cty.NilType, err
			}
			return f.ReturnTypeForValues(args)
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, err := f.Call(args)
			if err != nil {
				return cty.NilVal, err
			}
			if _, problem := weigh(v); problem != "" {
				return cty.NilVal, fmt.Errorf("the result is too large: %s", lowerFirst(problem))
			}
			return v, nil
		},
	})
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + strings.TrimSuffix(s[1:], ".") }

// check tells whether every function in an expression is there, and whether env has literal names.
func (fs functions) check(m *module, e hclsyntax.Expression) bool {
	ok := true
	_ = hclsyntax.VisitAll(e, func(n hclsyntax.Node) hcl.Diagnostics {
		call, isCall := n.(*hclsyntax.FunctionCallExpr)
		if !isCall {
			return nil
		}
		if _, known := fs[call.Name]; !known {
			ok = false
			m.found.errorf(call.NameRange, "Unknown function", "There is no function %q.%s%s", call.Name, didYouMean("", call.Name, names(fs)), leftOut(call.Name))
		}
		if call.Name == "env" && len(call.Args) > 0 && !isLiteralText(call.Args[0]) {
			ok = false
			m.found.errorf(call.Args[0].Range(), "Name of an environment variable that is not literal",
				"The first argument of env is a text without ${ }, so that the plan can list which variables are read.")
		}
		return nil
	})
	return ok
}

// leftOut says why a function that people know from elsewhere is not there.
func leftOut(name string) string {
	switch name {
	case "timestamp", "uuid", "plantimestamp", "random", "rand", "now":
		return " No function reads the clock or chance, so that the same scenario means the same tomorrow: seeds are arguments."
	case "templatefile", "filebase64", "fileset", "fileexists":
		return " file(\"PATH\") reads a text."
	}
	return ""
}

func isLiteralText(e hclsyntax.Expression) bool {
	t, ok := e.(*hclsyntax.TemplateExpr)
	return ok && t.IsStringLiteral()
}
