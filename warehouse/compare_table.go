package warehouse

import (
	"fmt"

	"github.com/llmscen/llmscen/warehouse/report"
)

// Table draws a comparison: a row a figure of each cell, and where it is by a key, one more a value of it.
func (c Comparison) Table() report.Table {
	if c.By != "" {
		return c.sideBySide()
	}
	t := report.Table{
		Type: "comparison",
		Columns: []report.Column{
			{Key: "cell", Doc: "The run and what the cells of both sides chose."},
			{Key: "figure", Doc: "The metric and its statistic: one figure a repetition."},
			{Key: "old", Header: c.sideName(func(d Difference) string { return d.Old.Name }, "old"), Doc: "The median of the old side's repetitions."},
			{Key: "new", Header: c.sideName(func(d Difference) string { return d.New.Name }, "new"), Doc: "The median of the new side's repetitions."},
			{Key: "change", Doc: "By how much new lies above old (Hodges–Lehmann), with its exact 95 % interval; ~ where no difference is proven."},
			{Key: "verdict", Doc: "better, worse, or ~ where no difference is proven."},
			{Key: "p", Kind: report.Number, Doc: "The exact probability of such a difference by chance (Mann–Whitney)."},
			{Key: "n", Doc: "The repetitions of each side."},
			{Key: "gate", Doc: "The gate's outcome: pass, fail, or inconclusive."},
			{Key: "unit", Wide: true, Doc: "The unit of the medians."},
			{Key: "old_low", Kind: report.Number, Wide: true, Doc: "Lower end of the 95 % interval of the old median; empty below six repetitions."},
			{Key: "old_high", Kind: report.Number, Wide: true, Doc: "Upper end of it."},
			{Key: "new_low", Kind: report.Number, Wide: true, Doc: "Lower end of the 95 % interval of the new median; empty below six repetitions."},
			{Key: "new_high", Kind: report.Number, Wide: true, Doc: "Upper end of it."},
			{Key: "change_low", Kind: report.Ratio, Wide: true, Doc: "Lower end of the interval of the change."},
			{Key: "change_high", Kind: report.Ratio, Wide: true, Doc: "Upper end of it."},
			{Key: "p_holm", Kind: report.Number, Wide: true, Doc: "p corrected for the number of rows (Holm)."},
			{Key: "same_model", Wide: true, Doc: "Whether both sides answer as the same model does; empty where it can't be told."},
		},
	}
	noted := map[string]bool{}
	for _, d := range c.Rows {
		kind := report.KindOf(d.Unit)
		tone := map[string]report.Tone{Better: report.Good, Worse: report.Bad, NoDifference: report.Faint}[d.Verdict]
		row := report.Row{Cells: []any{
			d.Cell, d.Figure.String(),
			report.Cell{Value: d.Old.Median, Text: d.Old.text(kind)}, report.Cell{Value: d.New.Median, Text: d.New.text(kind)},
			report.Cell{Value: d.Change, Text: d.changeText(), Tone: tone}, report.Cell{Value: d.Verdict, Tone: tone},
			d.P, fmt.Sprintf("%d+%d", len(d.Old.Values), len(d.New.Values)), d.Gate, d.Unit,
			d.Old.CILow, d.Old.CIHigh, d.New.CILow, d.New.CIHigh, d.ChangeLow, d.ChangeHigh, d.PHolm, c.sameModelOf(d),
		}}
		if d.Note != "" && !noted[d.Cell+d.Note] {
			noted[d.Cell+d.Note] = true
			row.Notes = []string{d.Note}
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// sideName is the name of a side where all rows have the same.
func (c Comparison) sideName(of func(Difference) string, otherwise string) string {
	name := ""
	for i, d := range c.Rows {
		if i > 0 && of(d) != name {
			return otherwise
		}
		name = of(d)
	}
	if name == "" {
		return otherwise
	}
	return name
}

// text is a median and, after ±, the larger distance to an end of its interval, in percent.
func (s Side) text(kind report.Kind) string {
	text := kind.Text(s.Median)
	if s.Median.V == 0 || !s.CILow.Valid || !s.CIHigh.Valid {
		return text
	}
	spread := max(s.CIHigh.V-s.Median.V, s.Median.V-s.CILow.V) / s.Median.V
	return fmt.Sprintf("%s ±%.0f%%", text, 100*spread)
}

func (d Difference) changeText() string {
	if d.Verdict == NoDifference || !d.Change.Valid {
		return d.Verdict
	}
	return d.estimate()
}

func (d Difference) estimate() string {
	if !d.ChangeLow.Valid {
		return fmt.Sprintf("%+.1f%%", 100*d.Change.V)
	}
	return fmt.Sprintf("%+.1f%% (%+.1f%% to %+.1f%%)", 100*d.Change.V, 100*d.ChangeLow.V, 100*d.ChangeHigh.V)
}
