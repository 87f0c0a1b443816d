package report

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Document is a report: what was measured, told in sections.
type Document struct {
	Title string
	Facts []Fact
	// Warnings say what the reader must know before believing a figure.
	Warnings []string
	Sections []Section
}

// Fact is a thing to know of the whole.
type Fact struct{ Name, Value string }

// Section is a table with what it means, and perhaps a chart; the table is what the chart shows, in words and numbers.
type Section struct {
	// ID is a word, unique within the document.
	ID, Title string
	// Text says in plain sentences what is seen.
	Text  []string
	Table Table
	Chart *Chart
}

// Chart is a picture of rows.
type Chart struct {
	// Spec is Vega-Lite, as JSON; its data has the name "rows".
	Spec json.RawMessage
	// Rows are what is drawn.
	Rows Table
}

// WriteMarkdown writes the document as markdown, which has tables and no charts.
func (d Document) WriteMarkdown(w io.Writer) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "# %s\n\n", EscapeMarkdown(d.Title))
	for _, f := range d.Facts {
		fmt.Fprintf(b, "- %s: %s\n", EscapeMarkdown(f.Name), EscapeMarkdown(f.Value))
	}
	for _, warning := range d.Warnings {
		fmt.Fprintf(b, "\n**Note.** %s\n", EscapeMarkdown(warning))
	}
	for _, s := range d.Sections {
		fmt.Fprintf(b, "\n## %s\n\n", EscapeMarkdown(s.Title))
		for _, t := range s.Text {
			fmt.Fprintf(b, "%s\n\n", EscapeMarkdown(t))
		}
		if err := s.Table.writeMarkdown(b); err != nil {
			return fmt.Errorf("writing %s: %w", s.ID, err)
		}
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// JSON is the rows as an array of objects, in base units; what HTML would take for markup is escaped in it.
func (t Table) JSON() (json.RawMessage, error) {
	objects := make([]json.RawMessage, 0, len(t.Rows))
	for _, r := range t.Rows {
		o, err := t.object(r)
		if err != nil {
			return nil, err
		}
		objects = append(objects, o)
	}
	return json.Marshal(objects)
}

// Grid is a narrow table as it is drawn: texts for people, free of control characters.
type Grid struct {
	Head      []GridCell
	Rows      []GridRow
	Footnotes []string
	Empty     string
}

// GridRow is a row, with the lines below it.
type GridRow struct {
	Cells []GridCell
	Notes []string
}

// GridCell is a text; numbers stand to the right.
type GridCell struct {
	Text   string
	Tone   Tone
	Number bool
}

// Grid draws the table's texts, for those who lay them out themselves.
func (t Table) Grid() Grid {
	t = t.narrow()
	var g Grid
	if len(t.Rows) == 0 {
		g.Empty = t.Empty
	}
	for _, c := range t.Columns {
		g.Head = append(g.Head, GridCell{Text: clean(c.header()), Number: c.Kind != Text})
	}
	grid, footnotes := t.draw()
	for i, drawn := range grid {
		row := GridRow{}
		for c, d := range drawn {
			row.Cells = append(row.Cells, GridCell{clean(d.text), d.tone, t.Columns[c].Kind != Text})
		}
		for _, n := range t.Rows[i].Notes {
			row.Notes = append(row.Notes, clean(n))
		}
		g.Rows = append(g.Rows, row)
	}
	for i, n := range footnotes {
		g.Footnotes = append(g.Footnotes, superscript(i+1)+" "+clean(n))
	}
	return g
}

// Distinct is the narrow table with rows that read alike told once.
func (t Table) Distinct() Table {
	t = t.narrow()
	grid, _ := t.draw()
	seen := map[string]bool{}
	var rows []Row
	for i, drawn := range grid {
		var key strings.Builder
		for _, d := range drawn {
			key.WriteString(d.text + "\x00")
		}
		if !seen[key.String()] {
			seen[key.String()] = true
			rows = append(rows, t.Rows[i])
		}
	}
	t.Rows = rows
	return t
}
