package report

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// object is a row as a JSON object, its keys in the order of the columns.
func (t Table) object(r Row) (json.RawMessage, error) {
	var b bytes.Buffer
	member := func(key string, v any) error {
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		k, err := json.Marshal(key)
		if err != nil {
			return err
		}
		text, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("column %s: %w", key, err)
		}
		b.Write(k)
		b.WriteByte(':')
		b.Write(text)
		return nil
	}
	b.WriteByte('{')
	if t.Type != "" {
		if err := member("type", t.Type); err != nil {
			return nil, err
		}
	}
	for i, c := range t.Columns {
		if err := member(c.Key, plain(r.cell(i))); err != nil {
			return nil, err
		}
	}
	if len(r.Notes) > 0 {
		if err := member("notes", r.Notes); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func (t Table) writeJSON(w io.Writer) error {
	objects := make([]json.RawMessage, 0, len(t.Rows))
	for _, r := range t.Rows {
		o, err := t.object(r)
		if err != nil {
			return err
		}
		objects = append(objects, o)
	}
	text, err := json.MarshalIndent(objects, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(text, '\n'))
	return err
}

func (t Table) writeJSONL(w io.Writer) error {
	b := bufio.NewWriter(w)
	for _, r := range t.Rows {
		o, err := t.object(r)
		if err != nil {
			return err
		}
		b.Write(append(o, '\n'))
	}
	return b.Flush()
}

func (t Table) writeCSV(w io.Writer) error {
	c := csv.NewWriter(w)
	record := make([]string, len(t.Columns))
	for i, column := range t.Columns {
		record[i] = column.Key
	}
	if err := c.Write(record); err != nil {
		return err
	}
	for _, r := range t.Rows {
		for i := range t.Columns {
			record[i] = field(r.cell(i))
		}
		if err := c.Write(record); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

// field is a value as CSV has it: numbers in full, text so that no spreadsheet runs it.
func field(v any) string {
	switch v := plain(v).(type) {
	case nil:
		return ""
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case bool, int64, uint64, json.Number:
		return fmt.Sprint(v)
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case string:
		return disarm(v)
	default:
		return disarm(Text.Text(v))
	}
}

// disarm puts an apostrophe before text that begins as a formula does (OWASP, "CSV Injection").
func disarm(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

var escape = strings.NewReplacer("|", `\|`, "<", "&lt;", ">", "&gt;", "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "\\", `\\`)

// EscapeMarkdown is a text as markdown shows it, with nothing in it that makes markup.
func EscapeMarkdown(s string) string { return escape.Replace(clean(s)) }

func (t Table) writeMarkdown(w io.Writer) error {
	b := bufio.NewWriter(w)
	t = t.narrow()
	if len(t.Rows) == 0 && t.Empty != "" {
		b.WriteString(t.Empty + "\n")
		return b.Flush()
	}
	grid, footnotes := t.draw()
	for _, c := range t.Columns {
		b.WriteString("| " + strings.ReplaceAll(c.header(), "\n", " ") + " ")
	}
	b.WriteString("|\n")
	for _, c := range t.Columns {
		if c.Kind == Text {
			b.WriteString("|---")
		} else {
			b.WriteString("|---:")
		}
	}
	b.WriteString("|\n")
	for _, row := range grid {
		for _, d := range row {
			b.WriteString("| " + escape.Replace(d.text) + " ")
		}
		b.WriteString("|\n")
	}
	var below []string
	for i, r := range t.Rows {
		for _, n := range r.Notes {
			below = append(below, "- "+escape.Replace(grid[i][0].text)+": "+escape.Replace(clean(n)))
		}
	}
	for i, n := range footnotes {
		below = append(below, superscript(i+1)+" "+escape.Replace(clean(n)))
	}
	if len(below) > 0 {
		b.WriteString("\n" + strings.Join(below, "\n") + "\n")
	}
	return b.Flush()
}
