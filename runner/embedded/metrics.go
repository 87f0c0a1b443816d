package embedded

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
)

// counts is what a server has done since its start.
type counts struct {
	received, answers                      atomic.Int64
	waiting, active                        atomic.Int64
	promptTokens, outputTokens, tokensSent atomic.Int64
	queueNS, prefillNS, decodeNS           atomic.Int64

	mu       sync.Mutex
	outcomes map[string]int64
}

func (c *counts) account(r Result) {
	c.promptTokens.Add(int64(r.PromptTokens))
	c.outputTokens.Add(int64(r.OutputTokens))
	c.queueNS.Add(int64(r.Queue))
	c.prefillNS.Add(int64(r.Prefill))
	c.decodeNS.Add(int64(r.Decode))
}

// finish counts how a request ended; "" is a handler that panicked.
func (c *counts) finish(outcome string) {
	if outcome == "" {
		outcome = "failed"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.outcomes == nil {
		c.outcomes = map[string]int64{}
	}
	c.outcomes[outcome]++
}

// metrics writes the counters in Prometheus' text format. The outcomes are ok, refused (by the engine), bad_request,
// cancelled (by the client), failed (of the engine, in the middle) and the faults of a simulated runtime.
func (h *Handler) metrics(w http.ResponseWriter, _ *http.Request) {
	c := &h.counts
	c.mu.Lock()
	outcomes := maps.Clone(c.outcomes)
	c.mu.Unlock()

	var b []byte
	series := func(name, kind, help string) {
		b = fmt.Appendf(b, "# HELP llmscen_runtime_%s %s\n# TYPE llmscen_runtime_%s %s\n", name, help, name, kind)
	}
	single := func(name, kind, help string, v any) {
		series(name, kind, help)
		b = fmt.Appendf(b, "llmscen_runtime_%s %v\n", name, v)
	}
	single("requests_received_total", "counter", "Requests for an answer that arrived, whatever became of them.", c.received.Load())
	series("requests_total", "counter", "Requests for an answer that have ended, by how.")
	for _, outcome := range slices.Sorted(maps.Keys(outcomes)) {
		b = fmt.Appendf(b, "llmscen_runtime_requests_total{outcome=%q} %d\n", outcome, outcomes[outcome])
	}
	single("requests_waiting", "gauge", "Requests that wait for their turn.", c.waiting.Load())
	single("requests_active", "gauge", "Requests that are worked on.", c.active.Load())
	single("prompt_tokens_total", "counter", "Tokens of the prompts of requests that have ended.", c.promptTokens.Load())
	single("output_tokens_total", "counter", "Tokens made for requests that have ended.", c.outputTokens.Load())
	single("sent_tokens_total", "counter", "Tokens that were sent.", c.tokensSent.Load())
	single("queue_seconds_total", "counter", "Time that requests waited for their turn.", float64(c.queueNS.Load())/1e9)
	single("prefill_seconds_total", "counter", "Time from a request's turn to its first token.", float64(c.prefillNS.Load())/1e9)
	single("decode_seconds_total", "counter", "Time from a request's first token to its last.", float64(c.decodeNS.Load())/1e9)
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write(b) // a client that is gone needs no answer
}
