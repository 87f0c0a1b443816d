// Package diag is findings about what a person wrote: each knows its place in the source, and text and JSON are drawn
// from the same value.
package diag

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
)

// Severity says whether a finding stops the work.
type Severity string

// The severities.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Position is a place in a file; line and column count from 1, columns in Unicode code points, the byte offset from 0.
type Position struct {
	Line   int `json:"line"`
	Column int `json:"column"`
	Byte   int `json:"byte"`
}

// Range is a stretch of a file; the zero Range is nowhere.
type Range struct {
	File  string   `json:"file"`
	Start Position `json:"start"`
	End   Position `json:"end"`
}

// Diagnostic is one finding.
type Diagnostic struct {
	Severity Severity `json:"severity"`
	Summary  string   `json:"summary"`
	// Detail says what is wrong and what to do, in whole sentences.
	Detail string `json:"detail"`
	// Subject is what is wrong; nil where there is no place to show.
	Subject *Range `json:"range,omitempty"`
	// In names the block around the subject, as in `run "capacity"`.
	In string `json:"in,omitempty"`
	// Snippet is the source line of the subject's start, filled by those who hold the source.
	Snippet string `json:"snippet,omitempty"`
}

// List is the findings of one look; it is an error when it holds one.
type List []Diagnostic

// HasErrors tells whether any finding is an error.
func (l List) HasErrors() bool { return l.Errors() > 0 }

// Errors counts the findings that are errors.
func (l List) Errors() int {
	n := 0
	for _, d := range l {
		if d.Severity == Error {
			n++
		}
	}
	return n
}

// Sort orders the findings by place: those without one first, then by file, line and column, in the order of finding
// where the place is the same.
func (l List) Sort() {
	slices.SortStableFunc(l, func(a, b Diagnostic) int {
		if a.Subject == nil || b.Subject == nil {
			return cmp.Compare(btoi(a.Subject != nil), btoi(b.Subject != nil))
		}
		return cmp.Or(cmp.Compare(a.Subject.File, b.Subject.File), cmp.Compare(a.Subject.Start.Byte, b.Subject.Start.Byte))
	})
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// JSON writes the findings as one document: {"diagnostics": […]}.
func (l List) JSON(w io.Writer) error {
	document := struct {
		Diagnostics List `json:"diagnostics"`
	}{Diagnostics: l}
	if l == nil {
		document.Diagnostics = List{}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(document); err != nil {
		return fmt.Errorf("writing diagnostics: %w", err)
	}
	return nil
}
