package lang

import (
	"context"
	"fmt"
	"os"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/llmscen/llmscen/scenarios"
)

// module is one scenario on its way from syntax to values.
type module struct {
	set   *set
	root  *os.Root // the scenario's folder
	env   func(string) (string, bool)
	found *findings
	// budget bounds what evaluation may do.
	budget *budget
	// incomplete: a file does not parse, so that a name that is not there may be in it.
	incomplete bool
	// nameless are the types of blocks of which one has no good name, so that it may be the one that is missed.
	nameless map[string]bool

	scenarioBlock *block
	warehouse     *block
	variables     map[string]*block
	locals        map[string]*setting
	localNames    []string // in the order of writing
	blocks        map[string]map[string]*block
	order         []*block // the referable ones, in the order of writing

	inputs map[string]*input    // variables' values
	values map[string]cty.Value // of locals that are evaluated

	functions functions
	filesRead map[string][]byte // by file()
	envRead   map[string]string // by env()
	cells     int
	instances int // made by for_each
}

// block is a declared block.
type block struct {
	body
	spec *blockType
	kind *kind // nil where the block has none, or a wrong one
	name string
	// instances are made by evaluation: one, or one for each key of for_each.
	instances []*instance
	byKey     map[string]*instance
	forEach   *setting
	value     cty.Value // all instances by key, made when first asked for
}

// addr is the block as references have it: load.gentle.
func (b *block) addr() string { return b.spec.name + "." + b.name }

// body is what stands between a block's braces.
type body struct {
	rows     rows
	settings map[string]*setting
	nested   []*nested
	at       hcl.Range // the header
	// faulty: something in it is wrong, so that what it means is not checked.
	faulty bool
	// broken: it does not parse, so that something in it may be missing.
	broken bool
}

// nested is a block within a block.
type nested struct {
	body
	spec  *blockType
	label string
}

// setting is an attribute that was written.
type setting struct {
	spec *attribute // nil in locals
	name string
	// written is the expression as it was parsed; expr is the same under the budget's eye.
	written   hclsyntax.Expression
	expr      hclsyntax.Expression
	nameRange hcl.Range
	refs      []reference
	// bad: a reference or the syntax is wrong, so it is not evaluated.
	bad bool
}

func (s *setting) at() hcl.Range { return s.written.Range() }

// instance is one of a block: the block itself, or what for_each made of it.
type instance struct {
	block *block
	addr  string
	key   string
	each  cty.Value // what for_each gave; cty.NilVal without it
	value any       // *scenarios.Runtime, *scenarios.Load, …; nil for a run
}

// copyTo puts the instance's value where a run keeps it.
func (i *instance) copyTo(into any) {
	switch v := i.value.(type) {
	case *scenarios.Runtime:
		*into.(*scenarios.Runtime) = *v
	case *scenarios.PromptSet:
		*into.(*scenarios.PromptSet) = *v
	case *scenarios.Load:
		*into.(*scenarios.Load) = *v
	case *scenarios.SLO:
		*into.(**scenarios.SLO) = v
	case *scenarios.NodePool:
		*into.(**scenarios.NodePool) = v
	}
}

func newModule(ctx context.Context, s *set, root *os.Root, env func(string) (string, bool), found *findings) *module {
	m := &module{
		set: s, root: root, env: env, found: found,
		budget:    &budget{ctx: ctx, left: maxSteps},
		variables: map[string]*block{}, locals: map[string]*setting{}, blocks: map[string]map[string]*block{},
		inputs: map[string]*input{}, values: map[string]cty.Value{},
		nameless: map[string]bool{}, filesRead: map[string][]byte{}, envRead: map[string]string{},
	}
	for i := range schema {
		if schema[i].referable {
			m.blocks[schema[i].name] = map[string]*block{}
		}
	}
	for _, f := range s.files {
		m.incomplete = m.incomplete || f.broken
	}
	m.functions = newFunctions(m)
	return m
}

// names lists the declared blocks of a type.
func names[T any](declared map[string]T) []string {
	list := make([]string, 0, len(declared))
	for name := range declared {
		list = append(list, name)
	}
	return list
}

// where says in a sentence where something was declared.
func where(r hcl.Range) string { return fmt.Sprintf("%s line %d", r.Filename, r.Start.Line) }
