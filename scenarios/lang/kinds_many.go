package lang

import (
	"errors"
	"maps"
	"math"
	"reflect"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/llmscen/llmscen/scenarios"
)

// The types of values that only functions and references make, so that no one can write them by hand.
var (
	referenceType    = cty.Capsule("reference", reflect.TypeFor[instance]())
	distributionType = cty.Capsule("distribution", reflect.TypeFor[drawn]())
	secretType       = cty.Capsule("secret", reflect.TypeFor[scenarios.Secret]())
)

// drawn is a distribution, of numbers or of durations in seconds.
type drawn struct {
	scenarios.Distribution
	durations bool
}

// The kinds of values that are made of others, or that name things.
var (
	texts     = valueKind{"list of texts", decodeTexts(false)}
	someTexts = valueKind{"list of texts, not empty", decodeTexts(true)}
	textMap   = valueKind{"map of texts", decodeTextMap}
	textsMap  = valueKind{"map of lists of texts", decodeTextsMap}
	statuses  = valueKind{"list of HTTP statuses", decodeStatuses}

	jsonObject = valueKind{"object", decodeObject}
	tokens     = valueKind{"number, at least 1, or a distribution", decodeTokens}
	times      = valueKind{"duration, or a distribution of durations", decodeTimes}
	secret     = valueKind{"secret(\"env:NAME\") or secret(\"file:PATH\")", decodeSecret}
	filePath   = valueKind{"path of a file, below the scenario's folder", decodePath}
	tokenizer  = valueKind{"calibrate, runtime, or a path", decodeTokenizer}
	rateStages = valueKind{"list of { over, rate_per_second, step }", decodeStages("rate_per_second")}
	userStages = valueKind{"list of { over, users, step }", decodeStages("users")}

	searchStages = valueKind{"list of { over, capacity_ratio }", decodeSearchStages}
)

// elements are the elements of a list, tuple or set.
func elements(v cty.Value, wanted string) ([]cty.Value, error) {
	t := v.Type()
	if !t.IsListType() && !t.IsTupleType() && !t.IsSetType() {
		return nil, wrong("Not a list", "This is %s, and %s is wanted: write it in square brackets.", called(v), wanted)
	}
	return v.AsValueSlice(), nil
}

// inElement says which element of a list is wrong.
func inElement(i int, err error) error {
	var m *mistake
	if errors.As(err, &m) {
		return &mistake{summary: m.summary, detail: m.detail, element: i}
	}
	return err
}

func textList(v cty.Value) ([]string, error) {
	values, err := elements(v, "a list of texts")
	if err != nil {
		return nil, err
	}
	list := make([]string, 0, len(values))
	for i, e := range values {
		if e.IsNull() {
			return nil, inElement(i, wrong("Not a text", "An element of the list is null, and a text is wanted."))
		}
		s, err := asText(e)
		if err != nil {
			return nil, inElement(i, err)
		}
		list = append(list, s)
	}
	return list, nil
}

func decodeTexts(some bool) func(*module, cty.Value, any) error {
	return func(_ *module, v cty.Value, into any) error {
		list, err := textList(v)
		if err != nil {
			return err
		}
		if some && len(list) == 0 {
			return wrong("Empty list", "There must be at least one.")
		}
		*into.(*[]string) = list
		return nil
	}
}

// entries are the values of a map or an object by name; those that are null are left out.
func entries(v cty.Value, wanted string) (map[string]cty.Value, error) {
	if t := v.Type(); !t.IsMapType() && !t.IsObjectType() {
		return nil, wrong("Not an object", "This is %s, and %s is wanted: write it as { name = value }.", called(v), wanted)
	}
	found := v.AsValueMap()
	for k, e := range found {
		if e.IsNull() {
			delete(found, k)
		}
	}
	return found, nil
}

func decodeTextMap(_ *module, v cty.Value, into any) error {
	found, err := entries(v, "a map of texts")
	if err != nil {
		return err
	}
	out := make(map[string]string, len(found))
	for _, k := range slices.Sorted(maps.Keys(found)) { // so that the first mistake is always the same
		s, err := asText(found[k])
		if err != nil {
			return wrong("Not a text", "%s is %s, and a text is wanted.", k, called(found[k]))
		}
		out[k] = s
	}
	*into.(*map[string]string) = out
	return nil
}

