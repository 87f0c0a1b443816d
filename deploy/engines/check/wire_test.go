//go:build engines

package check

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/llmscen/llmscen/runner/protocol"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// relayed asks a server, through a relay, by one protocol after the other. Each asks the same prompts in the same order, so
// that a cache of prefixes has something to hold.
const relayed = `scenario "relayed" {}

runtime "endpoint" "server" {
  for_each = toset(%s)
  url      = %q
  model    = %q
  protocol = each.value
  %s
}

prompt_set "inline" "p" {
  prompts       = ["Tell me a story.", "hello world, what is the time"]
  output_tokens = 8
}

load "closed_loop" "l" {
  users    = 1
  requests = 4
}

run "r" {
  matrix      = { protocol = %s }
  runtime     = runtime.server[matrix.protocol]
  prompt_set  = prompt_set.p
  load        = load.l
  keep_bodies = "all"
  collect     = []
}
`

func relaying(protocols []string, url, model, more string) string {
	list := fmt.Sprintf("[%s]", `"`+strings.Join(protocols, `", "`)+`"`)
	return fmt.Sprintf(relayed, list, url, model, more, list)
}

var (
	openAI = []string{"openai", "openai_completions"}
	both   = []string{"openai", "openai_completions", "ollama", "ollama_generate"}
)

func TestEachRowSaysWhatTheServerSent(t *testing.T) {
	for _, c := range []struct {
		engine    string
		protocols []string
	}{{"wasm", both}, {"llamacpp", openAI}, {"wllama", openAI}, {"ollama", both}} {
		t.Run(c.engine, func(t *testing.T) {
			s := serve(t, c.engine, tiny, 512, 1)
			r := newRelay(t, s.url, nil)
			before := s.counters(t)
			db := applied(t, relaying(c.protocols, r.URL, tiny, ""))
			all, err := everyRow(t, db)
			if err != nil || len(all) < 4*len(c.protocols) {
				t.Fatalf("%d rows, %v", len(all), err)
			}
			for _, row := range all {
				hold(t, row, r.of(t, protocol.RequestID(row.TrialID, row.Seq, row.Attempt)).truth(t))
			}
			s.count(t, before, all)
			if cached := cachedTokens(all); (cached > 0) != (c.engine == "llamacpp" || c.engine == "wllama") {
				t.Errorf("%d tokens of the prompts came from the cache", cached)
			}
		})
	}
}

func TestWithoutUsageTheChunksAreCounted(t *testing.T) {
	for _, engine := range []string{"wasm", "llamacpp", "ollama"} {
		t.Run(engine, func(t *testing.T) {
			s := serve(t, engine, tiny, 512, 1)
			r := newRelay(t, s.url, nil)
			db := applied(t, relaying([]string{"openai"}, r.URL, tiny, "extra_body = { stream_options = null }"))
			for _, row := range rows(t, db, "") {
				if row.ErrorKind != "" || row.TokenSource != tables.TokensFromChunks || row.OutputTokens != tables.Some[int32](8) || row.PromptTokens.Valid {
					t.Errorf("%s %s: %+v", row.ErrorKind, row.ErrorText, row)
				}
			}
		})
	}
}

