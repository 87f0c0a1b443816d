// Package html writes a report as one page that needs no network: its charts are drawn from the rows in it by a bundle
// that it carries.
//
// A policy in its head (Content-Security-Policy) lets nothing be loaded, and only the scripts and styles whose digests
// it names be run: Vega interprets expressions, so that no script is made from a text.
package html

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/llmscen/llmscen/warehouse/report"
)

var (
	//go:embed assets/vega.js
	vega string
	//go:embed assets/LICENCES.txt
	licences string
	//go:embed page.js
	script string
	//go:embed page.css
	style string
	//go:embed page.html
	page string
)

var pages = template.Must(template.New("page").Funcs(template.FuncMap{"tone": tone}).Parse(page))

// Write writes the document as a page.
func Write(w io.Writer, d report.Document) error {
	view := struct {
		report.Document
		Policy   string
		Vega     template.JS
		Script   template.JS
		Style    template.CSS
		Licences string
		Sections []section
	}{
		Policy: fmt.Sprintf("default-src 'none'; script-src %s %s; style-src %s; base-uri 'none'; form-action 'none'",
			digest(vega), digest(script), digest(style)),
		// Not a reader's or a server's text, but files of this package.
		Vega: template.JS(vega), Script: template.JS(script), Style: template.CSS(style), Licences: licences,
	}
	view.Document = cleaned(d)
	for _, s := range view.Document.Sections {
		drawn := section{Section: s, Grid: s.Table.Grid()}
		if s.Chart != nil {
			data, err := chartData(s.Chart)
			if err != nil {
				return fmt.Errorf("writing the chart %s: %w", s.ID, err)
			}
			drawn.Data = data
		}
		view.Sections = append(view.Sections, drawn)
	}
	if err := pages.Execute(w, view); err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	return nil
}

// cleaned is the document without what turns the direction of writing or is no character; tables clean themselves.
func cleaned(d report.Document) report.Document {
	all := func(texts []string) []string {
		out := make([]string, len(texts))
		for i, t := range texts {
			out[i] = report.Clean(t)
		}
		return out
	}
	d.Title, d.Warnings = report.Clean(d.Title), all(d.Warnings)
	facts := make([]report.Fact, len(d.Facts))
	for i, f := range d.Facts {
		facts[i] = report.Fact{Name: report.Clean(f.Name), Value: report.Clean(f.Value)}
	}
	d.Facts, d.Sections = facts, slices.Clone(d.Sections)
	for i := range d.Sections {
		s := &d.Sections[i]
		s.Title, s.Text = report.Clean(s.Title), all(s.Text)
	}
	return d
}

type section struct {
	report.Section
	Grid report.Grid
	// Data is the chart's specification and rows.
	Data template.JS
}

// chartData is JSON in which everything that HTML would take for markup is escaped, </script too, and without what turns
// the direction of writing.
func chartData(c *report.Chart) (template.JS, error) {
	rows, err := c.Rows.JSON()
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(map[string]json.RawMessage{"spec": c.Spec, "rows": rows})
	return template.JS(strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, string(text))), err
}

// digest names a script or style in the policy.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func tone(t report.Tone) string {
	return map[report.Tone]string{report.Good: "good", report.Warning: "warning", report.Bad: "bad", report.Faint: "faint"}[t]
}
