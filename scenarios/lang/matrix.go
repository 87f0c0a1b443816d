package lang

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// maxMatrixKeys bounds the dimensions of a matrix: with two values each, more than these are too many cells anyway.
const maxMatrixKeys = 64

// matrix is the combinations of a run.
type matrix struct {
	keys []matrixKey
	// combinations hold, for each cell, which value of each key it has. The last key turns fastest.
	combinations [][]int
}

// matrixKey is one dimension of a matrix.
type matrixKey struct {
	name   string
	values []matrixValue
	index  map[string]int // of values, by text
}

type matrixValue struct {
	value    cty.Value
	text     string
	number   float64
	isNumber bool
}

// matrixOf evaluates the matrix and the exclusions of a run; without a matrix there is one combination.
func (m *module) matrixOf(b *block, i *instance) (*matrix, bool) {
	mx := &matrix{}
	s := b.settings["matrix"]
	if s == nil {
		if x := b.settings["exclude"]; x != nil {
			m.found.errorf(x.nameRange, "Exclusion without a matrix", "exclude leaves out combinations of a matrix, and the run has none.")
			return nil, false
		}
		mx.combinations = [][]int{{}}
		return mx, true
	}
	v, ok := m.value(s, i)
	if !ok || !v.IsWhollyKnown() {
		return nil, false
	}
	if err := mx.read(v, s); err != nil {
		m.found.errorf(s.at(), err.summary, "%s", err.detail)
		return nil, false
	}
	if err := mx.multiply(); err != nil {
		m.found.errorf(s.at(), err.summary, "%s", err.detail)
		return nil, false
	}
	return mx, m.exclude(mx, b, i)
}

func wrongMatrix(summary, format string, args ...any) *mistake {
	return &mistake{summary: summary, detail: fmt.Sprintf(format, args...), element: -1}
}

// read takes the keys in the order in which they are written, where that can be seen.
func (mx *matrix) read(v cty.Value, s *setting) *mistake {
	if v.ContainsMarked() {
		return wrongMatrix("Sensitive value would be shown", "The values of a matrix are part of names: they can't come from a sensitive variable.")
	}
	if v.IsNull() || !v.Type().IsObjectType() && !v.Type().IsMapType() {
		return wrongMatrix("Not a matrix", "A matrix is written { KEY = [values] }.")
	}
	found := v.AsValueMap()
	order, _ := literalKeys(s.written)
	if len(order) != len(found) {
		order = slices.Sorted(maps.Keys(found))
	}
	if len(order) == 0 {
		return wrongMatrix("Empty matrix", "The matrix has no keys: write { KEY = [values] }, or leave it out.")
	}
	if len(order) > maxMatrixKeys {
		return wrongMatrix("Too many keys", "The matrix has %d keys, more than %d.", len(order), maxMatrixKeys)
	}
	for _, name := range order {
		if !nameRule.MatchString(name) {
			return wrongMatrix("Name that can't be used", "The matrix key %q: %s.", shortened(name), nameAdvice)
		}
		key, err := readMatrixKey(name, found[name])
		if err != nil {
			return err
		}
		mx.keys = append(mx.keys, key)
	}
	return nil
}

func readMatrixKey(name string, v cty.Value) (matrixKey, *mistake) {
	key := matrixKey{name: name}
	if t := v.Type(); v.IsNull() || !t.IsListType() && !t.IsTupleType() && !t.IsSetType() {
		return key, wrongMatrix("Not a matrix", "%s is not a list: write %s = [values].", name, name)
	}
	key.index = map[string]int{}
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		value, err := readMatrixValue(name, e)
		if err != nil {
			return key, err
		}
		if _, seen := key.index[value.text]; seen {
			return key, wrongMatrix("Value that is there twice", "The matrix key %s has %s twice: two cells would have the same name.", name, shortened(value.text))
		}
		key.index[value.text] = len(key.values)
		key.values = append(key.values, value)
	}
	if len(key.values) == 0 {
		return key, wrongMatrix("Empty matrix", "The matrix key %s has no values, so the run would have no cells.", name)
	}
	return key, nil
}

func readMatrixValue(name string, v cty.Value) (matrixValue, *mistake) {
	t := v.Type()
	switch {
	case v.IsNull():
		return matrixValue{}, wrongMatrix("Not a matrix value", "The matrix key %s has null among its values.", name)
	case t.Equals(referenceType):
		return matrixValue{value: v, text: v.EncapsulatedValue().(*instance).addr}, nil
	case t == cty.Number:
		f, _ := v.AsBigFloat().Float64()
		text, _ := convert.Convert(v, cty.String) // every number has a text
		return matrixValue{value: v, text: text.AsString(), number: f, isNumber: true}, nil
	case t == cty.String, t == cty.Bool:
		text, _ := convert.Convert(v, cty.String) // so has every truth
		return matrixValue{value: v, text: text.AsString()}, nil
	}
	return matrixValue{}, wrongMatrix("Not a matrix value",
		"A value of the matrix key %s is %s: values are texts, numbers, truths and references. Put objects into a map in locals, and keys(local.NAME) here.", name, called(v))
}

