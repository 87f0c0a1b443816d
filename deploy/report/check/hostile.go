package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/llmscen/llmscen/warehouse/report"
	"github.com/llmscen/llmscen/warehouse/report/html"
)

// hostile are texts as a server, a file or a name could have them; whoever runs one of them marks the page as owned.
var hostile = []string{
	`</script><script>document.documentElement.dataset.owned = 1</script>`,
	`<img src=x onerror="document.documentElement.dataset.owned=1">`,
	`"><svg onload=document.documentElement.dataset.owned=1>`,
	`<!--<script>`, `]]>`, `javascript:document.documentElement.dataset.owned=1`, `{{.}} ${1} \u003c/script>`,
	"\u2028\u2029\u202e\x00\x1b[31m",
}

// writeHostile writes a report that says hostile texts wherever a text goes.
func writeHostile(path string) error {
	d := report.Document{Title: hostile[0]}
	rows := report.Table{Columns: []report.Column{{Key: "line", Header: hostile[2]}, {Key: "value", Kind: report.Number}}}
	for i, text := range hostile {
		d.Facts = append(d.Facts, report.Fact{Name: text, Value: text})
		d.Warnings = append(d.Warnings, text)
		rows.Rows = append(rows.Rows, report.Row{
			Cells: []any{report.Cell{Value: text, Footnote: text}, float64(i + 1)}, Notes: []string{text},
		})
	}
	spec := json.RawMessage(`{
		"data": {"name": "rows"}, "mark": "bar",
		"encoding": {"y": {"field": "line", "type": "nominal"}, "x": {"field": "value", "type": "quantitative"},
			"tooltip": {"field": "line"}, "color": {"field": "line", "type": "nominal"}}
	}`)
	d.Sections = []report.Section{{ID: "hostile", Title: hostile[1], Text: hostile, Table: rows, Chart: &report.Chart{Spec: spec, Rows: rows}}}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := html.Write(f, d); err != nil {
		return fmt.Errorf("writing the hostile report: %w", err)
	}
	return f.Close()
}
