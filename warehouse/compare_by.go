package warehouse

import (
	"github.com/llmscen/llmscen/warehouse/report"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// sideBySide draws a comparison by a matrix key: the values of the key below each other, a block a figure, each held
// against the first.
func (c Comparison) sideBySide() report.Table {
	t := report.Table{
		Type: "comparison",
		Columns: []report.Column{
			{Key: "cell", Wide: c.oneCell(), Doc: "The run and what the cells chose beside the key."},
			{Key: "figure", Doc: "The metric and its statistic: one figure a repetition."},
			{Key: "value", Header: c.By, Doc: "The value of the key."},
			{Key: "median", Doc: "The median of the repetitions, with the larger half of its 95 % interval."},
			{Key: "change", Header: "against the first", Doc: "By how much it lies above the first value (Hodges–Lehmann), with its exact 95 % interval."},
			{Key: "verdict", Doc: "better, worse, or ~ where no difference is proven."},
			{Key: "p", Kind: report.Number, Doc: "The exact probability of such a difference by chance (Mann–Whitney)."},
			{Key: "n", Kind: report.Count, Doc: "The repetitions."},
			{Key: "gate", Wide: c.Gate == "", Doc: "The gate's outcome: pass, fail, or inconclusive."},
			{Key: "unit", Wide: true, Doc: "The unit of the medians."},
			{Key: "median_low", Kind: report.Number, Wide: true, Doc: "Lower end of the 95 % interval of the median; empty below six repetitions."},
			{Key: "median_high", Kind: report.Number, Wide: true, Doc: "Upper end of it."},
			{Key: "change_low", Kind: report.Ratio, Wide: true, Doc: "Lower end of the interval of the change."},
			{Key: "change_high", Kind: report.Ratio, Wide: true, Doc: "Upper end of it."},
			{Key: "p_holm", Kind: report.Number, Wide: true, Doc: "p corrected for the number of rows (Holm)."},
			{Key: "same_model", Wide: true, Doc: "Whether it answers as the same model as the first does; empty where it can't be told."},
		},
	}
	told := ""
	for i, block := range c.blocks() {
		first := block[0]
		cell := "" // its value is shown
		if i > 0 && first.rest == told {
			cell = " "
		}
		told = first.rest
		row := func(cell, figure string, s Side, change, verdict, p, gate any, low, high tables.Null[float64], holm, same any) {
			kind := report.KindOf(first.Unit)
			t.Rows = append(t.Rows, report.Row{Cells: []any{
				report.Cell{Value: first.rest, Text: cell}, report.Cell{Value: first.Figure.String(), Text: figure},
				valueOf(s.Name, c.By), report.Cell{Value: s.Median, Text: s.text(kind)}, change, verdict, p, len(s.Values), gate,
				first.Unit, s.CILow, s.CIHigh, low, high, holm, same,
			}})
		}
		none := tables.Null[float64]{}
		row(cell, "", first.Old, report.Cell{Text: "the first", Tone: report.Faint}, nil, nil, nil, none, none, nil, nil)
		for _, d := range block {
			tone := map[string]report.Tone{Better: report.Good, Worse: report.Bad, NoDifference: report.Faint}[d.Verdict]
			row(" ", " ", d.New, report.Cell{Value: d.Change, Text: d.effectText(), Tone: tone}, report.Cell{Value: d.Verdict, Text: d.words(), Tone: tone},
				d.P, d.Gate, d.ChangeLow, d.ChangeHigh, d.PHolm, c.sameModelOf(d))
		}
	}
	return t
}

// blocks are the rows that have the first side and the figure in common.
func (c Comparison) blocks() [][]Difference {
	type key struct {
		rest string
		f    Figure
	}
	var order []key
	found := map[key][]Difference{}
	for _, d := range c.Rows {
		k := key{d.rest, d.Figure}
		if found[k] == nil {
			order = append(order, k)
		}
		found[k] = append(found[k], d)
	}
	blocks := make([][]Difference, len(order))
	for i, k := range order {
		blocks[i] = found[k]
	}
	return blocks
}

func (c Comparison) oneCell() bool {
	for _, d := range c.Rows {
		if d.rest != c.Rows[0].rest {
			return false
		}
	}
	return true
}

func (c Comparison) sameModelOf(d Difference) tables.Null[bool] {
	for _, l := range c.Models {
		if l.Cell == d.Cell && l.New == d.New.Name {
			return l.SameModel
		}
	}
	return tables.Null[bool]{}
}

// valueOf is a side's name without the key that the column's head has.
func valueOf(name, key string) string {
	if len(name) > len(key) {
		return name[len(key)+1:]
	}
	return name
}

// effectText is the estimated change with its interval, whether it is proven or not.
func (d Difference) effectText() string {
	if !d.Change.Valid {
		return NoDifference
	}
	return d.estimate()
}

// words are the verdict for a person.
func (d Difference) words() string {
	switch {
	case d.Verdict != NoDifference:
		return d.Verdict
	case d.Note != "":
		return "too few repetitions"
	}
	return "no difference proven"
}
