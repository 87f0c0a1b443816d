package lang

import (
	"fmt"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/llmscen/llmscen/scenarios"
)

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
			for k, e := range v.Elements() { // in the order of their keys
				if e.Type().Equals(referenceType) {
					i := e.EncapsulatedValue().(*instance)
					return nil, wrong("Reference without a key", "%s has for_each: choose one of them, as in %s[%q].", i.block.addr(), i.block.addr(), k.AsString())
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
