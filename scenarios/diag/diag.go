// Package diag is findings about what a person wrote: each knows its place in the source, and text and JSON are drawn
// from the same value.
package diag

// Severity says whether a finding stops the work.
type Severity string

// The severities.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Position is a place in a file; line and column count from 1, columns in characters, the byte offset from 0.
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
func (l List) HasErrors() bool {
	for _, d := range l {
		if d.Severity == Error {
			return true
		}
	}
	return false
}
