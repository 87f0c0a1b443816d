package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/llmscen/llmscen/warehouse/tables"
)

var searchColumns = []Column{
	{Key: "trial", Header: "trial", Doc: "The trial's ID."},
	{Key: "apply", Wide: true, Doc: "The apply that made the trial."},
	{Key: "capacity", Kind: Number, Doc: "The highest rate, or number of users, that met every objective."},
	{Key: "capacity_low", Header: "at\nleast", Kind: Number, Doc: "The highest that met them beyond doubt: the lower end of the interval."},
	{Key: "capacity_high", Header: "less\nthan", Kind: Number, Doc: "The lowest that beyond doubt did not: its upper end."},
	{Key: "binding_objective", Header: "binds", Doc: "The objective that ended the search."},
	{Key: "overload_ratio", Header: "stress\nat", Kind: Number, Doc: "How many times the capacity was asked in the stage that asked the most."},
	{Key: "overload_goodput_per_second", Header: "good\n/s", Kind: PerSecond, Doc: "Requests a second that succeeded within every limit in that stage."},
	{Key: "overload_goodput_ratio", Header: "good", Kind: Ratio, Doc: "Their share of all that were asked in that stage."},
	{Key: "gave_way", Header: "gave way", Doc: "What became of the others in that stage, the most frequent first: crash, queue (answered beyond a limit), time_out, or the kind of the error."},
	{Key: "recovery_seconds", Header: "well again\nafter", Kind: Seconds, Doc: "From the end of that stage to the first request from which on the server kept its limits again."},
}

// SearchColumns are those of the table that Searches makes.
func SearchColumns() []Column { return slices.Clone(searchColumns) }

// Searches is the table of what searches found, and of what a load above it did: one row for each trial that searched.
func Searches(trials []Trial) Table {
	t := Table{Type: "search", Columns: SearchColumns(), Empty: "There are no searches."}
	for _, tr := range trials {
		if capacity := capacityFigure(tr.Summaries); capacity != nil {
			t.Rows = append(t.Rows, Row{Cells: searchCells(tr, *capacity)})
		}
	}
	return t
}

func capacityFigure(summaries []tables.Summary) *tables.Summary {
	for i, s := range summaries {
		if s.Metric == "capacity" && !s.Stage.Valid {
			return &summaries[i]
		}
	}
	return nil
}

func searchCells(t Trial, capacity tables.Summary) []any {
	level := func(v tables.Null[float64]) string {
		if !v.Valid {
			return ""
		}
		text := strconv.FormatFloat(v.V, 'g', 4, 64)
		if capacity.Stat == "users" {
			return text + " users"
		}
		return text + "/s"
	}
	held := Cell{Value: capacity.Value, Text: level(capacity.Value)}
	low, high := Cell{Value: capacity.CILow, Text: level(capacity.CILow)}, Cell{Value: capacity.CIHigh, Text: level(capacity.CIHigh)}
	switch {
	case !capacity.Value.Valid:
		held.Footnote = "Not even the lowest that was tried was held."
	case !capacity.CIHigh.Valid:
		high.Footnote = "Nothing that was tried was too much beyond doubt."
	}
	cells := []any{t.TrialID, t.Apply, held, low, high, t.BindingObjective, nil, nil, nil, nil, nil}
	var ways []string
	for _, s := range t.Summaries {
		if s.Stage.Valid {
			continue
		}
		switch s.Metric + " " + s.Stat {
		case "overload_goodput capacity_ratio":
			cells[6] = Cell{Value: s.Value, Text: strconv.FormatFloat(s.Value.V, 'g', 3, 64) + "×"}
		case "overload_goodput per_second":
			cells[7] = s.Value
		case "overload_goodput ratio":
			cells[8] = s.Value
		case "recovery seconds":
			cells[10] = s.Value
			if !s.Value.Valid {
				cells[10] = Cell{Text: "never", Tone: Bad, Footnote: "It did not keep its limits again while the stages after the overload went on."}
			}
		}
		if s.Metric == "gave_way" {
			ways = append(ways, wayText(s))
		}
	}
	if len(ways) > 0 {
		cells[9] = strings.Join(ways, ", ")
	} else if cells[6] != nil {
		cells[9] = "nothing"
	}
	return cells
}

// wayText is a way to give way with its share; a crash has none.
func wayText(s tables.Summary) string {
	if s.Stat == "crash" {
		return s.Stat
	}
	return fmt.Sprintf("%s %s", s.Stat, Ratio.Text(s.Value))
}
