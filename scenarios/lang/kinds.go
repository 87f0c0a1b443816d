package lang

import (
	"fmt"
	"math"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/llmscen/llmscen/scenarios"
)

// valueKind is a kind of values that attributes take: how it is called, and how a value becomes a field.
type valueKind struct {
	name string
	// decode fills what into points at from a value that is known, not null and carries no marks. Its error is a
	// *mistake.
	decode func(m *module, v cty.Value, into any) error
}

// mistake says what is wrong with a value.
type mistake struct {
	summary, detail string
	// element is the element of a list that is wrong, from 0; -1: the whole value.
	element int
}

func (m *mistake) Error() string { return m.summary + ": " + m.detail }

func wrong(summary, format string, args ...any) error {
	return &mistake{summary: summary, detail: fmt.Sprintf(format, args...), element: -1}
}

// The kinds of single values.
var (
	text     = valueKind{"text", decodeText(false)}
	someText = valueKind{"text, not empty", decodeText(true)}
	boolean  = valueKind{"true or false", decodeBool}

	duration         = valueKind{"duration, as in \"30s\" or \"1h30m\"", decodeDuration(0)}
	positiveDuration = valueKind{"duration above zero, as in \"30s\"", decodeDuration(1)}
	seconds          = valueKind{"duration above zero, as in \"500ms\"", decodeSeconds}
	size             = valueKind{"size, as in \"64GiB\" or \"500MB\"", decodeSize}

	amount      = valueKind{"number, at least 0", decodeNumber(0, math.MaxFloat64, "at least 0")}
	positive    = valueKind{"number above 0", decodeNumber(math.SmallestNonzeroFloat64, math.MaxFloat64, "above 0")}
	ratio       = valueKind{"number above 0, at most 1", decodeNumber(math.SmallestNonzeroFloat64, 1, "above 0 and at most 1")}
	ratioOrNone = valueKind{"number from 0 to 1", decodeNumber(0, 1, "from 0 to 1")}
	integer     = valueKind{"whole number", decodeInteger(math.MinInt64, math.MaxInt64, "between -2⁶³ and 2⁶³-1")}
	count       = valueKind{"whole number, at least 1", decodeInteger(1, math.MaxInt32, "at least 1 and at most 2147483647")}
	countOrNone = valueKind{"whole number, at least 0", decodeInteger(0, math.MaxInt32, "at least 0 and at most 2147483647")}
	portNumber  = valueKind{"port, 1 to 65535", decodeInteger(1, 65535, "from 1 to 65535")}
	httpStatus  = valueKind{"HTTP status, 400 to 599", decodeInteger(400, 599, "from 400 to 599")}

	httpURL = valueKind{"URL, as in \"http://127.0.0.1:8000\"", decodeURL}
	urlPath = valueKind{"path of a URL, as in \"/health\"", decodeURLPath}

	// anything is read by the block's own code.
	anything = valueKind{name: "any value"}
	// typeName is read by the block's own code.
	typeName = valueKind{name: "type"}
)

// choice is one word of a list.
func choice(words ...string) valueKind {
	return valueKind{
		name: "one of " + strings.Join(words, ", "),
		decode: func(_ *module, v cty.Value, into any) error {
			s, err := asText(v)
			if err != nil {
				return err
			}
			if !slices.Contains(words, s) {
				return wrong("Unknown word", "%q is not one of %s.%s", s, strings.Join(words, ", "), didYouMean("", s, words))
			}
			switch p := into.(type) {
			case *string:
				*p = s
			case *scenarios.Order:
				*p = scenarios.Order(s)
			case *scenarios.Reset:
				*p = scenarios.Reset(s)
			case *scenarios.KeepBodies:
				*p = scenarios.KeepBodies(s)
			}
			return nil
		},
	}
}

func asText(v cty.Value) (string, error) {
	s, err := convert.Convert(v, cty.String)
	if err != nil {
		return "", wrong("Not a text", "This is %s, and a text is wanted: write it in double quotes.", called(v))
	}
	return s.AsString(), nil
}

// called says what kind of value it is, as in `a number`.
func called(v cty.Value) string {
	t := v.Type()
	switch {
	case t.Equals(referenceType):
		return "the reference " + v.EncapsulatedValue().(*instance).addr
	case t.Equals(distributionType):
		return "a distribution"
	case t.Equals(secretType):
		return "a secret"
	case t == cty.String:
		return fmt.Sprintf("the text %q", shortened(v.AsString()))
	case t == cty.Number:
		return "the number " + v.AsBigFloat().Text('g', 12)
	case t == cty.Bool:
		return "true or false"
	case t.IsTupleType(), t.IsListType(), t.IsSetType():
		return "a list"
	}
	return "an object"
}

func shortened(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:57]) + "…"
	}
	return s
}

func decodeText(some bool) func(*module, cty.Value, any) error {
	return func(_ *module, v cty.Value, into any) error {
		s, err := asText(v)
		if err != nil {
			return err
		}
		if some && strings.TrimSpace(s) == "" {
			return wrong("Empty text", "Something must be written here.")
		}
		*into.(*string) = s
		return nil
	}
}

