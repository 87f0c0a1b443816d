// Package report draws results for people: tables on a terminal or in markdown, and the same values as JSON and CSV.
package report

import (
	"fmt"
	"io"
)

// Kind says what the values of a column are, and so how they are written for a person. Values are in base units:
// seconds, bytes, ratios from 0 to 1.
type Kind int

// The kinds of columns.
const (
	Text   Kind = iota
	Number      // a plain number, three digits
	Count       // a whole number
	Seconds
	Bytes
	Ratio     // written in percent
	PerSecond // written without its unit, for the header tells it
	Instant   // tables.Instant or time.Time, written in UTC
)

// Column is one column of a table.
type Column struct {
	// Key is its name in JSON and CSV, unit included, as in ttft_p50_seconds.
	Key string
	// Header is its name for a person; a newline breaks it. "" means the key.
	Header string
	Kind   Kind
	// Wide columns are left out of the narrow table.
	Wide bool
	// Doc says what it means, in one sentence.
	Doc string
}

// Row is one row. Its cells are string, []string, bool, any integer or float, tables.Null, tables.Instant, time.Time,
// time.Duration, a map (written as JSON), a Cell, or nil for what is not known.
type Row struct {
	Cells []any
	// Notes are lines below the row.
	Notes []string
}

// Cell is a value with something to say about it.
type Cell struct {
	Value any
	// Text is shown to people instead of the value; "" shows the value.
	Text string
	Tone Tone
	// Footnote tells why the cell is as it is, as in empty; equal footnotes are told once.
	Footnote string
}

// Tone is the colour of a cell, where there are colours.
type Tone int

// The tones.
const (
	Plain Tone = iota
	Good
	Warning
	Bad
	Faint
)

// Table is what is drawn, in any format, from the same values.
type Table struct {
	// Type is the type of its JSON lines, as in trial; "" leaves it out.
	Type    string
	Columns []Column
	Rows    []Row
	// Empty is what is said instead of a table without rows, in the formats for people.
	Empty string
}

// Format is how a table is written.
type Format string

// The formats.
const (
	Narrow   Format = "table"
	Wide     Format = "wide"
	JSON     Format = "json"
	JSONL    Format = "jsonl"
	CSV      Format = "csv"
	Markdown Format = "md"
)

// Formats lists the formats, as a flag's help shows them.
func Formats() []Format { return []Format{Narrow, Wide, JSON, JSONL, CSV, Markdown} }

// ParseFormat is the format of that name; "" means the narrow table.
func ParseFormat(name string) (Format, error) {
	if name == "" {
		return Narrow, nil
	}
	for _, f := range Formats() {
		if string(f) == name {
			return f, nil
		}
	}
	return "", fmt.Errorf("there is no output format %q: choose one of %v", name, Formats())
}

// Options say where a table is drawn.
type Options struct {
	// Color: the reader's terminal shows colours.
	Color bool
	// Width is that of the terminal in cells; 0 means 120. Text columns give way, down to a dozen cells, to fit it.
	Width int
}

// Write writes the table. JSON is one document, an array of objects; CSV has a header line, and text in it that a
// spreadsheet would take for a formula begins with an apostrophe. All formats for people are free of control characters.
func (t Table) Write(w io.Writer, f Format, o Options) error {
	var err error
	switch f {
	case Narrow, "":
		err = t.narrow().writeText(w, o)
	case Wide:
		o.Width = 1 << 20
		err = t.writeText(w, o)
	case JSON:
		err = t.writeJSON(w)
	case JSONL:
		err = t.writeJSONL(w)
	case CSV:
		err = t.writeCSV(w)
	case Markdown:
		err = t.writeMarkdown(w)
	default:
		return fmt.Errorf("there is no output format %q: choose one of %v", f, Formats())
	}
	if err != nil {
		return fmt.Errorf("writing the table: %w", err)
	}
	return nil
}

// narrow is the table without its wide columns.
func (t Table) narrow() Table {
	out := t
	out.Columns, out.Rows = nil, make([]Row, len(t.Rows))
	for i, r := range t.Rows {
		out.Rows[i].Notes = r.Notes
	}
	for c, column := range t.Columns {
		if column.Wide {
			continue
		}
		out.Columns = append(out.Columns, column)
		for i, r := range t.Rows {
			out.Rows[i].Cells = append(out.Rows[i].Cells, r.cell(c))
		}
	}
	return out
}

func (r Row) cell(i int) any {
	if i < len(r.Cells) {
		return r.Cells[i]
	}
	return nil
}

func (c Column) header() string {
	if c.Header == "" {
		return c.Key
	}
	return c.Header
}
