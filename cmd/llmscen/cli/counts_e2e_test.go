package cli

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/llmscen/llmscen/runner/embedded"
	"github.com/llmscen/llmscen/runner/embedded/simulated"
	"github.com/llmscen/llmscen/runner/protocol"
	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// asked is a scenario that asks an endpoint; the verbs are its protocol and its load.
const asked = `scenario "asked" {}

variable "url" {
  type = string
}

runtime "endpoint" "server" {
  url      = var.url
  model    = "toy"
  protocol = %q
}

prompt_set "synthetic" "short" {
  prompts       = 50
  prompt_tokens = 16
  output_tokens = 8
}

%s

run "r" {
  runtime    = runtime.server
  prompt_set = prompt_set.short
  load       = load.l
  collect    = []
}
`

const (
	closedLoad = `load "closed_loop" "l" {
  users    = 8
  requests = 200
}`
	openLoad = `load "constant_rate" "l" {
  rate_per_second = 200
  over            = "1s"
  arrivals        = "poisson"
}`
	// More than the server's four slots hold: arrivals beyond eight on their way are not sent, some are given up.
	floodLoad = `load "burst" "l" {
  floor_per_second = 20
  peak_per_second  = 400
  width            = "200ms"
  every            = "500ms"
  over             = "1s"
  max_in_flight    = 8
  timeout          = "40ms"
  drain_timeout    = "5s"
}`
)

