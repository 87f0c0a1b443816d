package warehouse

import (
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/llmscen/llmscen/warehouse/report"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// sideBySideRows writes six repetitions of two runtimes at two rates: every request of runtime.b takes twice as long as
// that of runtime.a, which takes 1 ms and upwards.
func sideBySideRows(t *testing.T, db *sql.DB, edit func(*tables.Trial)) []report.Trial {
	t.Helper()
	var trials []report.Trial
	at := tables.Instant(1e18)
	for repetition := 1; repetition <= 6; repetition++ {
		for i, runtime := range []string{"runtime.a", "runtime.b"} {
			for _, rate := range []string{"5", "20"} {
				id := fmt.Sprintf(`r[rate=%s,runtime=%q]#%d`, rate, runtime, repetition)
				at += 1e9
				trial := tables.Trial{TrialID: id, Run: "r", Cell: map[string]string{"runtime": runtime, "rate": rate}, CellNumbers: map[string]float64{},
					Labels: map[string]string{}, Repetition: int32(repetition), Runtime: runtime, Model: "m", StartedAt: at,
					Status: tables.StatusCompleted, Validity: tables.Valid, Fingerprint: `{"cpu_model":"x","cpus":2,"os":"linux"}`}
				if edit != nil {
					edit(&trial)
				}
				insert(t, db, "a", trial)
				insert(t, db, "a", tables.Stage{TrialID: id, Kind: "constant", TargetRatePerSecond: tables.Some(map[string]float64{"5": 5, "20": 20}[rate])})
				slower := float64(i+1) * (1 + float64(repetition)/100)
				summaries := []tables.Summary{
					{TrialID: id, Metric: "ttft", Stat: "p50", Value: tables.Some(0.05 * slower), Unit: "seconds"},
					{TrialID: id, Metric: "output_tokens_per_second", Stat: "system", Value: tables.Some(100 / slower), Unit: "tokens_per_second"},
					{TrialID: id, Metric: "requests_per_second", Stat: "sent", Value: tables.Some(5.0), Unit: "per_second"},
					{TrialID: id, Metric: "runtime_cpu_cores", Stat: "mean", Value: tables.Some(slower), Unit: "cores"},
					{TrialID: id, Metric: "runtime_memory_working_set_bytes", Stat: "max", Value: tables.Some(slower * (1 << 20)), Unit: "bytes"},
				}
				insert(t, db, "a", summaries...)
				var requests []tables.Request
				for n := range 100 {
					due := at + tables.Instant(n*1e6)
					took := tables.Instant((i + 1) * (n + 1) * 1e6)
					requests = append(requests, tables.Request{TrialID: id, Seq: int64(n), Final: true, Phase: tables.PhaseMeasure, IntendedAt: due, DispatchedAt: due, FirstTokenAt: due + took, DoneAt: due + 2*took})
				}
				insert(t, db, "a", requests...)
				trials = append(trials, report.Trial{Apply: "a", Trial: trial, Summaries: summaries})
			}
		}
	}
	return trials
}

func document(t *testing.T, db *sql.DB, trials []report.Trial) (report.Document, map[string]report.Section) {
	t.Helper()
	d, err := Document(t.Context(), db, trials)
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]report.Section{}
	for _, s := range d.Sections {
		sections[s.ID] = s
	}
	return d, sections
}

// column are the values of a column in the rows for which keep holds.
func column(t *testing.T, table report.Table, key string, keep map[string]any) []any {
	t.Helper()
	place := func(key string) int {
		i := slices.IndexFunc(table.Columns, func(c report.Column) bool { return c.Key == key })
		if i < 0 {
			t.Fatalf("there is no column %s", key)
		}
		return i
	}
	var out []any
	for _, r := range table.Rows {
		kept := true
		for k, v := range keep {
			kept = kept && fmt.Sprint(r.Cells[place(k)]) == fmt.Sprint(v)
		}
		if kept {
			out = append(out, r.Cells[place(key)])
		}
	}
	return out
}

