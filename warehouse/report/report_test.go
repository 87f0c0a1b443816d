package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/llmscen/llmscen/warehouse/tables"
)

var update = flag.Bool("update", false, "write the expected output anew")

func write(t *testing.T, table Table, f Format, o Options) string {
	t.Helper()
	var b bytes.Buffer
	if err := table.Write(&b, f, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func summary(stage tables.Null[int32], metric, stat string, v float64) tables.Summary {
	return tables.Summary{Stage: stage, Metric: metric, Stat: stat, Value: tables.Some(v), N: 600}
}

func example() []Trial {
	whole, first, second := tables.Null[int32]{}, tables.Some(int32(0)), tables.Some(int32(1))
	figures := func(stage tables.Null[int32], slower float64) []tables.Summary {
		return []tables.Summary{
			summary(stage, "requests_per_second", "sent", 19.96), summary(stage, "requests", "due", 600),
			summary(stage, "ttft", "p50", 0.2013*slower), summary(stage, "ttft", "p99", 0.3391*slower),
			summary(stage, "end_to_end", "p50", 0.41*slower), summary(stage, "end_to_end", "p99", 1.234*slower),
			summary(stage, "output_tokens_per_second", "p50", 48.8), summary(stage, "output_tokens_per_second", "system", 1234.5),
			summary(stage, "errors", "ratio", 0.0123), summary(stage, "runtime_cpu_cores", "mean", 1.604),
			summary(stage, "runtime_memory_working_set_bytes", "max", 123<<20),
		}
	}
	steady := Trial{Apply: "a", Trial: tables.Trial{TrialID: `levels[rate=20]#1`, Status: tables.StatusCompleted, Validity: tables.Valid, SLO: tables.SLOPass}, Summaries: figures(whole, 1)}
	climb := Trial{
		Apply: "a",
		Trial: tables.Trial{TrialID: `climb[model="tiny-austen",replicas=1]#1`, Status: tables.StatusCompleted, Validity: tables.Flagged, SLO: tables.SLOFail,
			ValidityReasons: []string{"schedule_lag: the 99th percentile of how late requests left is 6ms, above 4ms"}},
		Stages: []tables.Stage{
			{Stage: 0, TargetRatePerSecond: tables.Some(5.0), Outcome: "held"},
			{Stage: 1, TargetRatePerSecond: tables.Some(50.0), Outcome: "overloaded"},
		},
		Verdicts: []tables.Verdict{
			{Metric: "ttft", Stat: "p99", Limit: 2, Unit: "seconds", Measured: tables.Some(3.5), CILow: tables.Some(3.1), CIHigh: tables.Some(4.0), Met: tables.Some(false)},
			{Metric: "end_to_end", Stat: "p50", Limit: 2, Unit: "seconds", Met: tables.Some(true)},
		},
		Summaries: append(append(figures(whole, 10), figures(first, 1)...), figures(second, 20)...),
	}
	broken := Trial{Apply: "a", Trial: tables.Trial{TrialID: "levels[rate=90]#1", Status: tables.StatusInterrupted, Validity: tables.Valid},
		Summaries: []tables.Summary{{Metric: "ttft", Stat: "p99", N: 12, Method: "below_sample_floor"}, {Metric: "end_to_end", Stat: "p99", N: 12, Method: "below_sample_floor"}}}
	return []Trial{steady, climb, broken}
}

func TestTheTableOfTrialsIsDrawnInEveryFormat(t *testing.T) {
	for _, f := range Formats() {
		t.Run(string(f), func(t *testing.T) {
			got := write(t, Trials(example()), f, Options{})
			name := filepath.Join("testdata", "trials."+string(f))
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
		})
	}
}

func TestTheNarrowTableFitsItsTerminal(t *testing.T) {
	for _, width := range []int{104, 112, 120} {
		for line := range strings.Lines(write(t, Trials(example()), Narrow, Options{Width: width})) {
			if !strings.HasPrefix(line, "  ") && cells(strings.TrimSuffix(line, "\n")) > width {
				t.Errorf("%d cells do not hold %q", width, line)
			}
		}
	}
}

func TestEveryColumnSaysWhatItMeansOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Columns() {
		if c.Doc == "" || !strings.HasSuffix(c.Doc, ".") {
			t.Errorf("column %s says %q", c.Key, c.Doc)
		}
		if seen[c.Key] {
			t.Errorf("there are two columns %s", c.Key)
		}
		seen[c.Key] = true
	}
}

func TestJSONHoldsTheValuesInBaseUnits(t *testing.T) {
	var rows []map[string]any
	if err := json.Unmarshal([]byte(write(t, Trials(example()), JSON, Options{})), &rows); err != nil {
		t.Fatal(err)
	}
	if len(rows) != 5 || rows[0]["ttft_p50_seconds"] != 0.2013 || rows[4]["ttft_p99_seconds"] != nil || rows[2]["stage"] != 0.0 {
		t.Errorf("the rows are %v", rows)
	}
	for line := range strings.Lines(write(t, Trials(example()), JSONL, Options{})) {
		var row map[string]any
		if err := json.Unmarshal([]byte(line), &row); err != nil || row["type"] != "trial" {
			t.Errorf("%q: %v", line, err)
		}
	}
	if got := write(t, Trials(nil), JSON, Options{}); got != "[]\n" {
		t.Errorf("no trials are %q", got)
	}
	if got := write(t, Trials(nil), Narrow, Options{}); got != "There are no trials.\n" {
		t.Errorf("no trials are %q", got)
	}
}

func TestTextFromOutsideCannotReachTheTerminalOrASpreadsheet(t *testing.T) {
	evil := Table{Columns: []Column{{Key: "name"}}, Rows: []Row{{Cells: []any{"=cmd|' /C calc'!A0\x1b[31m\u202eabc\nnext"}, Notes: []string{"\x1b]0;title\a"}}}}
	for _, f := range []Format{Narrow, Wide, Markdown} {
		if got := write(t, evil, f, Options{}); strings.ContainsAny(got, "\x1b\a\u202e") || !strings.Contains(got, "abc next") {
			t.Errorf("%s writes %q", f, got)
		}
	}
	records, err := csv.NewReader(strings.NewReader(write(t, evil, CSV, Options{}))).ReadAll()
	if err != nil || !strings.HasPrefix(records[1][0], "'=") {
		t.Errorf("CSV is %q, %v", records, err)
	}
}

func TestValuesAreScaledForReading(t *testing.T) {
	for _, c := range []struct {
		kind Kind
		v    any
		want string
	}{
		{Seconds, 0.0, "0s"},
		{Seconds, 0.00001234, "12.3µs"},
		{Seconds, 0.9999, "1.00s"},
		{Seconds, 0.2013, "201ms"},
		{Seconds, 12.34, "12.3s"},
		{Seconds, 125.4, "2m5s"},
		{Seconds, 90 * time.Millisecond, "90.0ms"},
		{Bytes, int64(1536), "1.50KiB"},
		{Bytes, 1000, "0.977KiB"},
		{Ratio, 0.0123, "1.23%"},
		{Ratio, 1.0, "100%"},
		{Count, int64(1234567), "1234567"},
		{PerSecond, 1234.5, "1234"},
		{Number, float32(0.5), "0.5"},
		{Text, []string{"a", "b"}, "a; b"},
		{Text, map[string]string{"k": "v"}, `{"k":"v"}`},
		{Text, true, "true"},
		{Text, int64(1) << 60, "1152921504606846976"},
		{Number, tables.Null[float64]{}, ""},
		{Number, tables.Some(2.0), "2.00"},
		{Instant, tables.Instant(0), ""},
		{Instant, tables.Instant(1e18), "2001-09-09 01:46:40"},
		{Text, (*string)(nil), ""},
	} {
		if got := c.kind.Text(c.v); got != c.want {
			t.Errorf("%v is %q, want %q", c.v, got, c.want)
		}
	}
}

func TestWideCharactersTakeTwoCellsAndMarksNone(t *testing.T) {
	for s, want := range map[string]int{"abc": 3, "模型": 4, "e\u0301": 1, "": 0} {
		if got := cells(s); got != want {
			t.Errorf("%q takes %d cells, want %d", s, got, want)
		}
	}
	if got := cut(`capacity[model="8b",replicas=2]#3`, 15); got != "capacit…as=2]#3" {
		t.Errorf("cut to %q", got)
	}
	if got := cut("模型模型模型", 7); cells(got) > 7 || !strings.Contains(got, "…") {
		t.Errorf("cut to %q", got)
	}
}

func TestColourIsOnlyWhereItIsAskedFor(t *testing.T) {
	if got := write(t, Trials(example()), Narrow, Options{}); strings.Contains(got, "\x1b") {
		t.Errorf("%q", got)
	}
	if got := write(t, Trials(example()), Narrow, Options{Color: true}); !strings.Contains(got, "\x1b[32mvalid pass\x1b[0m") {
		t.Errorf("%q", got)
	}
}

func TestAnUnknownFormatIsRefusedWithTheOthers(t *testing.T) {
	if _, err := ParseFormat("xml"); err == nil || !strings.Contains(err.Error(), "jsonl") {
		t.Errorf("got %v", err)
	}
	if f, err := ParseFormat(""); f != Narrow || err != nil {
		t.Errorf("got %v, %v", f, err)
	}
	if err := (Table{}).Write(&bytes.Buffer{}, "xml", Options{}); err == nil {
		t.Error("it is written")
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("the disk is full") }

func TestAFullDiskIsTold(t *testing.T) {
	for _, f := range Formats() {
		if err := Trials(example()).Write(full{}, f, Options{}); err == nil {
			t.Errorf("%s does not tell", f)
		}
	}
}
