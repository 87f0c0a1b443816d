package lang

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/llmscen/llmscen/scenarios"
)

// functionDocs describes the functions that are not cty's, for the reference.
var functionDocs = []struct{ call, doc string }{
	{`file("PATH")`, "The text of a file below the scenario's folder."},
	{`env("NAME")`, "The value of an environment variable; the name is literal, and the plan lists it. env(\"NAME\", \"else\") has a value for where it is not set."},
	{`secret("env:NAME")`, "A reference to a secret, also secret(\"file:PATH\"): read when it is used, never shown or stored."},
	{`linspace(from, to, n)`, "n numbers from one to the other, evenly spaced."},
	{`logspace(from, to, n)`, "n numbers from one to the other, each the same factor above the one before."},
	{`constant(v)`, "The distribution of one value. The arguments of distributions are numbers, or durations such as \"40ms\"."},
	{`uniform(min, max)`, "Evenly spread between two values."},
	{`normal(mean, std_dev, …)`, "The normal distribution. A least and a greatest value may follow, here and below."},
	{`lognormal(mean, std_dev, …)`, "The lognormal distribution with this mean and standard deviation of the values themselves."},
	{`gamma(mean, std_dev, …)`, "The gamma distribution with this mean and standard deviation."},
	{`empirical([values])`, "One of the values, each as likely."},
}

// distributionFunctions make distributions and series of numbers.
func distributionFunctions() map[string]function.Function {
	return map[string]function.Function{
		"linspace":  series(func(from, to float64, i, n int) float64 { return from + (to-from)*float64(i)/float64(n-1) }, false),
		"logspace":  series(func(from, to float64, i, n int) float64 { return from * math.Pow(to/from, float64(i)/float64(n-1)) }, true),
		"constant":  law("constant", 1, 1),
		"uniform":   law("uniform", 2, 2),
		"normal":    law("normal", 2, 4),
		"lognormal": law("lognormal", 2, 4),
		"gamma":     law("gamma", 2, 4),
		"empirical": empirical(),
	}
}

// series makes n numbers between two, both included.
func series(at func(from, to float64, i, n int) float64, positive bool) function.Function {
	number := func(name string) function.Parameter { return function.Parameter{Name: name, Type: cty.Number} }
	return function.New(&function.Spec{
		Params: []function.Parameter{number("from"), number("to"), number("n")},
		Type:   function.StaticReturnType(cty.List(cty.Number)),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			from, _ := args[0].AsBigFloat().Float64()
			to, _ := args[1].AsBigFloat().Float64()
			n, _ := args[2].AsBigFloat().Float64()
			if n != math.Trunc(n) || n < 1 || n > maxElements {
				return cty.NilVal, function.NewArgErrorf(2, "it is a whole number from 1 to %d", int(maxElements))
			}
			if positive && (from <= 0 || to <= 0) {
				return cty.NilVal, errors.New("both ends must be above 0")
			}
			list := make([]cty.Value, int(n))
			list[0] = cty.NumberFloatVal(from)
			for i := 1; i < int(n); i++ {
				v := at(from, to, i, int(n))
				if i == int(n)-1 {
					v = to // not a rounding error beside it
				}
				if math.IsInf(v, 0) || math.IsNaN(v) {
					return cty.NilVal, errors.New("the numbers are out of range")
				}
				list[i] = cty.NumberFloatVal(rounded(v))
			}
			return cty.ListVal(list), nil
		},
	})
}

// rounded takes the last digits off, which hold the errors of the arithmetic: numbers become names in a matrix.
func rounded(v float64) float64 {
	r, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 15, 64), 64)
	if err != nil {
		return v
	}
	return r
}

// law makes a distribution of so many arguments: numbers, or durations.
func law(kind string, least, most int) function.Function {
	return function.New(&function.Spec{
		VarParam: &function.Parameter{Name: "arguments", Type: cty.DynamicPseudoType},
		Type:     function.StaticReturnType(distributionType),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if len(args) < least || len(args) > most {
				return cty.NilVal, fmt.Errorf("%s takes %d to %d arguments, and there are %d", kind, least, most, len(args))
			}
			v, durations, err := quantities(args)
			if err != nil {
				return cty.NilVal, err
			}
			d := scenarios.Distribution{Kind: kind}
			switch kind {
			case "constant":
				d.Mean = v[0]
			case "uniform":
				d.Min, d.Max, d.Mean = v[0], v[1], (v[0]+v[1])/2
				if v[1] < v[0] {
					return cty.NilVal, function.NewArgErrorf(1, "the greatest value is below the least")
				}
			default:
				if d.Mean, d.StdDev = v[0], v[1]; d.StdDev < 0 {
					return cty.NilVal, function.NewArgErrorf(1, "a standard deviation is not below 0")
				}
				if kind != "normal" && d.Mean <= 0 {
					return cty.NilVal, function.NewArgErrorf(0, "the mean must be above 0")
				}
				if err := clip(&d, v[2:]); err != nil {
					return cty.NilVal, err
				}
			}
			return cty.CapsuleVal(distributionType, &drawn{d, durations}), nil
		},
	})
}

