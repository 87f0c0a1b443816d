package diag

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func finding(snippet, subject string) Diagnostic {
	before, _, _ := strings.Cut(snippet, subject)
	column := len([]rune(before)) + 1
	return Diagnostic{
		Severity: Error, Summary: "Reference to a load that is not there",
		Detail: `There is no load "climbb".`, In: `run "capacity"`, Snippet: snippet,
		Subject: &Range{
			File:  "capacity.scen.hcl",
			Start: Position{Line: 147, Column: column, Byte: len(before)},
			End:   Position{Line: 147, Column: column + len([]rune(subject)), Byte: len(before) + len(subject)},
		},
	}
}

func TestAMistakeShowsItsLineWithCaretsBelow(t *testing.T) {
	want := `Error: Reference to a load that is not there

  on capacity.scen.hcl line 147, in run "capacity":
 147:   load       = load.climbb
                     ^^^^^^^^^^^
There is no load "climbb".
`
	if got := finding("  load       = load.climbb", "load.climbb").String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestCaretsStandBelowWhatATerminalShows(t *testing.T) {
	for _, c := range []struct{ name, snippet, subject string }{
		{"wide characters take two cells", `a = "日本" + x`, `x`},
		{"a wide subject has two carets a character", `x = "日本"`, `日本`},
		{"a combining mark takes none", "a = \"e\u0301\" + x", "x"},
		{"an emoji of several characters is one picture", "a = \"👩‍👩‍👧\" + x", "x"},
		{"a flag is one picture", "\"🇩🇪\" + x", "x"},
		{"a tab stays a tab", "\ta = x", "x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			lines := strings.Split(finding(c.snippet, c.subject).String(), "\n")
			if want := caretLine(c.snippet, c.subject); lines[4] != want {
				t.Errorf("%q below %q, want %q", lines[4], lines[3], want)
			}
		})
	}
}

// caretLine builds the caret line from the cells of each part, counted by hand in known.
func caretLine(snippet, subject string) string {
	known := map[string]int{"日": 2, "本": 2, "👩‍👩‍👧": 2, "🇩🇪": 2, "e\u0301": 1}
	width := func(s string) string {
		for text, n := range known {
			s = strings.ReplaceAll(s, text, strings.Repeat("_", n))
		}
		return s
	}
	before, _, _ := strings.Cut(snippet, subject)
	pad := strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, width(before))
	return strings.Repeat(" ", 6) + pad + strings.Repeat("^", len(width(subject)))
}

func TestALongLineIsShownAroundItsSubject(t *testing.T) {
	d := finding(strings.Repeat("a", 5000)+"WRONG"+strings.Repeat("b", 5000), "WRONG")
	lines := strings.Split(d.String(), "\n")
	if n := len([]rune(lines[3])); n > lineWidth+10 {
		t.Errorf("the line has %d characters", n)
	}
	at := strings.Index(lines[4], "^")
	if got := string([]rune(lines[3])[at : at+5]); got != "WRONG" {
		t.Errorf("carets below %q", got)
	}
}

func TestControlCharactersDoNotReachTheTerminal(t *testing.T) {
	d := finding("a = \"\x1b[2J\u202e\" x", "x")
	d.Detail += "\x1b]0;title\x07"
	if got := d.String(); strings.ContainsAny(got, "\x1b\x07\u202e") {
		t.Errorf("%q", got)
	}
}

func TestASubjectOverSeveralLinesIsMarkedToTheEndOfItsFirst(t *testing.T) {
	d := finding("x = [", "[")
	d.Subject.End = Position{Line: 150, Column: 2, Byte: 40}
	if !strings.Contains(d.String(), "\n          ^\n") {
		t.Error(d.String())
	}
}

func TestSortGoesByPlace(t *testing.T) {
	at := func(file string, b int) Diagnostic {
		return Diagnostic{Summary: file, Subject: &Range{File: file, Start: Position{Byte: b}}}
	}
	l := List{at("b", 1), at("a", 9), {Summary: "nowhere"}, at("a", 2)}
	l.Sort()
	var got []string
	for _, d := range l {
		got = append(got, d.Summary)
	}
	if strings.Join(got, " ") != "nowhere a a b" || l[1].Subject.Start.Byte != 2 {
		t.Error(l)
	}
}

func TestJSONIsOneDocument(t *testing.T) {
	var b bytes.Buffer
	if err := (List{finding("load = x", "x")}).JSON(&b); err != nil {
		t.Fatal(err)
	}
	var back struct{ Diagnostics List }
	if err := json.Unmarshal(b.Bytes(), &back); err != nil || len(back.Diagnostics) != 1 {
		t.Fatal(err, b.String())
	}
	if back.Diagnostics[0].Subject.Start.Line != 147 {
		t.Error(b.String())
	}
	b.Reset()
	if err := (List)(nil).JSON(&b); err != nil || !strings.Contains(b.String(), `"diagnostics": []`) {
		t.Error(b.String())
	}
}
