package warehouse

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/csv"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/marcboeker/go-duckdb/v2"

	"github.com/llmscen/llmscen/warehouse/tables"
)

func TestEveryFlippedBitIsDetected(t *testing.T) {
	w := openTest(t)
	fill(t, w, "a1", 30, trialRow("capacity#1"))
	v, err := w.Verify(t.Context(), "", VerifyOptions{})
	must(t, err)
	if len(v.Problems) > 0 || v.Applies != 1 || v.Trials != 1 || v.Files < 8 {
		t.Fatalf("before any change: %+v", v)
	}
	files, err := filepath.Glob(filepath.Join(w.Path(), "requests", "*", "*", "*.parquet"))
	must(t, err)
	manifests, err := filepath.Glob(filepath.Join(w.Path(), "manifests", "*"))
	must(t, err)
	nested, err := filepath.Glob(filepath.Join(w.Path(), "manifests", "*", "*"))
	must(t, err)
	r := rand.New(rand.NewPCG(1, 2))
	for _, path := range slices.Concat(files, nested, manifests) {
		if info, err := os.Stat(path); err != nil || info.IsDir() {
			continue
		}
		good, err := os.ReadFile(path)
		must(t, err)
		for range 200 {
			bad := bytes.Clone(good)
			bit := r.IntN(8 * len(bad))
			bad[bit/8] ^= 1 << (bit % 8)
			must(t, os.WriteFile(path, bad, 0o644))
			v, err := w.Verify(t.Context(), "a1", VerifyOptions{})
			must(t, err)
			if len(v.Problems) == 0 {
				t.Errorf("bit %d of %s was flipped and not detected", bit, w.relative(path))
			}
		}
		must(t, os.WriteFile(path, good, 0o644))
	}
}

func TestABrokenFileGoesToQuarantineAndQueriesAreWarned(t *testing.T) {
	w := openTest(t)
	fill(t, w, "a1", 3, trialRow("capacity#1"))
	fill(t, w, "a2", 3, trialRow("capacity#1"))
	files, err := filepath.Glob(filepath.Join(w.Path(), "requests", "*", "apply=a1", "*.parquet"))
	must(t, err)
	text, err := os.ReadFile(files[0])
	must(t, err)
	must(t, os.WriteFile(files[0], append(text, 0), 0o644))
	warnings, err := w.Warnings()
	must(t, err)
	if len(warnings) != 1 || !strings.Contains(warnings[0], "llmscen verify a1") {
		t.Errorf("warnings: %v", warnings)
	}
	v, err := w.Verify(t.Context(), "", VerifyOptions{Quarantine: true})
	must(t, err)
	if len(v.Problems) != 1 || !exists(files[0]+quarantined) {
		t.Fatalf("problems: %+v", v.Problems)
	}
	var n int
	must(t, openDB(t, w).QueryRow("SELECT count(*) FROM requests").Scan(&n))
	if n != 3 {
		t.Errorf("%d requests, want the 3 of the other apply", n)
	}
	if v, err = w.Verify(t.Context(), "a1", VerifyOptions{}); err != nil || len(v.Problems) != 1 || !strings.Contains(v.Problems[0].Trouble, "quarantine") {
		t.Errorf("verifying again gave %+v, %v", v, err)
	}
	must(t, os.WriteFile(strings.Replace(files[0], "part-0000", "part-0009", 1), text, 0o644))
	if v, err = w.Verify(t.Context(), "a1", VerifyOptions{}); err != nil || len(v.Problems) != 2 {
		t.Errorf("with a file that nobody wrote: %+v, %v", v, err)
	}
}

func TestRecomputingFindsAFigureThatItsRowsDoNotGive(t *testing.T) {
	w := openTest(t)
	fill(t, w, "a1", 3, trialRow("capacity#1"))
	judge := func(value float64) func(context.Context, *sql.DB, Conclusion) (Conclusion, error) {
		return func(_ context.Context, _ *sql.DB, stored Conclusion) (Conclusion, error) {
			stored.Summaries = slices.Clone(stored.Summaries)
			stored.Summaries[0].Value = tables.Some(value)
			return stored, nil
		}
	}
	stored, err := Rows[tables.Summary](t.Context(), openDB(t, w), "SELECT * FROM summaries")
	must(t, err)
	v, err := w.Verify(t.Context(), "a1", VerifyOptions{Recompute: judge(stored[0].Value.V)})
	must(t, err)
	if len(v.Problems) != 0 {
		t.Errorf("the same figures gave %+v", v.Problems)
	}
	v, err = w.Verify(t.Context(), "a1", VerifyOptions{Recompute: judge(stored[0].Value.V * 2)})
	must(t, err)
	if len(v.Problems) != 1 || !strings.Contains(v.Problems[0].Trouble, "was stored as") {
		t.Errorf("another figure gave %+v", v.Problems)
	}
}

