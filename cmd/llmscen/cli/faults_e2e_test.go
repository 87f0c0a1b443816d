package cli

import (
	"database/sql"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/llmscen/llmscen/runner/embedded"
	"github.com/llmscen/llmscen/runner/embedded/simulated"
	"github.com/llmscen/llmscen/runner/protocol"
	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// server is a simulated server that misbehaves, with its record of what it sent.
type server struct {
	*httptest.Server
	name   string
	faults []scenarios.Fault
	kind   tables.ErrorKind // of the rows of requests that suffer; "": of several kinds, or none suffers
	users  int              // how many ask it at once
	// patience is how long the client waits for a token: on a busy machine, what should come comes before.
	patience time.Duration
}

// faultsByKind are all that a simulated server can do wrong, each alone.
var faultsByKind = []struct {
	name  string
	fault scenarios.Fault
	kind  tables.ErrorKind
}{
	{"error_500", scenarios.Fault{Kind: "error"}, tables.ErrHTTP5xx},
	{"error_503", scenarios.Fault{Kind: "error", Status: 503}, tables.ErrHTTP5xx},
	{"error_429", scenarios.Fault{Kind: "error", Status: 429}, tables.ErrHTTP429},
	{"error_404", scenarios.Fault{Kind: "error", Status: 404}, tables.ErrHTTP4xx},
	{"in_stream_error", scenarios.Fault{Kind: "in_stream_error"}, tables.ErrInstream},
	{"truncate", scenarios.Fault{Kind: "truncate"}, tables.ErrTruncated},
	{"garble", scenarios.Fault{Kind: "garble"}, tables.ErrFrameGarbled},
	{"reset", scenarios.Fault{Kind: "reset"}, tables.ErrReset},
	{"stall", scenarios.Fault{Kind: "stall", For: time.Hour}, tables.ErrStallTimeout},
	{"slow_accept", scenarios.Fault{Kind: "slow_accept", For: time.Hour}, tables.ErrTTFTTimeout},
}

// kindsByOutcome are the kinds of error that a row may have where the server says that it ended a request so.
var kindsByOutcome = map[string][]tables.ErrorKind{
	"ok":              {""},
	"refused":         {tables.ErrHTTP4xx, tables.ErrHTTP429, tables.ErrHTTP5xx},
	"in_stream_error": {tables.ErrInstream},
	"truncate":        {tables.ErrTruncated},
	"garble":          {tables.ErrFrameGarbled},
	"reset":           {tables.ErrReset},
	"cancelled":       {tables.ErrStallTimeout, tables.ErrTTFTTimeout},
}

// newServer starts a server whose faults befall the same share of requests each.
func newServer(t *testing.T, name string, kind tables.ErrorKind, ratio float64, faults ...scenarios.Fault) server {
	t.Helper()
	patience := time.Minute
	for i := range faults {
		faults[i].Ratio = ratio
		if faults[i].For > 0 {
			patience = 3 * time.Second
		}
	}
	engine := simulated.New(scenarios.Simulated{
		TimeToFirstToken: scenarios.Constant(0.001), InterTokenLatency: scenarios.Constant(0.0002), Faults: faults,
	}, simulated.Options{Model: "toy"})
	s := server{httptest.NewServer(embedded.NewHandler(engine, embedded.Options{KeepSentTimes: 1 << 20})), name, faults, kind, 64, patience}
	t.Cleanup(s.Close)
	return s
}

const (
	faultyRequests = 100
	faultyTokens   = 8
)

// faulty is a scenario that asks each of the servers in turn.
func faulty(wire string, servers ...server) string {
	var b strings.Builder
	b.WriteString("scenario \"faulty\" {}\n\nlocals {\n  servers = {\n")
	for _, s := range servers {
		fmt.Fprintf(&b, "    %s = { url = %q, users = %d, patience = %q }\n", s.name, s.URL, s.users, s.patience)
	}
	fmt.Fprintf(&b, `  }
}

runtime "endpoint" "server" {
  for_each = local.servers
  url      = each.value.url
  model    = "toy"
  protocol = %q
}

prompt_set "inline" "p" {
  prompts       = ["one", "two words", "three «Wörter» 三つ"]
  output_tokens = %d
}

load "closed_loop" "l" {
  for_each            = local.servers
  users               = each.value.users
  requests            = %d
  first_token_timeout = each.value.patience
  stall_timeout       = each.value.patience
}

run "r" {
  matrix     = { server = keys(local.servers) }
  runtime    = runtime.server[matrix.server]
  prompt_set = prompt_set.p
  load       = load.l[matrix.server]
  collect    = []
}
`, wire, faultyTokens, faultyRequests)
	return b.String()
}

func TestAFaultOfATenthOfTheRequestsIsATenthOfTheRows(t *testing.T) {
	servers := []server{newServer(t, "none", "", 0)}
	for _, f := range faultsByKind {
		servers = append(servers, newServer(t, f.name, f.kind, 0.1, f.fault))
	}
	db := applied(t, faulty("openai", servers...))
	for _, s := range servers {
		failed := 0
		for _, r := range s.rows(t, db, faultyRequests) {
			if r.ErrorKind != "" {
				failed++
			}
			if r.ErrorKind != "" && r.ErrorKind != s.kind {
				t.Errorf("%s: request %d: %s %s", s.name, r.Seq, r.ErrorKind, r.ErrorText)
			}
		}
		if want := len(s.faults) * faultyRequests / 10; failed != want {
			t.Errorf("%s: %d requests failed, and %d should", s.name, failed, want)
		}
	}
}

func TestInEveryProtocolEachFaultIsARowOfItsKind(t *testing.T) {
	for _, wire := range []string{"openai", "openai_completions", "ollama", "ollama_generate"} {
		t.Run(wire, func(t *testing.T) {
			var all, quick []scenarios.Fault
			for _, f := range faultsByKind {
				all = append(all, f.fault)
				if f.fault.For == 0 {
					quick = append(quick, f.fault)
				}
			}
			many, one := newServer(t, "many", "", 0.05, all...), newServer(t, "one", "", 0.1, quick...)
			one.users = 1 // who waits for each time-out
			db := applied(t, faulty(wire, many, one))
			kinds := map[tables.ErrorKind]int{}
			for _, r := range append(many.rows(t, db, faultyRequests), one.rows(t, db, faultyRequests)...) {
				kinds[r.ErrorKind]++
			}
			for _, f := range faultsByKind {
				if kinds[f.kind] == 0 {
					t.Errorf("no request has the error %s: %v", f.kind, kinds)
				}
			}
		})
	}
}

// rows are the rows of the load's requests that went to a server, held against what it counted and recorded; the identity
// prompts, which several runtimes of one run are asked, are held against it too.
func (s server) rows(t *testing.T, db *sql.DB, requests int) []tables.Request {
	t.Helper()
	rows, err := warehouse.Rows[tables.Request](t.Context(), db, "from requests where trial_id in (select trial_id from trials where cell['server'] = ?) order by trial_id, seq", s.name)
	if err != nil {
		t.Fatal(err)
	}
	isIdentity := func(r tables.Request) bool { return r.Seq < 0 }
	load := slices.DeleteFunc(slices.Clone(rows), isIdentity)
	if n := counter(t, s.URL, "llmscen_runtime_requests_received_total"); n != int64(len(rows)) || len(load) != requests || len(rows) == requests {
		t.Errorf("%s: %d rows, %d of them of %d requests of the load, and the server received %d", s.name, len(rows), len(load), requests, n)
	}
	// A request that the client gave up is in the record when the server has noticed.
	sent := sentBy(t, s.URL)
	for len(sent) < len(rows) && t.Context().Err() == nil {
		sent = sentBy(t, s.URL)
	}
	for _, r := range rows {
		record, ok := sent[protocol.RequestID(r.TrialID, r.Seq, r.Attempt)]
		if !ok || r.WroteAt == 0 || !r.Final {
			t.Errorf("%s: the server knows nothing of %+v", s.name, r)
			continue
		}
		if !slices.Contains(kindsByOutcome[record.Outcome], r.ErrorKind) {
			t.Errorf("%s: request %d: %q %s, and the server says %s", s.name, r.Seq, r.ErrorKind, r.ErrorText, record.Outcome)
		}
		// A reset takes back what had not been read.
		if len(r.TokenDeltaUS) != len(record.SentAt) && r.ErrorKind != tables.ErrReset {
			t.Errorf("%s: request %d (%s) has %d tokens, and the server sent %d", s.name, r.Seq, record.Outcome, len(r.TokenDeltaUS), len(record.SentAt))
		}
		if r.ErrorKind == "" && !isIdentity(r) && (len(record.SentAt) != faultyTokens || r.OutputTokens != tables.Some[int32](faultyTokens)) {
			t.Errorf("%s: request %d has %v tokens, and %d were asked for", s.name, r.Seq, r.OutputTokens, faultyTokens)
		}
	}
	return load
}

// TestEveryAttemptIsARowAndReachedTheServer lets half of all attempts fail.
func TestEveryAttemptIsARowAndReachedTheServer(t *testing.T) {
	many := newServer(t, "many", tables.ErrHTTP5xx, 0.5, scenarios.Fault{Kind: "error"})
	one := newServer(t, "one", tables.ErrHTTP5xx, 0.5, scenarios.Fault{Kind: "error"})
	one.users = 1
	scenario := strings.Replace(faulty("openai", many, one), `model    = "toy"`, `model    = "toy"
  retry {
    attempts = 3
    backoff  = "1ms"
    statuses = [500]
  }`, 1)
	db := applied(t, scenario)
	for _, s := range []server{many, one} {
		got := number(t, db, fmt.Sprintf("select count(*) from requests join trials using (trial_id) where wrote_at is not null and cell['server'] = '%s'", s.name))
		if want := counter(t, s.URL, "llmscen_runtime_requests_received_total"); got != want {
			t.Errorf("%d attempts were written, and the server %s received %d", got, s.name, want)
		}
	}
	for what, query := range map[string]string{
		"requests without just one final attempt":        "select count(*) from (select trial_id, seq from requests group by all having count(*) filter (final) <> 1)",
		"attempts after a success":                       "select count(*) from requests where not final and error_kind is null",
		"failures that should have been tried again":     "select count(*) from requests where final and error_kind is not null and attempt < 2 and seq >= 0",
		"attempts with an intended time of their own":    "select count(*) from (select trial_id, seq from requests group by all having count(distinct intended_at) > 1)",
		"final attempts before an attempt of the same":   "select count(*) from requests a join requests b using (trial_id, seq) where a.final and b.attempt > a.attempt",
		"requests that are missing or too many (of 200)": "select abs(count(*) - 200) from requests where final and seq >= 0",
	} {
		if n := number(t, db, query); n != 0 {
			t.Errorf("%d %s", n, what)
		}
	}
	if number(t, db, "select count(*) from requests where final and error_kind is null and attempt > 0") == 0 {
		t.Error("no request succeeded at a later attempt")
	}
}
