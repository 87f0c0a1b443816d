package lang

import (
	"bytes"
	"fmt"
	"sort"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/llmscen/llmscen/scenarios/diag"
)

// findings gathers what is wrong, each thing once, and gives every finding its place and source line at the end.
type findings struct {
	list    diag.List
	seen    map[findingKey]bool
	dropped int
	sources map[string]*source
}

type findingKey struct {
	file            string
	start, end      int
	summary, detail string
}

// source is a text that findings point into.
type source struct {
	text  []byte
	lines []int // byte offsets of the starts of lines
	body  *hclsyntax.Body
}

func newFindings() *findings {
	return &findings{seen: map[findingKey]bool{}, sources: map[string]*source{}}
}

// addSource makes a text known under its name.
func (f *findings) addSource(name string, text []byte) *source {
	s := &source{text: text, lines: []int{0}}
	for i, c := range text {
		if c == '\n' {
			s.lines = append(s.lines, i+1)
		}
	}
	f.sources[name] = s
	return s
}

func (f *findings) errorf(at hcl.Range, summary, format string, args ...any) {
	f.add(diag.Error, &at, summary, fmt.Sprintf(format, args...))
}

func (f *findings) warnf(at hcl.Range, summary, format string, args ...any) {
	f.add(diag.Warning, &at, summary, fmt.Sprintf(format, args...))
}

// nowhere adds an error that has no place in a source.
func (f *findings) nowhere(summary, format string, args ...any) {
	f.add(diag.Error, nil, summary, fmt.Sprintf(format, args...))
}

// hcl adds what the HCL library found.
func (f *findings) hcl(diags hcl.Diagnostics) {
	for _, d := range diags {
		severity := diag.Error
		if d.Severity == hcl.DiagWarning {
			severity = diag.Warning
		}
		at := d.Subject
		if at != nil && at.Filename == "" { // so it is where a call is cut off by the end of the file
			at = d.Context
		}
		if at != nil && at.Filename == "" {
			at = nil
		}
		f.add(severity, at, d.Summary, d.Detail)
	}
}

func (f *findings) add(severity diag.Severity, at *hcl.Range, summary, detail string) {
	key := findingKey{summary: summary, detail: detail}
	d := diag.Diagnostic{Severity: severity, Summary: summary, Detail: detail}
	if at != nil {
		key.file, key.start, key.end = at.Filename, at.Start.Byte, at.End.Byte
		r := f.place(*at)
		d.Subject = &r
	}
	if f.seen[key] {
		return
	}
	if len(f.list) >= maxFindingsKept {
		f.dropped++
		return
	}
	f.seen[key] = true
	f.list = append(f.list, d)
}

// place converts a range: HCL counts columns in grapheme clusters, a diagnostic in code points.
func (f *findings) place(r hcl.Range) diag.Range {
	if r.End.Byte < r.Start.Byte { // the parser says so of what the end of a file cuts off
		r.End = r.Start
	}
	out := diag.Range{
		File:  r.Filename,
		Start: diag.Position{Line: r.Start.Line, Column: r.Start.Column, Byte: r.Start.Byte},
		End:   diag.Position{Line: r.End.Line, Column: r.End.Column, Byte: r.End.Byte},
	}
	if s := f.sources[r.Filename]; s != nil {
		out.Start, out.End = s.position(r.Start.Byte), s.position(r.End.Byte)
	}
	return out
}

func (s *source) position(offset int) diag.Position {
	offset = min(max(offset, 0), len(s.text))
	line := sort.SearchInts(s.lines, offset+1) - 1
	column := 1 + utf8.RuneCount(s.text[s.lines[line]:offset])
	return diag.Position{Line: line + 1, Column: column, Byte: offset}
}

// finish sorts the findings, cuts them to what is told, and fills in the source lines and the blocks around.
func (f *findings) finish() diag.List {
	f.list.Sort()
	kept := make(diag.List, 0, min(len(f.list), maxErrors))
	for i, d := range f.list {
		if len(kept) == maxErrors-1 && (len(f.list)-i > 1 || f.dropped > 0) {
			kept = append(kept, diag.Diagnostic{
				Severity: diag.Error, Summary: "Too many mistakes",
				Detail: fmt.Sprintf("%d more are not shown: mend these first.", len(f.list)-i+f.dropped),
			})
			break
		}
		if d.Subject != nil {
			if s := f.sources[d.Subject.File]; s != nil {
				d.Snippet = s.line(d.Subject.Start.Line)
				d.In = s.blockAt(d.Subject.Start.Byte)
			}
		}
		kept = append(kept, d)
	}
	if len(kept) == 0 {
		return nil
	}
	return kept
}

// maxSnippetRunes bounds the source line that a finding carries.
const maxSnippetRunes = 2000

func (s *source) line(n int) string {
	end := len(s.text)
	if n < len(s.lines) {
		end = s.lines[n] - 1
	}
	line := bytes.TrimSuffix(s.text[s.lines[n-1]:end], []byte("\r"))
	text := string(bytes.ToValidUTF8(line, []byte("\uFFFD")))
	if utf8.RuneCountInString(text) > maxSnippetRunes {
		text = string([]rune(text)[:maxSnippetRunes])
	}
	return text
}

// blockAt names the outermost block around a place; "" where there is none.
func (s *source) blockAt(offset int) string {
	if s.body == nil {
		return ""
	}
	blocks := s.body.Blocks
	i := sort.Search(len(blocks), func(i int) bool { return blocks[i].Range().End.Byte > offset })
	if i < len(blocks) && blocks[i].Range().Start.Byte <= offset {
		return blockTitle(blocks[i])
	}
	return ""
}

// blockTitle is a block as people call it: load "constant_rate" "gentle".
func blockTitle(b *hclsyntax.Block) string {
	title := b.Type
	for _, l := range b.Labels {
		title += fmt.Sprintf(" %q", l)
	}
	return title
}
