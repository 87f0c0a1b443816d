package diag

import (
	"fmt"
	"io"
	"strings"
	"unicode"
)

// lineWidth is how many cells of a source line are shown around a subject.
const lineWidth = 160

// Colours, as ECMA-48 writes them.
const (
	red    = "\x1b[1;31m"
	yellow = "\x1b[1;33m"
	bold   = "\x1b[1m"
	plain  = "\x1b[0m"
)

// Text writes the findings as people read them, each with its source line and carets below what is wrong. The carets
// stand below the cells that a terminal gives to the text: two for a wide character, none for a combining one.
func (l List) Text(w io.Writer, color bool) error {
	for i, d := range l {
		if i > 0 {
			if _, err := io.WriteString(w, "\n"); err != nil {
				return fmt.Errorf("writing diagnostics: %w", err)
			}
		}
		if _, err := io.WriteString(w, d.text(color)); err != nil {
			return fmt.Errorf("writing diagnostics: %w", err)
		}
	}
	return nil
}

// String is the finding as Text writes it, without colour.
func (d Diagnostic) String() string { return d.text(false) }

func (d Diagnostic) text(color bool) string {
	paint := func(with, s string) string {
		if !color {
			return s
		}
		return with + s + plain
	}
	head, accent := "Error:", red
	if d.Severity == Warning {
		head, accent = "Warning:", yellow
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n\n", paint(accent, head), paint(bold, Clean(d.Summary)))
	if s := d.Subject; s != nil {
		in := ""
		if d.In != "" {
			in = ", in " + Clean(d.In)
		}
		fmt.Fprintf(&b, "  on %s line %d%s:\n", Clean(s.File), s.Start.Line, in)
		if d.Snippet != "" {
			line, pad, carets := d.excerpt()
			number := fmt.Sprintf("%4d: ", s.Start.Line)
			fmt.Fprintf(&b, "%s%s\n", number, line)
			fmt.Fprintf(&b, "%s%s%s\n", strings.Repeat(" ", len(number)), pad, paint(accent, strings.Repeat("^", carets)))
		}
	}
	if d.Detail != "" {
		fmt.Fprintf(&b, "%s\n", cleanLines(d.Detail))
	}
	return b.String()
}

// excerpt is the source line, what stands before the carets, and how many carets there are. Of a line that is too long
// only the neighbourhood of the subject is shown.
func (d Diagnostic) excerpt() (line, pad string, carets int) {
	runes := []rune(d.Snippet)
	start := min(max(d.Subject.Start.Column-1, 0), len(runes))
	end := len(runes)
	if d.Subject.End.Line == d.Subject.Start.Line {
		end = min(max(d.Subject.End.Column-1, start), len(runes))
	}
	for i, r := range runes {
		runes[i] = visible(r)
	}
	before, after := "", ""
	if len(runes) > lineWidth {
		from := max(0, start-lineWidth/2)
		to := min(len(runes), from+lineWidth)
		if from > 0 {
			before = "…"
		}
		if to < len(runes) {
			after = "…"
		}
		runes, start, end = runes[from:to], start-from, min(end-from, to-from)
	}
	line = before + string(runes) + after

	var b strings.Builder
	b.WriteString(strings.Repeat(" ", len([]rune(before))))
	for i, r := range runes[:start] {
		if r == '\t' { // the terminal decides how wide it is
			b.WriteByte('\t')
			continue
		}
		b.WriteString(strings.Repeat(" ", cells(runes, i)))
	}
	for i := start; i < end; i++ {
		carets += cells(runes, i)
	}
	return line, b.String(), max(carets, 1)
}

// visible replaces what would command the terminal.
func visible(r rune) rune {
	if r != '\t' && unicode.IsControl(r) || isBidi(r) {
		return unicode.ReplacementChar
	}
	return r
}

// isBidi tells the characters that reorder a line, so that it reads other than it is.
func isBidi(r rune) bool {
	return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

// Clean makes a text that others wrote safe for a terminal and for one line: control characters and those that reorder
// a line become U+FFFD.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' {
			return ' '
		}
		return visible(r)
	}, s)
}

func cleanLines(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' {
			return r
		}
		return visible(r)
	}, s)
}
