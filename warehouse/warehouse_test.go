package warehouse

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/llmscen/llmscen/warehouse/tables"
)

// trialRow is a trial that is worth writing down.
func trialRow(id string) tables.Trial {
	return tables.Trial{
		TrialID: id, Run: "capacity", Cell: map[string]string{"model": "8b", "rate": "5"}, CellNumbers: map[string]float64{"rate": 5},
		Labels: map[string]string{"branch": "main"}, Repetition: 1, Seed: 7, Runtime: "runtime.llama", Engine: "simulated", Protocol: "openai",
		Replicas: 1, ClientWorkers: 1, PromptSet: "prompt_set.p", Load: "load.l", LoadShape: "constant_rate",
		StartedAt: second, MeasureFrom: second, MeasureUntil: 11 * second, EndedAt: 12 * second, Status: tables.StatusCompleted,
		RuntimeArgs: []string{"--ctx", "2048"}, Fingerprint: `{"cores":2}`, CPUsAllocated: 1.5,
		PricePerHour: tables.Some(0.5), PriceCurrency: "USD", KneeRatePerSecond: tables.Some(4.0),
	}
}

const second = tables.Instant(1e9)

// request is the i-th request of a trial: due at i seconds, first token 100 ms later, then nine more every 10 ms.
func request(trialID string, i int) tables.Request {
	due := tables.Instant(i+1) * second
	deltas := make([]int32, 10)
	for k := range deltas[1:] {
		deltas[k+1] = 10_000
	}
	return tables.Request{
		TrialID: trialID, Seq: int64(i), Final: true, TargetID: "t0", PromptID: int64(i % 3), Phase: tables.PhaseMeasure,
		IntendedAt: due, DispatchedAt: due + 1e6, WroteAt: due + 2e6, HeadersAt: due + 3e6, FirstChunkAt: due + 1e8,
		FirstTokenAt: due + 1e8, FirstAnswerTokenAt: due + 1e8, LastTokenAt: due + 1.9e8, DoneAt: due + 2e8,
		TokenDeltaUS: deltas, PromptTokens: tables.Some(int32(20)), OutputTokens: tables.Some(int32(10)), TokenSource: tables.TokensFromUsage,
		FinishReason: "stop", RequestBytes: 300, ResponseBytes: 2000, HTTPStatus: 200, PromptSHA256: fmt.Sprintf("%064x", i),
	}
}

// openTest gives an empty warehouse.
func openTest(t testing.TB) *Warehouse {
	w, err := Open(filepath.Join(t.TempDir(), "results"))
	must(t, err)
	return w
}

