package lang

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/llmscen/llmscen/scenarios"
)

// Reference is the reference of the language in Markdown, drawn from the table that files are compared with.
func Reference() string {
	var b strings.Builder
	b.WriteString(referenceHead)
	for i := range schema {
		writeBlock(&b, &schema[i])
	}
	writeFunctions(&b)
	fmt.Fprintf(&b, "\n## Left to the trial\n\nThe query of a series may hold `${target.NAME}`, with NAME one of %s. The command, args and env of `runtime \"command\"` may hold `${port}`.\n", code(scenarios.TargetNames()))
	fmt.Fprintf(&b, "\n## Limits\n\n| what | at most |\n|---|---|\n")
	for _, l := range [][2]string{
		{"a file", fmt.Sprintf("%d bytes of UTF-8", maxFileBytes)},
		{"brackets, quotes and templates in each other", fmt.Sprint(maxDepth)},
		{"operators and indexes in one expression, between brackets", fmt.Sprint(maxChain)},
		{"steps of evaluation of a scenario", fmt.Sprint(int(maxSteps))},
		{"elements of a value", fmt.Sprint(int(maxElements))},
		{"text in a value", fmt.Sprintf("%d MiB", maxValueBytes>>20)},
		{"blocks that for_each makes in a scenario", fmt.Sprint(int(maxInstances))},
		{"cells of all runs of a scenario", fmt.Sprint(int(maxCells))},
		{"mistakes that are told at once", fmt.Sprint(maxErrors)},
	} {
		fmt.Fprintf(&b, "| %s | %s |\n", l[0], l[1])
	}
	return b.String()
}

const referenceHead = `# The scenario language: reference

A scenario is a file ` + "`NAME.scen.hcl`" + `, or a folder with all its files of that kind. It is written in HCL: blocks with labels, attributes with expressions.

- A reference is ` + "`TYPE.NAME`" + `, without the kind: ` + "`load.climb`" + `. A block with ` + "`for_each`" + ` is referred to as ` + "`TYPE.NAME[\"KEY\"]`" + `.
- Names have lower-case letters, digits, ` + "`-`" + ` and ` + "`_`" + `, begin with a letter, end with a letter or digit, and have at most 63 of them.
- Numbers carry their unit in the attribute's name (` + "`rate_per_second`" + `), texts in the value (` + "`\"30s\"`, `\"64GiB\"`" + `).
- ` + "`null`" + ` is the same as leaving an attribute out.
- All expressions are evaluated before anything is started.
`

func writeBlock(b *strings.Builder, spec *blockType) {
	fmt.Fprintf(b, "\n## %s\n\n```hcl\n%s { … }\n```\n\n%s", spec.name, spec.header(), spec.doc)
	if spec.referable {
		fmt.Fprintf(b, " It is referred to as `%s.NAME`.", spec.name)
	}
	b.WriteString("\n")
	common := rows{attributes: spec.attributes, blocks: spec.blocks}
	if spec.referable {
		common.attributes = append(slices.Clone(common.attributes), forEach)
	}
	writeRows(b, common)
	for i := range spec.kinds {
		k := &spec.kinds[i]
		fmt.Fprintf(b, "\n### %s %q\n\n%s\n", spec.name, k.name, k.doc)
		writeRows(b, rows{attributes: k.attributes, blocks: k.blocks})
	}
}

func writeRows(b *strings.Builder, r rows) {
	writeAttributes(b, r.attributes)
	for i := range r.blocks {
		n := &r.blocks[i]
		times := "any number of times"
		if n.once {
			times = "at most once"
		}
		fmt.Fprintf(b, "\n`%s { … }`, %s: %s\n", n.header(), times, n.doc)
		if len(n.names) > 0 {
			fmt.Fprintf(b, "\n%s is one of %s.\n", n.label, code(n.names))
		}
		writeAttributes(b, n.attributes)
	}
}

func writeAttributes(b *strings.Builder, attributes []attribute) {
	if len(attributes) == 0 {
		return
	}
	b.WriteString("\n| attribute | value | without it | |\n|---|---|---|---|\n")
	for _, a := range attributes {
		without := a.absent
		switch {
		case a.required:
			without = "must be there"
		case a.fallback != "":
			without = "`" + a.fallback + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", a.name, cell(a.is.name), cell(without), cell(a.doc))
	}
}

// cell makes a text fit into a table.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

func code(words []string) string { return "`" + strings.Join(words, "`, `") + "`" }

func writeFunctions(b *strings.Builder) {
	b.WriteString("\n## Functions\n\nNo function reads the clock or chance: the same scenario means the same tomorrow.\n\n| function | |\n|---|---|\n")
	for _, f := range functionDocs {
		fmt.Fprintf(b, "| `%s` | %s |\n", f.call, cell(f.doc))
	}
	all := append(slices.Collect(maps.Keys(standard)), "try", "can")
	slices.Sort(all)
	fmt.Fprintf(b, "\nAnd, as they are known from HCL: %s.\n", code(all))
}
