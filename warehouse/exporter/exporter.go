// Package exporter turns rows into Prometheus metrics while they come: llmscen_* in base units, latencies as native
// histograms, and as classic ones under names of their own, for servers that know only one of the two.
//
// Labels are run, runtime, model, phase and result, and never hold prompts, request ids or error texts. The number of
// different runs, runtimes and models is bounded: the metrics of those beyond it share the value "other".
package exporter

import (
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/llmscen/llmscen/warehouse/tables"
)

// Options say what is exported beside the rows.
type Options struct {
	// Version is told by llmscen_build_info.
	Version string
	// Live is asked at each scrape for what the load does; nil: there is none.
	Live func() Live
	// MaxCells limits the different runs, runtimes and models; 0 means 64.
	MaxCells int
}

// Live is what a load does at this moment.
type Live struct {
	Phase               tables.Phase // "" while no load is made
	InFlight            float64
	TargetRatePerSecond float64 // 0: none, as in a closed loop
	TargetUsers         float64 // 0: none, as in an open loop
	// TrialsDone of TrialsPlanned have ended.
	TrialsDone, TrialsPlanned float64
	// SinkBlockedSeconds is how long requests have waited for their rows to be taken.
	SinkBlockedSeconds float64
	// MaxLagSeconds is the latest that a request left since its load began.
	MaxLagSeconds float64
}

// Trial names what is under way.
type Trial struct {
	Scenario, Apply, TrialID string
	Run, Runtime, Model      string
}

// Exporter holds the metrics. Its methods may be called by many goroutines at once.
type Exporter struct {
	registry *prometheus.Registry
	handler  http.Handler
	max      int
	metrics

	mu    sync.RWMutex
	cells map[cell]struct{}
	cell  cell
	// observers are those of the trial under way: finding them by labels at each token would cost more than counting.
	observers map[tables.Phase]*observers
}

// cell is what the metrics of a trial are labelled with.
type cell struct{ run, runtime, model string }

// New makes an exporter without a trial.
func New(o Options) *Exporter {
	e := &Exporter{
		registry: prometheus.NewRegistry(), max: o.MaxCells, metrics: newMetrics(),
		cells: map[cell]struct{}{}, observers: map[tables.Phase]*observers{},
	}
	if e.max == 0 {
		e.max = 64
	}
	e.metrics.register(e.registry)
	e.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "llmscen_build_info", Help: "The version of llmscen, always 1.",
			ConstLabels: prometheus.Labels{"version": o.Version},
		}, func() float64 { return 1 }),
	)
	if o.Live != nil {
		e.registry.MustRegister(liveCollector{o.Live})
	}
	e.handler = promhttp.HandlerFor(e.registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
	return e
}

// Handler answers scrapes: protobuf, which native histograms need, OpenMetrics or text, as the server asks.
func (e *Exporter) Handler() http.Handler { return e.handler }

// BeginTrial says whose rows come from now on.
func (e *Exporter) BeginTrial(t Trial) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := cell{t.Run, t.Runtime, t.Model}
	if _, known := e.cells[c]; !known && len(e.cells) >= e.max {
		c = cell{"other", "other", "other"}
	} else {
		e.cells[c] = struct{}{}
	}
	e.cell = c
	e.observers = map[tables.Phase]*observers{}
	for _, p := range phases {
		e.observers[p] = e.metrics.of(c, p)
	}
	e.trial.Reset()
	e.trial.WithLabelValues(t.Scenario, t.Apply, t.TrialID, t.Run, t.Runtime, t.Model).Set(1)
}

// EndTrial counts a trial by its verdicts.
func (e *Exporter) EndTrial(t tables.Trial) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.trial.Reset()
	e.trials.WithLabelValues(string(t.Status), string(t.Validity), string(t.SLO)).Inc()
}

// ObserveRequests counts rows as they are written; rows that come before the first trial are not counted. Latencies are
// those of successes.
func (e *Exporter) ObserveRequests(rows []tables.Request) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	for i := range rows {
		r := &rows[i]
		o := e.observers[r.Phase]
		if o == nil {
			continue
		}
		o.observe(r)
		if r.Final {
			e.requests.WithLabelValues(append(o.labels, result(r.ErrorKind))...).Inc()
		}
	}
}

// result is the label of what came of a request.
func result(k tables.ErrorKind) string {
	if k == "" {
		return "success"
	}
	return string(k)
}
