package lang

import (
	"strings"
	"testing"
)

// everyRow calls f for each attribute of the schema, with the block that it is in.
func everyRow(f func(where string, a attribute)) {
	var walk func(where string, attributes []attribute, blocks []blockType)
	walk = func(where string, attributes []attribute, blocks []blockType) {
		for _, a := range attributes {
			f(where, a)
		}
		for _, n := range blocks {
			walk(where+" "+n.name, n.attributes, n.blocks)
		}
	}
	for _, b := range schema {
		walk(b.name, b.attributes, b.blocks)
		for _, k := range b.kinds {
			walk(b.name+" "+k.name, k.attributes, k.blocks)
		}
	}
}

func TestEveryAttributeOfTheSchemaIsWholeAndInTheReference(t *testing.T) {
	text := Reference()
	everyRow(func(where string, a attribute) {
		if a.doc == "" || a.is.name == "" || !strings.HasSuffix(a.doc, ".") {
			t.Errorf("%s: %s has no sentence", where, a.name)
		}
		if a.required && a.fallback != "" {
			t.Errorf("%s: %s is required and has a fallback", where, a.name)
		}
		if a.into != nil && a.is.decode == nil {
			t.Errorf("%s: %s can't be decoded", where, a.name)
		}
		if !strings.Contains(text, "| `"+a.name+"` |") {
			t.Errorf("%s: %s is not in the reference", where, a.name)
		}
	})
}

func TestTheReferenceNamesEveryFunction(t *testing.T) {
	text := Reference()
	for name := range newFunctions(&module{}) {
		if !strings.Contains(text, "`"+name+"`") && !strings.Contains(text, "`"+name+"(") {
			t.Errorf("%s is not in the reference", name)
		}
	}
}

func TestEveryFallbackDecodes(t *testing.T) {
	everyRow(func(where string, a attribute) {
		if a.fallback != "" {
			if v := fallbackValue(a.fallback); v.IsNull() {
				t.Errorf("%s: %s falls back to null", where, a.name)
			}
		}
	})
}
