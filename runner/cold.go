package runner

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/llmscen/llmscen/runner/benchclient"
	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// sampled is what of an endpoint is sampled throughout a trial: of cold starts, whose processes come and go, only that it
// is there, which leaves the client and the machine.
func sampled(e Endpoint, l scenarios.Load) Endpoint {
	if l.Shape != "cold_start" {
		return e
	}
	e.Targets = slices.Clone(e.Targets)
	for i := range e.Targets {
		t := &e.Targets[i]
		t.PID, t.Cgroup, t.MetricsURL = 0, "", ""
	}
	return e
}

// coldStarts makes as many cold starts as the load says. The runtime is up before them: the lengths of prompts are learned
// from it, and no cold start is disturbed by that.
func (m *measuring) coldStarts(ctx context.Context, maker Maker, a benchclient.Assignment) error {
	w := a.Whole()
	w.Kind, w.Load.Requests, w.WarmUp, w.CoolDown = tables.KindColdStart, 1, 0, 0
	n := max(a.Load.Requests, 1)
	var err error
	for i := 0; i < n && err == nil && ctx.Err() == nil; i++ {
		w.Name = fmt.Sprintf("cold start %d of %d", i+1, n)
		var made benchclient.Made
		made, err = m.coldStart(ctx, maker, w)
		w.Stage, w.Seq = w.Stage+1, made.NextSeq
	}
	m.report = maker.Report()
	if ctx.Err() != nil && len(m.report.Stages) < n { // perhaps between two of them
		m.report.Interrupted, err = true, nil
	}
	return err
}

// coldStart stops the runtime, starts it, and asks it once.
func (m *measuring) coldStart(ctx context.Context, maker Maker, w benchclient.Window) (benchclient.Made, error) {
	m.takeDown()
	w.Began = time.Now()
	if err := m.start(ctx, m.deployment(m.trial.Deployment)); err != nil {
		return benchclient.Made{}, err
	}
	took := time.Since(w.Began)
	defer m.watching()()
	w.Targets = targetsOf(m.endpoint)
	made, err := maker.Make(ctx, w)
	m.noteColdStart(w, took)
	return made, err
}

// targetsOf is where a worker asks.
func targetsOf(e Endpoint) []benchclient.Target {
	var targets []benchclient.Target
	for _, t := range e.Targets {
		targets = append(targets, benchclient.Target{ID: t.ID, URL: t.URL})
	}
	return targets
}

// noteColdStart keeps how long the runtime took to come up, after it was asked: what asks it waits for nothing else.
func (m *measuring) noteColdStart(w benchclient.Window, took time.Duration) {
	loading := m.endpoint.LoadTook
	c := tables.ColdStart{Stage: w.Stage, StartNS: int64(took - loading)}
	text := fmt.Sprintf("%s: it could serve after %s", w.Name, took.Round(time.Millisecond))
	if loading > 0 {
		c.LoadNS = tables.Some(int64(loading))
		text += fmt.Sprintf(", of which it loaded for %s", loading.Round(time.Millisecond))
	}
	m.noteJSON(tables.EventColdStart, c)
	m.tell(Event{Type: Note, Trial: m.trial.ID, Detail: text})
}