// clip sets the least and the greatest value, where they are given.
func clip(d *scenarios.Distribution, bounds []float64) error {
	if len(bounds) == 0 {
		return nil
	}
	d.Min, d.Max = bounds[0], math.MaxFloat64
	if len(bounds) == 2 {
		d.Max = bounds[1]
	}
	if d.Max <= d.Min {
		return function.NewArgErrorf(3, "the greatest value is not above the least")
	}
	return nil
}

func empirical() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "values", Type: cty.DynamicPseudoType}},
		Type:   function.StaticReturnType(distributionType),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			values, err := elements(args[0], "a list")
			if err != nil || len(values) == 0 {
				return cty.NilVal, function.NewArgErrorf(0, "it is a list of at least one number or duration")
			}
			v, durations, err := quantities(values)
			if err != nil {
				return cty.NilVal, err
			}
			return cty.CapsuleVal(distributionType, &drawn{scenarios.Distribution{Kind: "empirical", Values: v}, durations}), nil
		},
	})
}

// quantities are numbers, or durations in seconds: all of one sort.
func quantities(args []cty.Value) (values []float64, durations bool, err error) {
	for i, a := range args {
		if a.IsNull() || !a.IsKnown() {
			return nil, false, function.NewArgErrorf(i, "it is a number or a duration, not null")
		}
		isDuration := a.Type() == cty.String
		if i > 0 && isDuration != durations {
			return nil, false, function.NewArgErrorf(i, "the arguments are all numbers, or all durations")
		}
		durations = isDuration
		if !durations {
			v, err := asNumber(a, -math.MaxFloat64, math.MaxFloat64, "a number or a duration")
			if err != nil {
				return nil, false, function.NewArgErrorf(i, "it is a number or a duration, and this is %s", called(a))
			}
			values = append(values, v)
			continue
		}
		d, err := parseDuration(a, math.MinInt64)
		if err != nil {
			return nil, false, function.NewArgErrorf(i, "%q is not a duration: write a number, or a number and a unit, as in \"40ms\"", shortened(a.AsString()))
		}
		values = append(values, d.Seconds())
	}
	return values, durations, nil
}

func (m *module) fileFunction() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			path := args[0].AsString()
			if text, read := m.filesRead[filepath.Clean(path)]; read {
				return cty.StringVal(string(text)), nil
			}
			if err := m.checkPath(path); err != nil {
				var w *mistake
				errors.As(err, &w)
				return cty.NilVal, function.NewArgErrorf(0, "%s", lowerSentence(w.detail))
			}
			f, err := m.root.Open(path)
			if err != nil {
				return cty.NilVal, function.NewArgErrorf(0, "%q can't be opened: %s", path, reason(err))
			}
			defer f.Close() // it was only read
			text, err := readOpened(f, maxValueBytes)
			if err != nil {
				return cty.NilVal, function.NewArgErrorf(0, "%q %s", path, err)
			}
			if at := invalidUTF8(text); at >= 0 {
				return cty.NilVal, function.NewArgErrorf(0, "%q is not UTF-8 at offset %d", path, at)
			}
			m.filesRead[filepath.Clean(path)] = text
			return cty.StringVal(string(text)), nil
		},
	})
}

// lowerSentence makes a sentence go on after a colon.
func lowerSentence(s string) string {
	if strings.HasPrefix(s, `"`) {
		return strings.TrimSuffix(s, ".")
	}
	return lowerFirst(s)
}

func (m *module) envFunction() function.Function {
	return function.New(&function.Spec{
		Params:   []function.Parameter{{Name: "name", Type: cty.String}},
		VarParam: &function.Parameter{Name: "else", Type: cty.String},
		Type:     function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if len(args) > 2 {
				return cty.NilVal, errors.New("env takes a name, and maybe what to use where it is not set")
			}
			name := args[0].AsString()
			value, set := m.env(name)
			m.envRead[name] = value
			switch {
			case set && !utf8.ValidString(value):
				return cty.NilVal, fmt.Errorf("the environment variable %s is not UTF-8", name)
			case set:
				return cty.StringVal(value), nil
			case len(args) == 2:
				return args[1], nil
			}
			return cty.NilVal, fmt.Errorf("the environment variable %s is not set: set it, or give a value for that as in env(%q, \"…\")", name, name)
		},
	})
}

// secretFromEnv is a reference to an environment variable, as POSIX names them.
var secretFromEnv = regexp.MustCompile(`^env:[A-Za-z_][A-Za-z0-9_]*$`)

func (m *module) secretFunction() function.Function {
	return function.New(&function.Spec{
		// Marks end here: a reference to a secret is never shown.
		Params: []function.Parameter{{Name: "reference", Type: cty.String, AllowMarked: true}},
		Type:   function.StaticReturnType(secretType),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			plain, _ := args[0].Unmark()
			if !plain.IsKnown() || plain.IsNull() {
				return cty.UnknownVal(secretType), nil
			}
			reference := plain.AsString()
			path, isFile := strings.CutPrefix(reference, "file:")
			switch {
			case isFile && path != "" && !strings.ContainsRune(path, 0):
				// Where the secret lies is no part of the scenario, so it may be outside its folder.
				reference = "file:" + under(m.set.dir, path)
			case !secretFromEnv.MatchString(reference):
				return cty.NilVal, function.NewArgErrorf(0, "a secret is env:NAME or file:PATH, and never the secret itself")
			}
			s := scenarios.Secret(reference)
			return cty.CapsuleVal(secretType, &s), nil
		},
	})
}