func TestAddressesNameTrialsFromTheLeft(t *testing.T) {
	w := openTest(t)
	trial := func(id, run, model string, repetition int32, label string) tables.Trial {
		r := trialRow(id)
		r.Run, r.Repetition, r.Cell, r.Labels = run, repetition, map[string]string{"model": model, "note": `a,b="c"`}, map[string]string{"branch": label}
		return r
	}
	fill(t, w, "20260101T000000Z-aaaa", 1, trial(`x[model="8b"]#1`, "x", "8b", 1, "main"), trial(`x[model="8b"]#2`, "x", "8b", 2, "main"), trial(`x[model="70b"]#1`, "x", "70b", 1, "main"))
	second := trial("y#1", "y", "8b", 1, "topic")
	second.StartedAt += 1000
	fill(t, w, "20260101T000000Z-abbb", 1, second)
	for address, want := range map[string]int{
		"latest": 1, "": 1, "latest~1": 3, "20260101T000000Z-aa": 3, "latest~1/x": 3, "label:branch=main": 3, "label:branch=topic/y": 1,
		`latest~1/x[model="8b"]`: 2, `latest~1/x[model="8b"]#2`: 1, `latest~1/x#1`: 2, `latest~1/x[model=70b]`: 1,
		`latest~1/x[note="a,b=\"c\"",model="70b"]#1`: 1,
	} {
		s, err := w.Resolve(t.Context(), address)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		if len(s.Trials) != want {
			t.Errorf("%s names %d trials, want %d", address, len(s.Trials), want)
		}
		var n int
		must(t, openDB(t, w).QueryRow("SELECT count(*) FROM trials WHERE "+s.Condition()).Scan(&n))
		if n != want {
			t.Errorf("the condition of %s finds %d trials, want %d", address, n, want)
		}
	}
	for address, trouble := range map[string]string{
		"20260101T000000Z-a": "beginning of 2 applies", "latest~2": "only 2 applies", "nothing": "no apply begins with", "latest/x": "the runs of",
		"label:branch=none": "no apply has the label", "latest~x": "comes a number", "a/b/c[": "is no address",
	} {
		if _, err := w.Resolve(t.Context(), address); err == nil || !strings.Contains(err.Error(), trouble) {
			t.Errorf("%s gave %v, want something of %q", address, err, trouble)
		}
	}
	if _, err := openTest(t).Resolve(t.Context(), "latest"); err == nil {
		t.Error("an empty warehouse has a latest apply")
	}
}

func TestListsTellWhatTheWarehouseHolds(t *testing.T) {
	w := openTest(t)
	fill(t, w, "a1", 5, trialRow("capacity#1"), trialRow("capacity#2"))
	scenarios, err := w.Scenarios(t.Context())
	must(t, err)
	if want := []ScenarioInfo{{"chat", 1, 1, 2, second}}; !reflect.DeepEqual(scenarios, want) {
		t.Errorf("scenarios are %+v, want %+v", scenarios, want)
	}
	runs, err := w.Runs(t.Context())
	must(t, err)
	if len(runs) != 1 || runs[0].Trials != 2 || runs[0].Valid != 2 || runs[0].Completed != 2 {
		t.Errorf("runs are %+v", runs)
	}
	list, err := w.Tables(t.Context())
	must(t, err)
	for _, i := range list {
		if i.Name == "requests" && (i.Rows != 10 || i.Files != 2 || i.Bytes == 0) {
			t.Errorf("requests are listed as %+v", i)
		}
	}
	m, ok, err := w.ApplyInfo("a1")
	if err != nil || !ok || m.Scenario != "chat" || len(m.Trials) != 2 {
		t.Errorf("the apply is %+v, %v, %v", m, ok, err)
	}
	if n, err := w.Size(); err != nil || n == 0 {
		t.Errorf("the size is %d, %v", n, err)
	}
}

func TestExportsCanBeReadByOthers(t *testing.T) {
	w := openTest(t)
	formula := trialRow("capacity#1")
	formula.Model = `=HYPERLINK("http://x")`
	fill(t, w, "a1", 4, formula)
	fill(t, w, "a2", 4, trialRow("capacity#1"))
	dir := t.TempDir()
	selection, err := w.Resolve(t.Context(), "a1")
	must(t, err)

	var out bytes.Buffer
	must(t, w.ExportTo(t.Context(), Export{Table: "trials", Format: "csv", Selection: selection}, &out))
	records, err := csv.NewReader(&out).ReadAll()
	must(t, err)
	cell := func(name string) string { return records[1][slices.Index(records[0], name)] }
	if len(records) != 2 || cell("model") != `'=HYPERLINK("http://x")` || cell("cell") != `{"model":"8b","rate":"5"}` {
		t.Errorf("CSV is %q", records)
	}

	out.Reset()
	must(t, w.ExportTo(t.Context(), Export{Table: "requests", Format: "jsonl"}, &out))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var row struct {
		Apply string  `json:"apply"`
		Delta []int32 `json:"token_delta_us"`
	}
	must(t, json.Unmarshal([]byte(lines[0]), &row))
	if len(lines) != 8 || len(row.Delta) != 10 || row.Apply == "" {
		t.Errorf("%d lines, the first %+v", len(lines), row)
	}

	files, err := w.Export(t.Context(), Export{Format: "parquet", To: filepath.Join(dir, "all"), Selection: selection})
	must(t, err)
	if len(files) != len(tableNames()) {
		t.Errorf("%d files, want one a table", len(files))
	}
	file := filepath.Join(dir, "it's one.duckdb")
	_, err = w.Export(t.Context(), Export{Format: "duckdb", To: file})
	must(t, err)
	connector, err := duckdb.NewConnector(file+"?access_mode=read_only", nil)
	must(t, err)
	db := sql.OpenDB(connector)
	defer db.Close()
	if n := figure(t, db, "SELECT count(*) FROM latencies"); n != 8 {
		t.Errorf("%v rows in the view of the exported database, want 8", n)
	}
	if n := figure(t, db, "SELECT avg(tpot_ns) FROM tpot_as('llmscen')"); n != 1e7 {
		t.Errorf("the macro of the exported database gives %v", n)
	}
	for _, wrong := range []Export{{Format: "xlsx", To: "x"}, {Format: "csv", Table: "nothing", To: "x"}, {Format: "duckdb", To: file}, {Format: "csv"}} {
		if _, err := w.Export(t.Context(), wrong); err == nil {
			t.Errorf("%+v was exported", wrong)
		}
	}
}
