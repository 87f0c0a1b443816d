package exporter

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/llmscen/llmscen/warehouse/tables"
)

var phases = []tables.Phase{tables.PhaseWarmUp, tables.PhaseMeasure, tables.PhaseCoolDown}

var labels = []string{"run", "runtime", "model", "phase"}

// latency is one latency, both as a native and as a classic histogram.
type latency struct {
	native, classic *prometheus.HistogramVec
}

// Names of latencies, in the order of metrics.latencies.
const (
	ttft = iota
	ttftSent
	endToEnd
	tpot
	interToken
	scheduleLag
	latencyCount
)

var latencies = [latencyCount]struct {
	name, help string
	first      float64 // upper bound of the first classic bucket, in seconds; each is twice the one before
}{
	ttft:        {"ttft", "Time from when a request was due to its first token.", 0.001},
	ttftSent:    {"ttft_sent", "Time from when the client began a request to its first token.", 0.001},
	endToEnd:    {"end_to_end", "Time from when a request was due to the end of its answer.", 0.004},
	tpot:        {"tpot", "Time per output token after the first, of a request.", 0.0001},
	interToken:  {"inter_token", "Time from a token to the next; of a chunk of n tokens, an nth of its gap for each.", 0.0001},
	scheduleLag: {"schedule_lag", "How late a request left by the schedule: the client's own fault.", 0.00005},
}

// classicBuckets are enough, each twice the one before, to reach from a millisecond to half an hour.
const classicBuckets = 21

type metrics struct {
	latencies [latencyCount]latency

	requests, retries, outputTokens, promptTokens, requestBytes, responseBytes *prometheus.CounterVec

	trial  *prometheus.GaugeVec
	trials *prometheus.CounterVec
}

func newMetrics() metrics {
	var m metrics
	for i, l := range latencies {
		m.latencies[i] = latency{
			native: prometheus.NewHistogramVec(prometheus.HistogramOpts{
				Name: "llmscen_" + l.name + "_seconds", Help: l.help,
				NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160, NativeHistogramMinResetDuration: time.Hour,
			}, labels),
			classic: prometheus.NewHistogramVec(prometheus.HistogramOpts{
				Name: "llmscen_" + l.name + "_classic_seconds", Help: l.help + " The same as a classic histogram.",
				Buckets: prometheus.ExponentialBuckets(l.first, 2, classicBuckets),
			}, labels),
		}
	}
	counter := func(name, help string, more ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, append(labels[:len(labels):len(labels)], more...))
	}
	m.requests = counter("llmscen_requests_total", "Requests that ended, by what came of them: success, or the kind of the error.", "result")
	m.retries = counter("llmscen_retries_total", "Attempts that were followed by another.")
	m.outputTokens = counter("llmscen_output_tokens_total", "Output tokens received.")
	m.promptTokens = counter("llmscen_prompt_tokens_total", "Prompt tokens, as the server counts them.")
	m.requestBytes = counter("llmscen_request_bytes_total", "Bytes of request bodies sent.")
	m.responseBytes = counter("llmscen_response_bytes_total", "Bytes of response bodies received.")
	m.trial = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "llmscen_trial_info", Help: "The trial under way, 1; none between trials.",
	}, []string{"scenario", "apply", "trial", "run", "runtime", "model"})
	m.trials = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "llmscen_trials_total", Help: "Trials that ended, by their verdicts; slo is empty where nothing was promised.",
	}, []string{"status", "validity", "slo"})
	return m
}

func (m *metrics) register(r *prometheus.Registry) {
	for _, l := range m.latencies {
		r.MustRegister(l.native, l.classic)
	}
	r.MustRegister(m.requests, m.retries, m.outputTokens, m.promptTokens, m.requestBytes, m.responseBytes, m.trial, m.trials)
}

// observers are the metrics of one cell and phase, found once.
type observers struct {
	labels    []string
	latencies [latencyCount][2]prometheus.Observer

	retries, outputTokens, promptTokens, requestBytes, responseBytes prometheus.Counter
}

func (m *metrics) of(c cell, p tables.Phase) *observers {
	values := []string{c.run, c.runtime, c.model, string(p)}
	o := &observers{
		labels:  values[:len(values):len(values)],
		retries: m.retries.WithLabelValues(values...), outputTokens: m.outputTokens.WithLabelValues(values...),
		promptTokens: m.promptTokens.WithLabelValues(values...),
		requestBytes: m.requestBytes.WithLabelValues(values...), responseBytes: m.responseBytes.WithLabelValues(values...),
	}
	for i, l := range m.latencies {
		o.latencies[i] = [2]prometheus.Observer{l.native.WithLabelValues(values...), l.classic.WithLabelValues(values...)}
	}
	return o
}

func (o *observers) latency(which int, seconds float64) {
	for _, h := range o.latencies[which] {
		h.Observe(seconds)
	}
}

func (o *observers) between(which int, from, until tables.Instant) {
	if from != 0 && until != 0 {
		o.latency(which, float64(until-from)/1e9)
	}
}

// observe counts one row.
func (o *observers) observe(r *tables.Request) {
	o.requestBytes.Add(float64(r.RequestBytes))
	o.responseBytes.Add(float64(r.ResponseBytes))
	o.outputTokens.Add(float64(max(r.OutputTokens.V, 0)))
	o.promptTokens.Add(float64(max(r.PromptTokens.V, 0)))
	if !r.Final {
		o.retries.Inc()
		return
	}
	o.between(scheduleLag, r.IntendedAt, r.DispatchedAt)
	if r.ErrorKind != "" {
		return
	}
	o.between(ttft, r.IntendedAt, r.FirstTokenAt)
	o.between(ttftSent, r.DispatchedAt, r.FirstTokenAt)
	o.between(endToEnd, r.IntendedAt, r.DoneAt)
	if n := r.OutputTokens.V; n > 1 && r.FirstTokenAt != 0 && r.LastTokenAt != 0 {
		o.latency(tpot, float64(r.LastTokenAt-r.FirstTokenAt)/1e9/float64(n-1))
	}
	for i := 1; i < len(r.TokenDeltaUS); i++ { // the first is no gap between tokens
		n := 1
		if i < len(r.TokenCounts) && r.TokenCounts[i] > 1 {
			n = int(r.TokenCounts[i])
		}
		each := float64(r.TokenDeltaUS[i]) / 1e6 / float64(n)
		for range n {
			o.latency(interToken, each)
		}
	}
}