// fill writes one apply of that ID with the trials, n requests each, and two resource series.
func fill(t testing.TB, w *Warehouse, id string, n int, trials ...tables.Trial) {
	a, err := w.Begin(Apply{ID: id, Scenario: "chat", SHA256: "abc", BegunAt: second})
	must(t, err)
	must(t, a.WriteEvents([]tables.Event{{At: second, Kind: "apply_begun", Message: "begun"}}))
	for _, row := range trials {
		tw, err := a.Trial(row)
		must(t, err)
		var rows []tables.Request
		for i := range n {
			rows = append(rows, request(row.TrialID, i))
		}
		must(t, tw.WriteRequests(rows))
		must(t, tw.WriteTargets([]tables.Target{{TrialID: row.TrialID, TargetID: "t0", URL: "http://127.0.0.1:1"}}))
		must(t, tw.WriteSeries([]tables.Series{
			{TrialID: row.TrialID, SeriesID: 1, Collector: "procfs", Target: "runtime", TargetID: "t0", Name: "cpu_cores", Unit: "cores"},
			{TrialID: row.TrialID, SeriesID: 2, Collector: "procfs", Target: "runtime", TargetID: "t0", Name: "network_receive_bytes_total", Unit: "bytes"},
		}))
		var samples []tables.Sample
		for i := range 10 * (n + 2) {
			at := second + tables.Instant(i)*1e8
			samples = append(samples,
				tables.Sample{TrialID: row.TrialID, SeriesID: 1, At: at, Value: 0.5},
				tables.Sample{TrialID: row.TrialID, SeriesID: 2, At: at, Value: float64(100 * i)})
		}
		must(t, tw.WriteSamples(samples))
		must(t, tw.WriteStages([]tables.Stage{{TrialID: row.TrialID, Kind: "constant", FromAt: row.MeasureFrom, UntilAt: row.MeasureUntil}}))
		must(t, tw.Seal(t.Context(), row, func(ctx context.Context, db *sql.DB, row tables.Trial) (Conclusion, error) {
			row.Validity = tables.Valid
			return Conclusion{Trial: row, Summaries: []tables.Summary{
				{TrialID: row.TrialID, Metric: "ttft", Stat: "p50", Value: tables.Some(0.1), Unit: "seconds", N: int64(n), Method: "order statistics"},
				{TrialID: row.TrialID, Metric: "output_tokens_per_second", Stat: "system", Value: tables.Some(10.0), Unit: "tokens_per_second", N: int64(n)},
				{TrialID: row.TrialID, Metric: "output_tokens", Stat: "mean", Value: tables.Some(10.0), Unit: "tokens", N: int64(n)},
			}}, nil
		}))
	}
	must(t, a.Finish())
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func openDB(t testing.TB, w *Warehouse) *sql.DB {
	t.Helper()
	db, err := w.DB(t.Context())
	must(t, err)
	t.Cleanup(func() { db.Close() })
	return db
}

func TestWhatWasWrittenIsReadBack(t *testing.T) {
	w := openTest(t)
	trial := trialRow(`capacity[model="8b",rate=5]#1`)
	fill(t, w, "a1", 20, trial)
	db := openDB(t, w)

	requests, err := Rows[tables.Request](t.Context(), db, "SELECT * FROM requests ORDER BY seq")
	must(t, err)
	if len(requests) != 20 {
		t.Fatalf("%d requests, want 20", len(requests))
	}
	for i, r := range requests {
		if want := request(trial.TrialID, i); !reflect.DeepEqual(r, want) {
			t.Fatalf("request %d is\n%+v, want\n%+v", i, r, want)
		}
	}
	trials, err := Rows[tables.Trial](t.Context(), db, "SELECT * FROM trials")
	must(t, err)
	trial.Validity = tables.Valid
	if len(trials) != 1 || !reflect.DeepEqual(trials[0], trial) {
		t.Fatalf("trials are\n%+v, want\n%+v", trials, trial)
	}
	stages, err := Rows[tables.Stage](t.Context(), db, "SELECT * FROM stages")
	must(t, err)
	if len(stages) != 1 || stages[0].Kind != "constant" {
		t.Fatalf("stages are %+v: without a conclusion's, the spooled ones stand", stages)
	}
	if exists(filepath.Join(w.Path(), "spool")) {
		t.Error("the spool is still there after the seal")
	}
}

func TestAnEmptyWarehouseHasEveryTableWithItsColumns(t *testing.T) {
	db := openDB(t, openTest(t))
	for _, table := range tables.All() {
		rows, err := db.QueryContext(t.Context(), "SELECT * FROM "+ident(table.Name))
		must(t, err)
		types, err := rows.ColumnTypes()
		must(t, err)
		columns := append(append([]tables.Column(nil), tables.Keys...), table.Columns...)
		if len(types) != len(columns) {
			t.Errorf("%s has %d columns, want %d", table.Name, len(types), len(columns))
		}
		for i, c := range columns {
			if types[i].Name() != c.Name {
				t.Errorf("%s: column %d is %s, want %s", table.Name, i, types[i].Name(), c.Name)
			}
		}
		if rows.Next() {
			t.Errorf("%s has a row", table.Name)
		}
		must(t, rows.Close())
	}
}

func TestViewsWorkFromTheFileThatLiesInTheWarehouse(t *testing.T) {
	w := openTest(t)
	fill(t, w, "a1", 3, trialRow("capacity#1"))
	text, err := os.ReadFile(filepath.Join(w.Path(), "views.sql"))
	must(t, err)
	count := func(views string) (n int) {
		db, err := openViews(t.Context(), views)
		must(t, err)
		defer db.Close()
		must(t, db.QueryRowContext(t.Context(), "SELECT count(*) FROM latencies").Scan(&n))
		return n
	}
	// A variable belongs to a connection: the pool must keep to one.
	if n := count(string(text)); n != 3 {
		t.Errorf("%d rows where it was written, want 3", n)
	}
	moved := filepath.Join(t.TempDir(), "moved")
	must(t, os.Rename(w.Path(), moved))
	t.Chdir(moved)
	if n := count(string(text)); n != 3 {
		t.Errorf("%d rows from within the moved folder, want 3", n)
	}
	t.Chdir(t.TempDir())
	if n := count("SET VARIABLE llmscen_warehouse = " + quote(moved) + ";" + string(text)); n != 3 {
		t.Errorf("%d rows of the folder that the variable names, want 3", n)
	}
}

func TestNamesInAnyScriptAndAnyFolderComeBack(t *testing.T) {
	w, err := Open(filepath.Join(t.TempDir(), "re*s[u]lts? 'ü'"))
	must(t, err)
	const scenario, trial = "größe=1/2 %41 'q'", `läufe[modell="é"]#1`
	a, err := w.Begin(Apply{ID: "20260101", Scenario: scenario})
	must(t, err)
	row := trialRow(trial)
	tw, err := a.Trial(row)
	must(t, err)
	must(t, tw.WriteRequests([]tables.Request{request(trial, 0)}))
	must(t, tw.Seal(t.Context(), row, nil))
	must(t, a.Finish())
	var gotScenario, apply, gotTrial string
	must(t, openDB(t, w).QueryRow("SELECT scenario, apply, trial_id FROM requests").Scan(&gotScenario, &apply, &gotTrial))
	if gotScenario != scenario || apply != "20260101" || gotTrial != trial {
		t.Errorf("got %q, %q, %q", gotScenario, apply, gotTrial)
	}
	r, err := w.Query(t.Context(), Query{SQL: "SELECT count(*) FROM requests"})
	if err != nil || len(r.Rows) != 1 {
		t.Errorf("a query there gave %v, %v", r, err)
	}
	if v, err := w.Verify(t.Context(), "", VerifyOptions{}); err != nil || len(v.Problems) > 0 || v.Files == 0 {
		t.Errorf("verifying gave %+v, %v", v, err)
	}
}

func TestFilesOfAnOlderContractLackColumnsAndAreReadAllTheSame(t *testing.T) {
	w := openTest(t)
	fill(t, w, "a2", 2, trialRow("capacity#1"))
	old := w.partition("requests", "chat", "a1")
	must(t, os.MkdirAll(old, 0o755))
	db := openDB(t, w)
	_, err := db.Exec("COPY (SELECT trial_id, seq, final, phase, intended_at, dispatched_at, first_token_at FROM requests) TO " + quote(filepath.Join(old, "x-part-0000.parquet")))
	must(t, err)
	db = openDB(t, w)
	for query, want := range map[string]float64{
		"SELECT count(*) FROM requests":                                                 4,
		"SELECT count(prompt_sha256) FROM requests":                                     2,
		"SELECT count(ttft_ns) FROM latencies":                                          4,
		"SELECT count(*) FROM requests WHERE apply = 'a1' AND token_delta_us IS NULL":   2,
		"SELECT count(*) FROM requests WHERE apply = 'a2' AND len(token_delta_us) = 10": 2,
	} {
		if got := figure(t, db, query); got != want {
			t.Errorf("%s is %v, want %v", query, got, want)
		}
	}
}

func TestTrialsHaveNamesOfFilesOfTheirOwn(t *testing.T) {
	seen := map[string]string{}
	for _, id := range []string{"a#1", "a#2", "a-1", "a 1", `capacity[model="8b",replicas=2]#3`, "größe#1", "", "...", "_x", "../../x", strings.Repeat("x", 500) + "1", strings.Repeat("x", 500) + "2"} {
		slug := Slug(id)
		if other, ok := seen[slug]; ok {
			t.Errorf("%q and %q are both %s", id, other, slug)
		}
		seen[slug] = id
		if len(slug) > 80 || slug != hiveEscape(slug) || strings.ContainsAny(slug[:1], "._") {
			t.Errorf("%q is %q", id, slug)
		}
	}
	if got, want := Slug(`capacity[model="8b",replicas=2]#3`), "capacity-model-8b-replicas-2-3-"; !strings.HasPrefix(got, want) {
		t.Errorf("got %s, want it to begin with %s", got, want)
	}
}
