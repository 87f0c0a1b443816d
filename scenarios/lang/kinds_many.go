package lang

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

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
	for k, e := range found {
		s, err := asText(e)
		if err != nil {
			return wrong("Not a text", "%s is %s, and a text is wanted.", k, called(e))
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
	for k, e := range found {
		list, err := textList(e)
		if err != nil {
			return wrong("Not a list of texts", "%s is %s, and a list of texts is wanted.", k, called(e))
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
		for k, e := range v.AsValueMap() {
			plain, err := plainValue(e)
			if err != nil {
				return nil, err
			}
			out[k] = plain
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

func decodePath(m *module, v cty.Value, into any) error {
	s, err := asText(v)
	if err != nil {
		return err
	}
	if err := m.checkPath(s); err != nil {
		return err
	}
	*into.(*string) = filepath.Join(m.set.dir, s)
	return nil
}

// checkPath holds a path to the scenario's folder: os.Root refuses what leaves it, by .. or by a link.
func (m *module) checkPath(path string) error {
	switch {
	case path == "":
		return wrong("Empty path", "Write the path of a file below the scenario's folder.")
	case strings.ContainsRune(path, 0):
		return wrong("Not a path", "The path has a NUL byte.")
	case filepath.IsAbs(path):
		return wrong("Path outside the scenario's folder", "%q is absolute: files lie below the scenario's folder, so that it can be moved and shared.", path)
	case !filepath.IsLocal(path):
		return wrong("Path outside the scenario's folder", "%q leaves the scenario's folder: put the file below it.", path)
	}
	info, err := m.root.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return wrong("File that is not there", "There is no %q in the scenario's folder.%s", path, m.nearFile(path))
	case err != nil:
		return wrong("Path outside the scenario's folder", "%q can't be opened from the scenario's folder: %s.", path, reason(err))
	case !info.Mode().IsRegular():
		return wrong("Not a file", "%q is not a regular file.", path)
	}
	return nil
}

// reason is an error's own words, without the path that the sentence around it has.
func reason(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

// nearFile suggests a file of the same folder.
func (m *module) nearFile(path string) string {
	dir, err := m.root.Open(filepath.Dir(path))
	if err != nil {
		return ""
	}
	defer dir.Close() // it was only read
	names, err := dir.Readdirnames(1000)
	if err != nil {
		return ""
	}
	near := nearest(filepath.Base(path), names)
	if near == "" {
		return ""
	}
	return fmt.Sprintf(" Did you mean %q?", filepath.Join(filepath.Dir(path), near))
}

func decodeTokenizer(m *module, v cty.Value, into any) error {
	s, err := asText(v)
	if err != nil {
		return err
	}
	if s == "calibrate" || s == "runtime" {
		*into.(*string) = s
		return nil
	}
	if _, err := os.Stat(filepath.Join(m.set.dir, s)); err != nil && nearest(s, []string{"calibrate", "runtime"}) != "" {
		return wrong("Unknown word", "%q is not calibrate, runtime or the path of a file.%s", s, didYouMean("", s, []string{"calibrate", "runtime"}))
	}
	return decodePath(m, v, into)
}

// decodeStages reads the stages of a shape: what is the name of what they reach.
func decodeStages(what string) func(*module, cty.Value, any) error {
	return func(m *module, v cty.Value, into any) error {
		values, err := elements(v, "a list of stages")
		if err != nil {
			return err
		}
		if len(values) == 0 {
			return wrong("No stages", "There must be at least one stage, as in { over = \"60s\", %s = 10 }.", what)
		}
		stages := make([]scenarios.LoadStage, len(values))
		highest := 0.0
		for i, e := range values {
			if err := decodeStage(m, e, what, &stages[i]); err != nil {
				return inElement(i, err)
			}
			highest = max(highest, stages[i].RatePerSecond, float64(stages[i].Users))
		}
		if highest == 0 {
			return wrong("Stages without load", "No stage has a %s above 0.", what)
		}
		*into.(*[]scenarios.LoadStage) = stages
		return nil
	}
}

func decodeStage(m *module, v cty.Value, what string, stage *scenarios.LoadStage) error {
	if v.IsNull() {
		return wrong("Not a stage", "A stage is null: write { over = \"60s\", %s = 10 }.", what)
	}
	found, err := entries(v, "a stage")
	if err != nil {
		return err
	}
	words := []string{"over", what, "step"}
	for k := range found {
		if k != "over" && k != what && k != "step" {
			return wrong("Unknown word in a stage", "A stage has no %q.%s It has %s.", k, didYouMean("", k, words), strings.Join(words, ", "))
		}
	}
	for _, k := range words[:2] {
		if _, ok := found[k]; !ok {
			return wrong("Stage that lacks something", "The stage has no %s: write { over = \"60s\", %s = 10 }.", k, what)
		}
	}
	if stage.Over, err = parseDuration(found["over"], time.Nanosecond); err != nil {
		return err
	}
	if what == "users" {
		err = countOrNone.decode(m, found[what], &stage.Users)
	} else {
		err = amount.decode(m, found[what], &stage.RatePerSecond)
	}
	if err != nil {
		return err
	}
	if step, ok := found["step"]; ok {
		step, err := convert.Convert(step, cty.Bool)
		if err != nil {
			return wrong("Not true or false", "step is true or false.")
		}
		stage.Step = step.True()
	}
	return nil
}

// referenceTo is one block of a type.
func referenceTo(typ string) valueKind {
	return valueKind{"reference to " + article(typ) + " " + typ, func(_ *module, v cty.Value, into any) error {
		i, err := asReference(v, typ)
		if err != nil {
			return err
		}
		i.copyTo(into)
		return nil
	}}
}

// referencesTo is a list of blocks of a type.
func referencesTo(typ string) valueKind {
	return valueKind{"list of references to " + typ, func(_ *module, v cty.Value, into any) error {
		values, err := elements(v, "a list of references")
		if err != nil {
			return wrong("Not a list", "This is %s, and a list is wanted: write [%s.NAME].", called(v), typ)
		}
		list := []scenarios.Collect{}
		for i, e := range values {
			ref, err := asReference(e, typ)
			if err != nil {
				return inElement(i, err)
			}
			list = append(list, *ref.value.(*scenarios.Collect))
		}
		*into.(*[]scenarios.Collect) = list
		return nil
	}}
}

func article(noun string) string {
	if noun == "slo" || strings.ContainsRune("aeiou", rune(noun[0])) {
		return "an"
	}
	return "a"
}

func asReference(v cty.Value, typ string) (*instance, error) {
	example := fmt.Sprintf("write %s.NAME", typ)
	if v.IsNull() {
		return nil, wrong("Not a reference", "This is null, and a reference to %s %s is wanted: %s.", article(typ), typ, example)
	}
	if !v.Type().Equals(referenceType) {
		if v.Type().IsObjectType() {
			for k, e := range v.AsValueMap() {
				if e.Type().Equals(referenceType) {
					i := e.EncapsulatedValue().(*instance)
					return nil, wrong("Reference without a key", "%s has for_each: choose one of them, as in %s[%q].", i.block.addr(), i.block.addr(), k)
				}
			}
		}
		return nil, wrong("Not a reference", "This is %s, and a reference to %s %s is wanted: %s.", called(v), article(typ), typ, example)
	}
	i := v.EncapsulatedValue().(*instance)
	if i.block.spec.name != typ {
		return nil, wrong("Reference to the wrong thing", "%s is %s %s, and %s %s is wanted: %s.", i.addr, article(i.block.spec.name), i.block.spec.name, article(typ), typ, example)
	}
	return i, nil
}