func TestAReportDrawsWhatTheRowsSay(t *testing.T) {
	db := trialDB(t)
	d, sections := document(t, db, sideBySideRows(t, db, nil))
	if d.Title != "s" || len(d.Warnings) > 0 || d.Sections[0].ID != "effects" || d.Sections[len(d.Sections)-1].ID != "trials" {
		t.Errorf("it is %q, %q", d.Title, d.Warnings)
	}
	for _, id := range []string{"effects", "latencies", "load", "pareto", "resources"} {
		if sections[id].Chart == nil || len(sections[id].Table.Rows) == 0 {
			t.Errorf("%s has no chart, or no table", id)
		}
	}

	ecdf := sections["latencies"].Chart.Rows
	at := map[string]any{"line": "b", "panel": "rate 20", "latency": "time to first token"}
	if got := column(t, ecdf, "seconds", at); len(got) != 101 || got[0] != 0.002 || got[100] != 0.2 {
		t.Errorf("the distribution is %v", got)
	}
	at["share"] = 0.5
	if got := column(t, ecdf, "seconds", at); len(got) != 1 || math.Abs(got[0].(float64)-0.101) > 1e-9 {
		t.Errorf("the median is %v", got)
	}
	if got := column(t, sections["latencies"].Table, "p99", map[string]any{"line": "b"}); len(got) != 4 || got[0] == nil {
		t.Errorf("600 requests give the percentiles %v", got)
	}

	if got := column(t, sections["load"].Chart.Rows, "per_second", map[string]any{"line": "a"}); len(got) != 12 || got[0] != 5.0 || got[11] != 20.0 {
		t.Errorf("the loads are %v", got)
	}
	if got := column(t, sections["load"].Chart.Rows, "typical_ttft_seconds", map[string]any{"line": "a", "per_second": 5.0}); len(got) != 6 || math.Abs(got[0].(float64)-0.05*1.035) > 1e-9 {
		t.Errorf("the medians are %v", got)
	}
	if got := column(t, sections["pareto"].Chart.Rows, "best", map[string]any{"line": "b"}); len(got) != 2 || got[0] != false {
		t.Errorf("the slower one is on the frontier: %v", got)
	}
	if got := column(t, sections["resources"].Chart.Rows, "value", map[string]any{"line": "b", "resource": "memory, MiB", "panel": "rate 5"}); len(got) != 6 || math.Abs(got[0].(float64)-2.02) > 1e-9 {
		t.Errorf("the memory is %v", got)
	}
	if got := column(t, sections["resources"].Table, "trials", nil); len(got) != 8 {
		t.Errorf("the table of resources has %d rows", len(got))
	}
	ratios := column(t, sections["effects"].Chart.Rows, "ratio", map[string]any{"line": "b", "figure": "ttft p50"})
	if len(ratios) != 2 || math.Abs(ratios[0].(tables.Null[float64]).V-2) > 0.1 {
		t.Errorf("the effects are %v", ratios)
	}
}

func TestAReportSaysWhatMayNotBeBelieved(t *testing.T) {
	first := func(tr *tables.Trial) {
		if tr.Repetition == 1 {
			tr.Validity = tables.Invalid
		}
	}
	db := trialDB(t)
	d, sections := document(t, db, sideBySideRows(t, db, first))
	if len(d.Warnings) != 2 || d.Warnings[0] != "4 of 24 trials are invalid: do not use their figures." || d.Warnings[1] != "The charts leave the invalid trials out." {
		t.Errorf("the warnings are %q", d.Warnings)
	}
	if got := column(t, sections["load"].Chart.Rows, "trial_id", nil); len(got) != 20 {
		t.Errorf("%d points are drawn", len(got))
	}

	db = trialDB(t)
	d, sections = document(t, db, sideBySideRows(t, db, func(tr *tables.Trial) { tr.Validity = tables.Invalid }))
	if all := strings.Join(d.Warnings, " "); !strings.Contains(all, "show what was measured nevertheless") || !strings.Contains(all, "The runtimes are not compared") {
		t.Errorf("the warnings are %q", d.Warnings)
	}
	if got := column(t, sections["load"].Chart.Rows, "trial_id", nil); len(got) != 24 {
		t.Errorf("%d points are drawn", len(got))
	}
}

func TestAReportOfOneRuntimeHasALineACell(t *testing.T) {
	db := trialDB(t)
	trials := sideBySideRows(t, db, func(tr *tables.Trial) {
		tr.Runtime = "runtime.only"
		tr.Cell = map[string]string{"rate": tr.Cell["rate"]}
	})
	_, sections := document(t, db, trials)
	if _, there := sections["effects"]; there {
		t.Error("one runtime is compared with itself")
	}
	lines := map[any]bool{}
	for _, v := range column(t, sections["latencies"].Chart.Rows, "line", nil) {
		lines[v] = true
	}
	if len(lines) != 2 || !lines["rate 5"] || !lines["rate 20"] {
		t.Errorf("the lines are %v", lines)
	}
}

func TestAReportOfNothingMeasuredHasTablesThatSaySo(t *testing.T) {
	db := trialDB(t)
	trial := tables.Trial{TrialID: "r#1", Run: "r", Cell: map[string]string{}, CellNumbers: map[string]float64{}, Labels: map[string]string{}, Runtime: "runtime.a", Status: tables.StatusFailed}
	insert(t, db, "a", trial)
	d, sections := document(t, db, []report.Trial{{Apply: "a", Trial: trial}})
	if len(d.Warnings) != 1 || sections["load"].Chart != nil || sections["load"].Table.Empty == "" {
		t.Errorf("warnings %q, load %+v", d.Warnings, sections["load"])
	}
	var b strings.Builder
	if err := d.WriteMarkdown(&b); err != nil || !strings.Contains(b.String(), "## Trials") || !strings.Contains(b.String(), "There are no such rows.") {
		t.Errorf("the markdown is %s, %v", b.String(), err)
	}
}