func decodeTextsMap(_ *module, v cty.Value, into any) error {
	found, err := entries(v, "a map of lists")
	if err != nil {
		return err
	}
	out := make(map[string][]string, len(found))
	for _, k := range slices.Sorted(maps.Keys(found)) { // as above
		list, err := textList(found[k])
		if err != nil {
			return wrong("Not a list of texts", "%s is %s, and a list of texts is wanted.", k, called(found[k]))
		}
		out[k] = list
	}
	*into.(*map[string][]string) = out
	return nil
}

func decodeStatuses(m *module, v cty.Value, into any) error {
	values, err := elements(v, "a list of HTTP statuses")
	if err != nil {
		return err
	}
	list := make([]int, len(values))
	for i, e := range values {
		if e.IsNull() {
			return inElement(i, wrong("Not a number", "A status is null, and a number is wanted."))
		}
		if err := httpStatus.decode(m, e, &list[i]); err != nil {
			return inElement(i, err)
		}
	}
	*into.(*[]int) = list
	return nil
}

func decodeObject(_ *module, v cty.Value, into any) error {
	if _, err := entries(v, "an object"); err != nil {
		return err
	}
	plain, err := plainValue(v)
	if err != nil {
		return err
	}
	*into.(*map[string]any) = plain.(map[string]any)
	return nil
}

// plainValue is a value as JSON has it: nil, bool, float64, string, []any, map[string]any.
func plainValue(v cty.Value) (any, error) {
	t := v.Type()
	switch {
	case v.IsNull():
		return nil, nil
	case t == cty.String:
		return v.AsString(), nil
	case t == cty.Bool:
		return v.True(), nil
	case t == cty.Number:
		f, _ := v.AsBigFloat().Float64()
		return f, nil
	case t.IsCapsuleType():
		return nil, wrong("Not a JSON value", "An object here holds texts, numbers, truths, lists and objects, and this is %s.", called(v))
	case t.IsMapType(), t.IsObjectType():
		out := map[string]any{}
		for k, e := range v.Elements() { // in the order of their keys, so that the first mistake is always the same
			plain, err := plainValue(e)
			if err != nil {
				return nil, err
			}
			out[k.AsString()] = plain
		}
		return out, nil
	}
	out := []any{}
	for _, e := range v.AsValueSlice() {
		plain, err := plainValue(e)
		if err != nil {
			return nil, err
		}
		out = append(out, plain)
	}
	return out, nil
}

func decodeTokens(_ *module, v cty.Value, into any) error {
	out := into.(*scenarios.Distribution)
	if v.Type().Equals(distributionType) {
		d := v.EncapsulatedValue().(*drawn)
		if d.durations {
			return wrong("Distribution of durations", "Numbers of tokens are wanted here: leave the units out.")
		}
		*out = d.Distribution
		return nil
	}
	f, err := asNumber(v, 1, math.MaxInt32, "at least 1 and at most 2147483647")
	if err != nil {
		return err
	}
	*out = scenarios.Constant(f)
	return nil
}

func decodeTimes(_ *module, v cty.Value, into any) error {
	out := into.(*scenarios.Distribution)
	if v.Type().Equals(distributionType) {
		d := v.EncapsulatedValue().(*drawn)
		if !d.durations {
			return wrong("Distribution without units", "Durations are wanted here, as in lognormal(\"40ms\", \"10ms\").")
		}
		*out = d.Distribution
		return nil
	}
	d, err := parseDuration(v, 0)
	if err != nil {
		return err
	}
	*out = scenarios.Constant(d.Seconds())
	return nil
}

func decodeSecret(_ *module, v cty.Value, into any) error {
	if !v.Type().Equals(secretType) {
		return wrong("Secret in the open", "What is written here would be stored with the plan: write secret(\"env:NAME\") or secret(\"file:PATH\").")
	}
	*into.(*scenarios.Secret) = *v.EncapsulatedValue().(*scenarios.Secret)
	return nil
}