// multiply makes the combinations, unless they are too many.
func (mx *matrix) multiply() *mistake {
	total := 1
	for _, k := range mx.keys {
		if total *= len(k.values); total > maxCells {
			sizes := make([]string, len(mx.keys))
			for i, k := range mx.keys {
				sizes[i] = fmt.Sprintf("%d %s", len(k.values), k.name)
			}
			return wrongMatrix("Too many cells", "The matrix multiplies to more than %d cells (%s): leave some values out.", int(maxCells), strings.Join(sizes, " × "))
		}
	}
	mx.combinations = make([][]int, total)
	all := make([]int, total*len(mx.keys))
	for c := range mx.combinations {
		combination := all[c*len(mx.keys) : (c+1)*len(mx.keys)]
		rest := c
		for k := len(mx.keys) - 1; k >= 0; k-- {
			n := len(mx.keys[k].values)
			combination[k] = rest % n
			rest /= n
		}
		mx.combinations[c] = combination
	}
	return nil
}

// shown are the values of a combination as texts, and those of them that are numbers.
func (mx *matrix) shown(combination []int) (texts map[string]string, numbers map[string]float64) {
	for k, key := range mx.keys {
		v := key.values[combination[k]]
		if texts == nil {
			texts = make(map[string]string, len(mx.keys))
		}
		texts[key.name] = v.text
		if v.isNumber {
			if numbers == nil {
				numbers = map[string]float64{}
			}
			numbers[key.name] = v.number
		}
	}
	return texts, numbers
}

// exclude takes combinations out.
func (m *module) exclude(mx *matrix, b *block, i *instance) bool {
	s := b.settings["exclude"]
	if s == nil {
		return true
	}
	v, ok := m.value(s, i)
	if !ok || !v.IsWhollyKnown() {
		return false
	}
	if v.ContainsMarked() {
		m.found.errorf(s.at(), "Sensitive value would be shown", "Exclusions can't come from a sensitive variable.")
		return false
	}
	if v.IsNull() {
		return true
	}
	list, err := elements(v, "a list of objects")
	if err != nil {
		m.found.errorf(s.at(), "Not an exclusion", "exclude is written [{ KEY = value }].")
		return false
	}
	out := newExclusions()
	for n, e := range list {
		if problem := out.add(mx, n, e); problem != nil {
			m.found.errorf(elementRange(s, n), problem.summary, "%s", problem.detail)
			ok = false
		}
	}
	if !ok {
		return false
	}
	mx.combinations = slices.DeleteFunc(mx.combinations, func(c []int) bool { return out.match(c) })
	for n := range list {
		if !out.used[n] {
			m.found.warnf(elementRange(s, n), "Exclusion without effect", "No combination has these values.")
		}
	}
	if len(mx.combinations) == 0 {
		m.found.errorf(s.at(), "Empty matrix", "All combinations are excluded, so the run has no cells.")
		return false
	}
	return true
}

// exclusions finds the combinations to leave out by which keys an exclusion names, so that many of them cost no more
// than a few.
type exclusions struct {
	groups []*exclusionGroup
	used   map[int]bool
}

// exclusionGroup is the exclusions that name the same keys.
type exclusionGroup struct {
	keys   []int
	values map[string][]int // values by number → the exclusions that have them
}

func newExclusions() *exclusions { return &exclusions{used: map[int]bool{}} }

// add takes the exclusion with number n.
func (x *exclusions) add(mx *matrix, n int, v cty.Value) *mistake {
	if v.IsNull() || !v.Type().IsObjectType() && !v.Type().IsMapType() || v.LengthInt() == 0 {
		return wrongMatrix("Not an exclusion", "An exclusion is written { KEY = value }, with keys of the matrix.")
	}
	found := v.AsValueMap()
	var keys []int
	combination := make([]int, len(mx.keys))
	for _, name := range slices.Sorted(maps.Keys(found)) {
		k := slices.IndexFunc(mx.keys, func(k matrixKey) bool { return k.name == name })
		if k < 0 {
			all := make([]string, len(mx.keys))
			for i := range mx.keys {
				all[i] = mx.keys[i].name
			}
			return wrongMatrix("Reference to a matrix key that is not there", "The matrix has no %q.%s It has %s.", name, didYouMean("", name, all), listed(all))
		}
		value, err := readMatrixValue(name, found[name])
		if err != nil {
			return err
		}
		keys = append(keys, k)
		combination[k] = -1 // matches nothing
		if i, ok := mx.keys[k].index[value.text]; ok {
			combination[k] = i
		}
	}
	slices.Sort(keys)
	g := slices.IndexFunc(x.groups, func(g *exclusionGroup) bool { return slices.Equal(g.keys, keys) })
	if g < 0 {
		g = len(x.groups)
		x.groups = append(x.groups, &exclusionGroup{keys: keys, values: map[string][]int{}})
	}
	sign := x.groups[g].sign(combination)
	x.groups[g].values[sign] = append(x.groups[g].values[sign], n)
	return nil
}

// sign names the values that a combination has for the group's keys.
func (g *exclusionGroup) sign(combination []int) string {
	var b strings.Builder
	for _, k := range g.keys {
		fmt.Fprintf(&b, "%d ", combination[k])
	}
	return b.String()
}

func (x *exclusions) match(combination []int) bool {
	matched := false
	for _, g := range x.groups {
		if which, ok := g.values[g.sign(combination)]; ok {
			matched = true
			for _, n := range which {
				x.used[n] = true
			}
		}
	}
	return matched
}
