package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/llmscen/llmscen/runner"
	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/warehouse/exporter"
)

// liveStatus is what an apply says of itself at /status, and what its progress display draws.
type liveStatus struct {
	Apply      string    `json:"apply"`
	Scenario   string    `json:"scenario"`
	Warehouse  string    `json:"warehouse"`
	Trial      string    `json:"trial,omitempty"`
	Index      int       `json:"index"` // from 0
	Of         int       `json:"of"`
	Sealed     int       `json:"sealed"`
	Doing      string    `json:"doing"` // starting, loading, resting, draining, done
	TrialBegan time.Time `json:"trial_began"`
	// Expected is how long the trial's load is.
	Expected time.Duration `json:"expected_ns"`
	// Here and Left are the time that the trial and the whole apply have before them, as far as it can be told.
	Here time.Duration `json:"here_ns"`
	Left time.Duration `json:"left_ns"`
	Load load.Snapshot `json:"load"`
}

// loading is what an apply does while a trial's load is made.
const loading = "loading"

// live gathers what happens for those who watch: the display, /status and /metrics.
type live struct {
	mu     sync.Mutex
	status liveStatus
	plan   *runner.Plan
	load   *load.Live
}

// begin sets what is applied.
func (l *live) begin(applyID string, p *runner.Plan) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.plan = p
	l.status = liveStatus{Apply: applyID, Scenario: p.ScenarioName, Warehouse: p.Warehouse, Of: len(p.Trials), Doing: "starting"}
}

// event follows the apply.
func (l *live) event(e runner.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch e.Type {
	case runner.DeploymentStarting:
		l.status.Doing, l.load = "starting "+e.Detail, nil
	case runner.TrialStarted:
		l.status.Doing, l.status.Trial, l.status.Index, l.status.TrialBegan = loading, e.Trial, e.Index, e.At
		l.status.Expected = l.plan.Trials[e.Index].EstimatedDuration
	case runner.TrialJudged:
		l.status.Doing = "resting"
		l.status.Sealed++
	case runner.ApplyFinished:
		l.status.Doing = "done"
	}
}

// follow takes the live figures of a trial's worker.
func (l *live) follow(figures *load.Live) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.load = figures
}

func (l *live) now() liveStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.status
	if l.load != nil {
		s.Load = l.load.Snapshot()
	}
	if l.plan == nil {
		return s
	}
	if s.Load.Window == "" { // else it is the window's, and how many follow is not known
		s.Here = s.Load.Left
	}
	if s.Here == 0 && !s.TrialBegan.IsZero() {
		s.Here = max(s.Expected-time.Since(s.TrialBegan), 0)
	}
	s.Left = s.Here
	for i, t := range l.plan.Trials[min(s.Index, len(l.plan.Trials)):] {
		if i > 0 || s.TrialBegan.IsZero() {
			s.Left += t.EstimatedDuration
		}
		s.Left += t.Cell.Rest
	}
	return s
}

// exported is the state as /metrics tells it.
func (l *live) exported() exporter.Live {
	s := l.now()
	e := exporter.Live{
		InFlight: float64(s.Load.InFlight), TargetRatePerSecond: s.Load.TargetPerSecond.V, TargetUsers: s.Load.TargetUsers.V,
		TrialsDone: float64(s.Sealed), TrialsPlanned: float64(s.Of),
		SinkBlockedSeconds: s.Load.SinkBlocked.Seconds(), MaxLagSeconds: s.Load.MaxLag.Seconds(),
	}
	if s.Doing == loading {
		e.Phase = s.Load.Phase
	}
	return e
}

// liveServer serves /metrics, /status and /healthz while an apply runs.
type liveServer struct {
	URL  string
	http *http.Server
	done chan struct{}
}

// serveLive listens on address; metrics serves /metrics.
func serveLive(address string, l *live, metrics http.Handler) (*liveServer, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening for /metrics on %s: %w", address, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(l.now())
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	s := &liveServer{
		URL:  "http://" + listener.Addr().String(),
		http: &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second},
		done: make(chan struct{}),
	}
	go func() {
		defer close(s.done)
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return
		}
	}()
	return s, nil
}

func (s *liveServer) Close() {
	_ = s.http.Close()
	<-s.done
}
