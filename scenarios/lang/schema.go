package lang

import "fmt"

// The schema is one table of blocks, kinds and attributes: it says what may be written (structure.go), fills the values
// that scenarios are made of (decode.go), gives the words for suggestions, and is the reference of the manual
// (reference.go). The rows are in schema_*.go.

// blockType is a block that may be written.
type blockType struct {
	name string
	doc  string
	// kinds are what the first label may be; none: there is no such label.
	kinds []kind
	// label says what the last label is, as in NAME; "": there is none.
	label string
	// names are what a nested block's label may be; none: any name.
	names []string
	// once: at most one in its place.
	once bool
	// unique: at most one of each label in its place.
	unique     bool
	attributes []attribute
	blocks     []blockType
	// into gives the value that a nested block fills, in the value that the block around it fills.
	into func(parent any, label string) any
	// referable: other blocks refer to it by type.name, and for_each multiplies it.
	referable bool
}

// kind is what the first label of a block chooses.
type kind struct {
	name       string
	doc        string
	attributes []attribute
	blocks     []blockType
}

// attribute is a row of the table.
type attribute struct {
	name string
	is   valueKind
	// fallback is the value where nothing is written, in the language itself; "": the field stays zero.
	fallback string
	// absent says for the reference what it means to leave it out, where fallback does not.
	absent   string
	required bool
	doc      string
	// into gives the field that it fills, in the value that the block fills; nil: the block's own code reads it.
	into func(block any) any
	// hole is a name that is left for the trial to fill, as in ${target.pod}; "" for none.
	hole string
	// once: it belongs to the run and not to its cells, so it can't refer to the matrix.
	once bool
}

// field adapts a typed accessor to the table.
func field[T any](f func(*T) any) func(any) any { return func(block any) any { return f(block.(*T)) } }

// inner adapts a typed accessor of a nested block to the table.
func inner[T any](f func(*T) any) func(any, string) any {
	return func(parent any, _ string) any { return f(parent.(*T)) }
}

// blockTypes are all top-level blocks, in the order in which a scenario reads best.
func blockTypes() []blockType {
	return []blockType{
		scenarioBlock(), variableBlock(), localsBlock(), nodePoolBlock(), runtimeBlock(), promptSetBlock(),
		loadBlock(), sloBlock(), collectBlock(), runBlock(), warehouseBlock(),
	}
}

// schema is blockTypes, made once.
var schema = blockTypes()

func topLevel(name string) *blockType {
	for i := range schema {
		if schema[i].name == name {
			return &schema[i]
		}
	}
	return nil
}

// forEach multiplies any referable block.
var forEach = attribute{
	name: "for_each", is: anything, once: true,
	doc: "Makes one of this block for each element of a map, or of a list or set of texts; each.key and each.value are its own, and TYPE.NAME[\"KEY\"] refers to it.",
}

func (b *blockType) kind(name string) *kind {
	for i := range b.kinds {
		if b.kinds[i].name == name {
			return &b.kinds[i]
		}
	}
	return nil
}

func (b *blockType) kindNames() []string {
	names := make([]string, len(b.kinds))
	for i := range b.kinds {
		names[i] = b.kinds[i].name
	}
	return names
}

// header is how the block is written: load "KIND" "NAME".
func (b *blockType) header() string {
	h := b.name
	if len(b.kinds) > 0 {
		h += ` "KIND"`
	}
	if b.label != "" {
		h += fmt.Sprintf(" %q", b.label)
	}
	return h
}

// rows are the attributes and nested blocks that one block may hold.
type rows struct {
	attributes []attribute
	blocks     []blockType
}

func (b *blockType) rows(k *kind) rows {
	r := rows{attributes: b.attributes, blocks: b.blocks}
	if k != nil {
		// A kind's own row replaces the common one of the same name.
		r = rows{attributes: append([]attribute{}, k.attributes...), blocks: append([]blockType{}, k.blocks...)}
		for _, a := range b.attributes {
			if (rows{attributes: k.attributes}).attribute(a.name) == nil {
				r.attributes = append(r.attributes, a)
			}
		}
		r.blocks = append(r.blocks, b.blocks...)
	}
	if b.referable {
		r.attributes = append(append([]attribute{}, r.attributes...), forEach)
	}
	return r
}

func (r rows) attribute(name string) *attribute {
	for i := range r.attributes {
		if r.attributes[i].name == name {
			return &r.attributes[i]
		}
	}
	return nil
}

func (r rows) block(name string) *blockType {
	for i := range r.blocks {
		if r.blocks[i].name == name {
			return &r.blocks[i]
		}
	}
	return nil
}

func (r rows) attributeNames() []string {
	names := make([]string, len(r.attributes))
	for i := range r.attributes {
		names[i] = r.attributes[i].name
	}
	return names
}

func (r rows) blockNames() []string {
	names := make([]string, len(r.blocks))
	for i := range r.blocks {
		names[i] = r.blocks[i].name
	}
	return names
}

// kindsWith are the kinds of a block that have an attribute of that name.
func (b *blockType) kindsWith(attributeName string) []string {
	var names []string
	for _, k := range b.kinds {
		if (rows{attributes: k.attributes}).attribute(attributeName) != nil {
			names = append(names, k.name)
		}
	}
	return names
}