// applied applies a scenario and opens what it left.
func applied(t *testing.T, scenario string, flags ...string) *sql.DB {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("LLMSCEN_STATE_DIR", filepath.Join(dir, "state"))
	path := filepath.Join(dir, "asked.scen.hcl")
	if err := os.WriteFile(path, []byte(scenario), 0o644); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	e := &Env{Stdin: bytes.NewReader(nil), Stdout: &out, Stderr: &out}
	results := filepath.Join(dir, "results")
	switch code := e.Run(t.Context(), append([]string{"apply", "--yes", "--warehouse", results, path}, flags...)); code {
	case exitDone, exitInvalid:
	default:
		t.Fatalf("apply ended with %d: %s", code, &out)
	}
	w, err := warehouse.Open(results)
	if err != nil {
		t.Fatal(err)
	}
	db, err := w.DB(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// number asks for one number.
func number(t *testing.T, db *sql.DB, query string) int64 {
	t.Helper()
	var n int64
	if err := db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

func fetch(t *testing.T, url string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// counter is the value of a metric of the server without labels.
func counter(t *testing.T, url, name string) int64 {
	t.Helper()
	m := regexp.MustCompile(`(?m)^` + name + ` (\d+)$`).FindSubmatch(fetch(t, url+"/metrics"))
	if m == nil {
		t.Fatalf("the server does not count %s", name)
	}
	n, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTheRowsAreTheRequestsThatTheServerCounted(t *testing.T) {
	faults := []scenarios.Fault{
		{Kind: "error", Ratio: 0.1, Status: 500}, {Kind: "in_stream_error", Ratio: 0.05}, {Kind: "truncate", Ratio: 0.05},
		{Kind: "garble", Ratio: 0.05}, {Kind: "reset", Ratio: 0.05},
	}
	for _, c := range []struct {
		name, protocol, load string
		faults               []scenarios.Fault
	}{
		{"chat, closed", "openai", closedLoad, nil},
		{"completions, open", "openai_completions", openLoad, nil},
		{"Ollama's chat with faults", "ollama", closedLoad, faults},
		{"Ollama's generate, open, with faults", "ollama_generate", openLoad, faults},
		{"chat with faults", "openai", openLoad, faults},
		{"a flood with a cap and time-outs", "openai", floodLoad, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			engine := simulated.New(scenarios.Simulated{
				TimeToFirstToken: scenarios.Constant(0.01), InterTokenLatency: scenarios.Constant(0.001), Parallel: 4, Faults: c.faults,
			}, simulated.Options{Model: "toy"})
			server := httptest.NewServer(embedded.NewHandler(engine, embedded.Options{}))
			defer server.Close()
			db := applied(t, fmt.Sprintf(asked, c.protocol, c.load), "--var", "url="+server.URL)

			received := counter(t, server.URL, "llmscen_runtime_requests_received_total")
			if n := number(t, db, "select count(*) from requests where final and wrote_at is not null"); n != received || n == 0 {
				t.Errorf("%d final attempts were written, and the server received %d requests", n, received)
			}
			if n := number(t, db, "select count(*) from schedules"); n > 0 && n != number(t, db, "select count(*) from requests where final and seq >= 0") {
				t.Errorf("%d arrivals were scheduled, and there is not a row of each", n)
			}
			if c.load == floodLoad {
				if number(t, db, "select count(*) from requests where error_kind = 'not_sent_cap' and dispatched_at is null") == 0 {
					t.Error("no arrival met a full house")
				}
				return
			}
			bad := number(t, db, "select count(*) from requests where error_kind is not null")
			want := int64(0)
			for _, f := range c.faults {
				want += int64(f.Ratio * float64(received))
			}
			// Several faults stay within two requests of their shares, each.
			if off := bad - want; off > int64(2*len(c.faults)) || off < -int64(2*len(c.faults)) {
				t.Errorf("%d of %d requests failed, want %d: %s", bad, received, want, kinds(t, db))
			}
			if n := number(t, db, "select count(*) from requests where error_kind is null and output_tokens <> 8 and phase = 'measure'"); n != 0 {
				t.Errorf("%d successes do not have their eight tokens", n)
			}
			if c.faults != nil {
				for _, kind := range []tables.ErrorKind{tables.ErrHTTP5xx, tables.ErrInstream, tables.ErrTruncated, tables.ErrFrameGarbled} {
					if number(t, db, fmt.Sprintf("select count(*) from requests where error_kind = '%s'", kind)) == 0 {
						t.Errorf("no request has the error %s: %s", kind, kinds(t, db))
					}
				}
			}
		})
	}
}

func kinds(t *testing.T, db *sql.DB) string {
	t.Helper()
	var text string
	err := db.QueryRowContext(t.Context(), "select coalesce(string_agg(k || ' ' || n, ', '), '') from (select error_kind as k, count(*) as n from requests group by all order by all)").Scan(&text)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestTokenTimesFollowTheServersOwnRecord holds every token's time against when the server says that it sent it.
func TestTokenTimesFollowTheServersOwnRecord(t *testing.T) {
	for _, c := range []struct {
		wire                string
		perChunk, reasoning int
	}{{"openai", 1, 0}, {"openai", 3, 4}, {"openai_completions", 1, 0}, {"ollama", 1, 4}, {"ollama_generate", 1, 0}} {
		t.Run(fmt.Sprintf("%s, %d tokens a chunk", c.wire, c.perChunk), func(t *testing.T) {
			engine := simulated.New(scenarios.Simulated{
				TimeToFirstToken: scenarios.Constant(0.01), InterTokenLatency: scenarios.Constant(0.002),
				TokensPerChunk: c.perChunk, ReasoningTokens: c.reasoning,
			}, simulated.Options{Model: "toy"})
			server := httptest.NewServer(embedded.NewHandler(engine, embedded.Options{KeepSentTimes: 1 << 20}))
			defer server.Close()
			db := applied(t, fmt.Sprintf(asked, c.wire, closedLoad), "--var", "url="+server.URL)
			sent := sentBy(t, server.URL)
			rows, err := warehouse.Rows[tables.Request](t.Context(), db, "from requests where error_kind is null")
			if err != nil || len(rows) < 200 {
				t.Fatalf("%d rows, %v", len(rows), err)
			}
			for _, r := range rows {
				s, ok := sent[protocol.RequestID(r.TrialID, r.Seq, r.Attempt)]
				if !ok {
					t.Fatalf("the server knows nothing of request %d", r.Seq)
				}
				holdTimes(t, r, s)
			}
		})
	}
}

// sentBy is what a server remembers of its requests, by the client's name of each.
func sentBy(t *testing.T, url string) map[string]embedded.SentRequest {
	t.Helper()
	var record embedded.Sent
	if err := json.Unmarshal(fetch(t, url+"/sent"), &record); err != nil {
		t.Fatal(err)
	}
	if record.Forgotten != 0 {
		t.Fatalf("the server forgot %d requests", record.Forgotten)
	}
	sent := map[string]embedded.SentRequest{}
	for _, r := range record.Requests {
		sent[r.RequestID] = r
	}
	return sent
}

// holdTimes compares the times of a row with when the server sent each chunk.
func holdTimes(t *testing.T, r tables.Request, s embedded.SentRequest) {
	t.Helper()
	if len(s.SentAt) != len(r.TokenDeltaUS) {
		t.Errorf("request %d: the server sent %d chunks, the row has %d", r.Seq, len(s.SentAt), len(r.TokenDeltaUS))
		return
	}
	at := int64(r.FirstChunkAt)
	for i, d := range r.TokenDeltaUS {
		at += int64(d) * 1000
		if early := s.SentAt[i] - at; early > 1000 { // a microsecond: times are rounded to it
			t.Errorf("request %d: chunk %d came %d ns before it was sent", r.Seq, i, early)
		}
		tokens, counted := int32(1), int32(1)
		if s.Tokens != nil {
			tokens = s.Tokens[i]
		}
		if r.TokenCounts != nil {
			counted = int32(r.TokenCounts[i])
		}
		// That a chunk has several tokens shows in its text only to who knows the tokenizer: their sum is the server's.
		if counted > tokens {
			t.Errorf("request %d: chunk %d has %d tokens, and the server sent %d", r.Seq, i, counted, tokens)
		}
	}
	if drift := int64(r.LastTokenAt) - at; drift > 1000 || drift < -1000 {
		t.Errorf("request %d: the sum of its deltas is %d ns from its last token", r.Seq, drift)
	}
	if r.OutputTokens != tables.Some(r.RequestedOutputTokens) {
		t.Errorf("request %d: %v tokens, and %d were asked for", r.Seq, r.OutputTokens, r.RequestedOutputTokens)
	}
	if r.FirstTokenAt < r.DispatchedAt || r.DispatchedAt < r.IntendedAt || r.DoneAt < r.LastTokenAt {
		t.Errorf("request %d: its times are out of order: %+v", r.Seq, r)
	}
}
