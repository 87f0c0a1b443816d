package report

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/llmscen/llmscen/warehouse/tables"
)

func TestTheTableOfSearchesSaysWhatWasFoundAndWhatGaveWay(t *testing.T) {
	whole := tables.Null[int32]{}
	capacity := func(stat string, held, lost tables.Null[float64]) tables.Summary {
		return tables.Summary{Metric: "capacity", Stat: stat, Value: held, CILow: held, CIHigh: lost}
	}
	none := tables.Null[float64]{}
	table := Searches([]Trial{
		{Trial: tables.Trial{TrialID: "steady#1"}, Summaries: []tables.Summary{summary(whole, "ttft", "p50", 1)}},
		{Trial: tables.Trial{TrialID: "knee#1", BindingObjective: "ttft p95"}, Summaries: []tables.Summary{
			capacity("per_second", tables.Some(23.784), tables.Some(24.97)), summary(whole, "overload_goodput", "capacity_ratio", 2),
			summary(whole, "overload_goodput", "per_second", 8.2), summary(whole, "overload_goodput", "ratio", 0.172),
			summary(whole, "gave_way", "crash", 1), summary(whole, "gave_way", "queue", 0.6), summary(whole, "gave_way", "http_429", 0.228),
			{Metric: "recovery", Stat: "seconds", Method: "not_within_the_stages"},
		}},
		{Trial: tables.Trial{TrialID: "users#1"}, Summaries: []tables.Summary{
			capacity("users", tables.Some(12.0), none), summary(whole, "overload_goodput", "capacity_ratio", 1.5),
			summary(whole, "overload_goodput", "ratio", 1), summary(whole, "recovery", "seconds", 0.25),
		}},
		{Trial: tables.Trial{TrialID: "none#1", BindingObjective: "errors max_ratio"}, Summaries: []tables.Summary{capacity("per_second", none, tables.Some(1.0))}},
	})
	got, name := write(t, table, Narrow, Options{}), filepath.Join("testdata", "searches.table")
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