func decodeBool(_ *module, v cty.Value, into any) error {
	b, err := convert.Convert(v, cty.Bool)
	if err != nil {
		return wrong("Not true or false", "This is %s, and true or false is wanted.", called(v))
	}
	switch p := into.(type) {
	case *bool:
		*p = b.True()
	case **bool:
		value := b.True()
		*p = &value
	}
	return nil
}

// parseDuration reads a duration as Go writes it, of at least least nanoseconds.
func parseDuration(v cty.Value, least time.Duration) (time.Duration, error) {
	if v.Type() == cty.Number {
		n := v.AsBigFloat().Text('g', 12)
		return 0, wrong("Not a duration", "A duration has a unit: %s could be \"%ss\" or \"%sms\".", n, n, n)
	}
	s, err := asText(v)
	if err != nil {
		return 0, wrong("Not a duration", "This is %s, and a duration is wanted, as in \"30s\", \"500ms\" or \"1h30m\".", called(v))
	}
	d, err := time.ParseDuration(strings.TrimSpace(s))
	if err != nil {
		return 0, wrong("Not a duration", "%q is not a duration: write a number and a unit (ms, s, m, h), as in \"30s\" or \"1h30m\".", shortened(s))
	}
	if d < least {
		return 0, wrong("Duration too short", "%s must be above zero.", s)
	}
	return d, nil
}

func decodeDuration(least time.Duration) func(*module, cty.Value, any) error {
	return func(_ *module, v cty.Value, into any) error {
		d, err := parseDuration(v, least)
		if err != nil {
			return err
		}
		if d < 0 {
			return wrong("Negative duration", "%s is below zero.", d)
		}
		*into.(*time.Duration) = d
		return nil
	}
}

func decodeSeconds(_ *module, v cty.Value, into any) error {
	d, err := parseDuration(v, 1)
	if err != nil {
		return err
	}
	*into.(*float64) = d.Seconds()
	return nil
}

func decodeSize(_ *module, v cty.Value, into any) error {
	s, err := asText(v)
	if err != nil {
		return wrong("Not a size", "This is %s, and a size is wanted, as in \"64GiB\" or \"500MB\".", called(v))
	}
	b, err := scenarios.ParseBytes(s)
	if err != nil {
		return wrong("Not a size", "%s.", err)
	}
	if b == 0 {
		return wrong("Not a size", "%q is nothing: write a size above zero, as in \"64GiB\".", s)
	}
	*into.(*scenarios.Bytes) = b
	return nil
}

// asNumber is a value as a float64 within bounds.
func asNumber(v cty.Value, least, most float64, bounds string) (float64, error) {
	n, err := convert.Convert(v, cty.Number)
	if err != nil {
		return 0, wrong("Not a number", "This is %s, and a number %s is wanted.", called(v), bounds)
	}
	f, _ := n.AsBigFloat().Float64()
	if f < least || f > most || math.IsInf(f, 0) {
		return 0, wrong("Number out of range", "%s is not %s.", n.AsBigFloat().Text('g', 12), bounds)
	}
	return f, nil
}

// tokenRate is an inter-token latency that is written as its inverse.
type tokenRate struct{ latency *scenarios.Distribution }

func decodeNumber(least, most float64, bounds string) func(*module, cty.Value, any) error {
	return func(_ *module, v cty.Value, into any) error {
		f, err := asNumber(v, least, most, bounds)
		if err != nil {
			return err
		}
		switch p := into.(type) {
		case *float64:
			*p = f
		case tokenRate:
			*p.latency = scenarios.Constant(1 / f)
		}
		return nil
	}
}

func decodeInteger(least, most int64, bounds string) func(*module, cty.Value, any) error {
	return func(_ *module, v cty.Value, into any) error {
		n, err := convert.Convert(v, cty.Number)
		if err != nil {
			return wrong("Not a number", "This is %s, and a whole number is wanted.", called(v))
		}
		i, accuracy := n.AsBigFloat().Int64()
		if accuracy != big.Exact && n.AsBigFloat().IsInt() || i < least || i > most {
			return wrong("Number out of range", "%s is not %s.", n.AsBigFloat().Text('g', 20), bounds)
		}
		if accuracy != big.Exact {
			return wrong("Not a whole number", "%s has a fraction, and a whole number is wanted.", n.AsBigFloat().Text('g', 12))
		}
		switch p := into.(type) {
		case *int:
			*p = int(i)
		case *int64:
			*p = i
		case **int64:
			*p = &i
		}
		return nil
	}
}

func decodeURL(_ *module, v cty.Value, into any) error {
	s, err := asText(v)
	if err != nil {
		return err
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return wrong("Not a URL", "%q is not the URL of a server: write it as in \"http://127.0.0.1:8000\".", shortened(s))
	}
	if u.User != nil {
		return wrong("Secret in a URL", "A user or password in a URL would be stored with the plan: use api_key or auth with secret(\"env:NAME\").")
	}
	*into.(*string) = strings.TrimSuffix(s, "/")
	return nil
}

func decodeURLPath(_ *module, v cty.Value, into any) error {
	s, err := asText(v)
	if err != nil {
		return err
	}
	if _, err := url.ParseRequestURI(s); err != nil || !strings.HasPrefix(s, "/") {
		return wrong("Not a path", "%q is not the path of a URL: it begins with a slash, as in \"/health\".", shortened(s))
	}
	*into.(*string) = s
	return nil
}