// hold compares a row with what the server sent.
func hold(t *testing.T, r tables.Request, w truth) {
	t.Helper()
	wrong := func(what string, got, want any) {
		t.Helper()
		t.Errorf("%s, request %d: %s is %v, and the server says %v", r.TrialID, r.Seq, what, got, want)
	}
	if r.ErrorKind != "" || r.HTTPStatus != 200 || !r.Final || r.TokenSource != tables.TokensFromUsage || r.FinishReason != w.finish {
		t.Errorf("%s, request %d: %+v", r.TrialID, r.Seq, r)
	}
	for what, of := range map[string]struct {
		got  tables.Null[int32]
		want *int32
	}{"prompt_tokens": {r.PromptTokens, w.prompt}, "cached_prompt_tokens": {r.CachedPromptTokens, w.cached}, "output_tokens": {r.OutputTokens, w.output}} {
		if of.got.Valid != (of.want != nil) || of.want != nil && of.got.V != *of.want {
			wrong(what, of.got, of.want)
		}
	}
	for what, of := range map[string]struct {
		got  tables.Null[int64]
		want *int64
	}{"server_prefill_ns": {r.ServerPrefillNS, w.prefill}, "server_decode_ns": {r.ServerDecodeNS, w.decode}, "server_load_ns": {r.ServerLoadNS, w.loaded}} {
		if of.got.Valid != (of.want != nil) || of.want != nil && of.got.V != *of.want {
			wrong(what, of.got, of.want)
		}
	}
	if r.ServerQueueNS.Valid || r.ReasoningTokens.Valid && r.ReasoningTokens.V != 0 {
		t.Errorf("%s, request %d: nobody waited in a queue or reasoned: %+v", r.TrialID, r.Seq, r)
	}
	// The first token is the first frame with text, and no frame comes before it was sent.
	if len(r.TokenDeltaUS) != len(w.chunks) {
		wrong("the number of chunks", len(r.TokenDeltaUS), len(w.chunks))
		return
	}
	at := r.FirstChunkAt
	for i, c := range w.chunks {
		at += tables.Instant(r.TokenDeltaUS[i]) * 1000
		if at+1000 < c.at { // a microsecond: times are rounded to it
			wrong(fmt.Sprintf("the time of chunk %d", i), at, c.at)
		}
	}
	if first := r.FirstTokenAt - r.FirstChunkAt - tables.Instant(r.TokenDeltaUS[0])*1000; first > 1000 || first < -1000 {
		t.Errorf("%s, request %d: its first token is %d ns from its first chunk of tokens", r.TrialID, r.Seq, first)
	}
}

func cachedTokens(all []tables.Request) (n int32) {
	for _, r := range all {
		n += r.CachedPromptTokens.V
	}
	return n
}

// counters are those without labels that llama.cpp and the WASM runtime have of themselves, by their names without a
// prefix; none of another.
func (s server) counters(t *testing.T) map[string]float64 {
	t.Helper()
	all := map[string]float64{}
	if s.engine != "llamacpp" && s.engine != "wasm" {
		return all
	}
	for _, m := range regexp.MustCompile(`(?m)^(?:llamacpp:|llmscen_runtime_)(\w+) (\S+)$`).FindAllSubmatch(fetch(t, s.url+"/metrics"), -1) {
		v, err := strconv.ParseFloat(string(m[2]), 64)
		if err != nil {
			t.Fatal(err)
		}
		all[string(m[1])] = v
	}
	return all
}

// count holds the sums of rows against the server's own counters.
func (s server) count(t *testing.T, before map[string]float64, all []tables.Request) {
	t.Helper()
	sums := map[string]float64{}
	for _, r := range all {
		switch s.engine {
		case "llamacpp":
			sums["prompt_tokens_total"] += float64(r.PromptTokens.V - r.CachedPromptTokens.V)
			sums["prompt_tokens_cached_total"] += float64(r.CachedPromptTokens.V)
			sums["tokens_predicted_total"] += float64(r.OutputTokens.V)
			sums["prompt_seconds_total"] += float64(r.ServerPrefillNS.V) / 1e9
			sums["tokens_predicted_seconds_total"] += float64(r.ServerDecodeNS.V) / 1e9
		case "wasm":
			sums["requests_received_total"]++
			sums["prompt_tokens_total"] += float64(r.PromptTokens.V)
			sums["output_tokens_total"] += float64(r.OutputTokens.V)
			sums["prefill_seconds_total"] += float64(r.ServerPrefillNS.V) / 1e9
			sums["decode_seconds_total"] += float64(r.ServerDecodeNS.V) / 1e9
		}
	}
	after := s.counters(t)
	for name, sum := range sums {
		// llama.cpp shows its seconds to the millisecond.
		if counted := after[name] - before[name]; counted-sum > 0.002 || sum-counted > 0.002 {
			t.Errorf("%s grew by %v, and the rows say %v", name, counted, sum)
		}
	}
}
