package report

import (
	"bufio"
	"io"
	"slices"
	"strconv"
	"strings"
)

// narrowest is the width below which text columns do not give way.
const narrowest = 12

const gap = "  "

// drawn is a cell as it is printed.
type drawn struct {
	text string
	tone Tone
}

// writeText writes aligned columns: text to the left, numbers to the right.
func (t Table) writeText(w io.Writer, o Options) error {
	b := bufio.NewWriter(w)
	if len(t.Rows) == 0 && t.Empty != "" {
		b.WriteString(t.Empty + "\n")
		return b.Flush()
	}
	grid, footnotes := t.draw()
	widths := t.fit(grid, o.Width)
	t.writeHeader(b, widths, o)
	for i, row := range grid {
		var line strings.Builder
		for c, d := range row {
			pad(&line, cut(d.text, widths[c]), widths[c], t.Columns[c].Kind == Text, d.tone, o)
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
		for _, note := range t.Rows[i].Notes {
			b.WriteString(paint("  "+clean(note), Faint, o) + "\n")
		}
	}
	for i, note := range footnotes {
		b.WriteString(superscript(i+1) + " " + clean(note) + "\n")
	}
	return b.Flush()
}

// draw writes every cell, and gathers the footnotes.
func (t Table) draw() (grid [][]drawn, footnotes []string) {
	for _, r := range t.Rows {
		row := make([]drawn, len(t.Columns))
		for c, column := range t.Columns {
			v := r.cell(c)
			row[c].text = column.Kind.Text(v)
			if cell, ok := v.(Cell); ok {
				row[c].tone = cell.Tone
				if cell.Footnote != "" {
					i := slices.Index(footnotes, cell.Footnote)
					if i < 0 {
						i = len(footnotes)
						footnotes = append(footnotes, cell.Footnote)
					}
					row[c].text += superscript(i + 1)
				}
			}
		}
		grid = append(grid, row)
	}
	return grid, footnotes
}

func superscript(n int) string {
	return strings.Map(func(r rune) rune { return []rune("⁰¹²³⁴⁵⁶⁷⁸⁹")[r-'0'] }, strconv.Itoa(n))
}

// fit chooses the widths of the columns; the widest text column gives way until all fit.
func (t Table) fit(grid [][]drawn, width int) []int {
	if width <= 0 {
		width = 120
	}
	widths := make([]int, len(t.Columns))
	total := len(gap) * (len(t.Columns) - 1)
	for c, column := range t.Columns {
		for line := range strings.SplitSeq(column.header(), "\n") {
			widths[c] = max(widths[c], cells(line))
		}
		for _, row := range grid {
			widths[c] = max(widths[c], cells(row[c].text))
		}
		total += widths[c]
	}
	for total > width {
		widest := -1
		for c, column := range t.Columns {
			if column.Kind == Text && widths[c] > narrowest && (widest < 0 || widths[c] > widths[widest]) {
				widest = c
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
		total--
	}
	return widths
}

func (t Table) writeHeader(b *bufio.Writer, widths []int, o Options) {
	height := 1
	for _, c := range t.Columns {
		height = max(height, 1+strings.Count(c.header(), "\n"))
	}
	for line := range height {
		var out strings.Builder
		for c, column := range t.Columns {
			lines := strings.Split(column.header(), "\n")
			text := ""
			if at := line - (height - len(lines)); at >= 0 { // headers stand on the rows
				text = lines[at]
			}
			pad(&out, cut(text, widths[c]), widths[c], column.Kind == Text, Faint, o)
		}
		b.WriteString(strings.TrimRight(out.String(), " ") + "\n")
	}
}

func pad(b *strings.Builder, text string, width int, left bool, tone Tone, o Options) {
	if b.Len() > 0 {
		b.WriteString(gap)
	}
	space := strings.Repeat(" ", width-cells(text))
	if left {
		b.WriteString(paint(text, tone, o) + space)
	} else {
		b.WriteString(space + paint(text, tone, o))
	}
}

// paint colours a text by the codes of ECMA-48.
func paint(text string, tone Tone, o Options) string {
	codes := map[Tone]string{Good: "32", Warning: "33", Bad: "31", Faint: "2"}
	if code, ok := codes[tone]; ok && o.Color && text != "" {
		return "\x1b[" + code + "m" + text + "\x1b[0m"
	}
	return text
}
