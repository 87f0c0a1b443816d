package report_test

import (
	"os"

	"github.com/llmscen/llmscen/warehouse/report"
)

func ExampleTable() {
	t := report.Table{
		Columns: []report.Column{{Key: "model"}, {Key: "ttft_seconds", Header: "TTFT", Kind: report.Seconds}},
		Rows: []report.Row{
			{Cells: []any{"small", 0.0421}},
			{Cells: []any{"large", report.Cell{Footnote: "It never answered."}}},
		},
	}
	if err := t.Write(os.Stdout, report.Narrow, report.Options{}); err != nil {
		panic(err)
	}
	// Output:
	// model    TTFT
	// small  42.1ms
	// large       ¹
	// ¹ It never answered.
}
