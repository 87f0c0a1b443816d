package cli

import (
	"bytes"
	"database/sql"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/llmscen/llmscen/runner/embedded"
	"github.com/llmscen/llmscen/runner/embedded/simulated"
	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse"
)

// limits searches the capacity of an endpoint, and then asks twice as much, and half.
const limits = `scenario "limits" {}

runtime "endpoint" "server" {
  url   = "%s"
  model = "toy"
}

prompt_set "synthetic" "short" {
  prompts       = 50
  prompt_tokens = 16
  output_tokens = 1
}

slo "s" {
  objective "ttft" { p90 = "500ms" }
  objective "errors" { max_ratio = 0.01 }
}

load "search" "l" {
  from      = 40
  to        = 320
  tolerance = 0.1
  requests  = 160

  then = [{ over = "1s", capacity_ratio = 2 }, { over = "4s", capacity_ratio = 0.5 }]
}

run "r" {
  runtime    = runtime.server
  prompt_set = prompt_set.short
  load       = load.l
  slo        = slo.s
  collect    = []
}
`

// TestASearchFindsTheCapacityOfAServerThatIsKnown asks a server of eight slots and a tenth of a second: it answers 80
// requests a second. At a rate r above it the wait of the last of 90 in 100 is 0.90·(160/80 − 160/r) s, and the objective
// leaves 0.4 s: up to r = 102.9 it is held. From below, half of the capacity leaves each request those 0.4 s for a machine
// that is busy with others.
func TestASearchFindsTheCapacityOfAServerThatIsKnown(t *testing.T) {
	engine := simulated.New(scenarios.Simulated{TimeToFirstToken: scenarios.Constant(0.1), Parallel: 8}, simulated.Options{Model: "toy"})
	server := httptest.NewServer(embedded.NewHandler(engine, embedded.Options{}))
	defer server.Close()
	dir := t.TempDir()
	t.Setenv("LLMSCEN_STATE_DIR", filepath.Join(dir, "state"))
	path, results := filepath.Join(dir, "limits.scen.hcl"), filepath.Join(dir, "results")
	if err := os.WriteFile(path, fmt.Appendf(nil, limits, server.URL), 0o644); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		var out bytes.Buffer
		e := &Env{Stdin: bytes.NewReader(nil), Stdout: &out, Stderr: &out}
		switch code := e.Run(t.Context(), append(args, "--warehouse", results)); code {
		case exitDone, exitInvalid:
		default:
			t.Fatalf("%v ended with %d: %s", args, code, &out)
		}
		return out.String()
	}
	out := run("apply", "--yes", path)
	for _, want := range []string{"probe 0 at 40/s", "the capacity is ", "at least", "stress"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q: %s", want, out)
		}
	}
	if out := run("report"); !strings.Contains(out, "gave way") || !strings.Contains(out, "ttft p90") {
		t.Errorf("the report lacks what the search found: %s", out)
	}
	if out := run("report", "-o", "md"); !strings.Contains(out, "## Capacity, and what gives way above it") {
		t.Errorf("the report in markdown lacks what the search found: %s", out)
	}
	if out := run("verify", "--recompute"); !strings.Contains(out, "All is as it was written") {
		t.Errorf("%s", out)
	}
	w, err := warehouse.Open(results)
	if err != nil {
		t.Fatal(err)
	}
	db, err := w.DB(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	checkSearch(t, db, out)
	if asked, rows := counter(t, server.URL, "llmscen_runtime_requests_received_total"), number(t, db, `select count(*) from requests where wrote_at is not null`); asked != rows {
		t.Errorf("the server counted %d requests, and there are %d rows", asked, rows)
	}
}

func checkSearch(t *testing.T, db *sql.DB, out string) {
	t.Helper()
	var knee, low, high float64
	var slo, binding string
	err := db.QueryRowContext(t.Context(), `select knee_rate_per_second, knee_ci_low, knee_ci_high, slo, binding_objective from trials`).Scan(&knee, &low, &high, &slo, &binding)
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if knee < 40 || knee > 104 || low > knee || high <= knee || slo != "pass" || binding != "ttft p90" {
		t.Errorf("the capacity is 80, and it says %v (%v to %v), %s by %s: %s", knee, low, high, slo, binding, out)
	}
	for query, want := range map[string]int64{
		`select count(*) from (select seq from requests group by seq having count(*) > 1)`:                                                       0,
		`select count(*) from requests where seq >= 0 and not exists (from schedules s where s.seq = requests.seq and s.stage = requests.stage)`: 0,
		`select count(*) from stages where kind = 'stress' and outcome is not null`:                                                              2,
		`select count(*) from stages where kind = 'probe' and (outcome is null or attainment is null)`:                                           0,
		`select count(*) from events where kind = 'gave_way'`:                                                                                    1,
		`select count(*) from events where kind = 'probe'`:                                                                                       number(t, db, `select count(*) from stages where kind = 'probe'`),
		`select count(*) from summaries where metric in ('capacity', 'overload_goodput', 'recovery') and stage is null`:                          5,
		`select count(*) from summaries where metric = 'gave_way' and stat = 'queue' and value > 0`:                                              1,
	} {
		if got := number(t, db, query); got != want {
			t.Errorf("%s: %d, want %d", query, got, want)
		}
	}
}
