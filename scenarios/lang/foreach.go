package lang

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// pair is one element of a for_each.
type pair struct {
	key   string
	value cty.Value
}

// eachPairs are the keys and values of a for_each, sorted by key where it has no order of its own.
func eachPairs(v cty.Value) (pairs []pair, problem string) {
	t := v.Type()
	if v.IsNull() {
		return nil, "It is null: give a map, or a list or set of texts."
	}
	if t.IsMapType() || t.IsObjectType() {
		for it := v.ElementIterator(); it.Next(); {
			k, e := it.Element()
			pairs = append(pairs, pair{k.AsString(), e})
		}
		return pairs, ""
	}
	if !t.IsListType() && !t.IsTupleType() && !t.IsSetType() {
		return nil, fmt.Sprintf("This is %s: give a map, or a list or set of texts.", called(v))
	}
	seen := map[string]bool{}
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		if e.IsNull() || e.Type() != cty.String {
			return nil, "The elements of a list in for_each are texts, as they become keys: use a map for other values."
		}
		if k := e.AsString(); seen[k] {
			return nil, fmt.Sprintf("The key %q is there twice.", shortened(k))
		}
		seen[e.AsString()] = true
		pairs = append(pairs, pair{e.AsString(), e})
	}
	return pairs, ""
}

// keyProblem says why a key can't be one; "" where it can.
func keyProblem(b *block, key string) string {
	switch {
	case key == "":
		return "A key of for_each is empty."
	case len(key) > maxKeyBytes:
		return fmt.Sprintf("The key %q has more than %d bytes.", shortened(key), maxKeyBytes)
	case strings.ContainsFunc(key, unicode.IsControl):
		return fmt.Sprintf("The key %q has control characters.", shortened(key))
	case b.spec.name == "run" && !nameRule.MatchString(b.name+"-"+key):
		return fmt.Sprintf("The runs of %s are called %s-KEY, and %q can't be: %s.", b.addr(), b.name, shortened(b.name+"-"+key), nameAdvice)
	}
	return ""
}

// quoted is a text as the language writes it.
func quoted(s string) string { return string(hclwrite.TokensForValue(cty.StringVal(s)).Bytes()) }
