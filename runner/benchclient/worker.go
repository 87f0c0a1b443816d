package benchclient

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/runner/prompts"
	"github.com/llmscen/llmscen/runner/search"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// Deps are what a worker works with.
type Deps struct {
	Client load.Client
	Sink   load.Sink
	// Identity asks greedily and lets answers end, for the identity prompts; nil: they are not asked.
	Identity load.Client
	// Aim sends what is asked from now on to other targets; nil: the runtime stays where it is.
	Aim func([]Target) error
	// Tokenizer is the runtime's, for prompt sets that ask it; nil: it has none.
	Tokenizer prompts.Tokenizer
	// OpenParquet opens a column of a Parquet file; nil: such prompts can't be read.
	OpenParquet func(path, column string) (prompts.Texts, error)
	// Live is told what happens; nil: nobody watches.
	Live *load.Live
	// Pacer keeps the schedule of an open loop; nil means load.FinePacer.
	Pacer load.Pacer
	// Now, when it is closed, ends the load and cancels what is on its way, all at once; nil never is.
	Now <-chan struct{}
}

// Report is what is known of a trial's load when it has ended; it is JSON on its way from a pod.
type Report struct {
	load.Report
	Prompts prompts.Facts `json:"prompts"`
	// Identity is what the runtime answers to the identity prompts, where they were asked.
	Identity Identity `json:"identity,omitzero"`
}

// Made is what is known of a window when it has ended; it is JSON on its way from a pod.
type Made struct {
	load.Report
	// Evidence is what its requests say of the objectives; only of a probe.
	Evidence search.Evidence `json:"evidence,omitzero"`
	// Stopped: the probe was ended before its time, for the server got more than it can do.
	Stopped bool `json:"stopped,omitempty"`
}

// Worker makes the load of one trial, one window after the other.
type Worker struct {
	Assignment
	Deps
	set    *prompts.Set // nil: it was interrupted before it had one
	report Report
}

// Open makes a worker ready: its prompts are open, their lengths learned, and the identity prompts asked. When ctx ends while it learns, that is no
// error: the windows of that worker report that they were interrupted.
func Open(ctx context.Context, a Assignment, d Deps) (*Worker, error) {
	plan, err := load.NewPlan(a.Load, a.WarmUp, a.CoolDown, a.Seed)
	if err != nil {
		return nil, err
	}
	if err := plan.Executable(); err != nil && a.Load.Shape != "search" {
		return nil, err
	}
	if d.Live == nil {
		d.Live = new(load.Live)
	}
	w := &Worker{Assignment: a, Deps: d}
	set, facts, err := prompts.New(ctx, prompts.Options{
		Set: a.PromptSet, Nonce: a.Nonce, Tokenizer: d.Tokenizer, OpenParquet: d.OpenParquet,
		Client: &recorder{client: d.Client, sink: d.Sink, assignment: a},
	})
	w.report.Prompts = facts
	if err != nil {
		if w.report.Interrupted = ctx.Err() != nil; w.report.Interrupted {
			return w, nil
		}
		return nil, err
	}
	if w.report.Identity, err = askIdentity(ctx, a, d); err != nil {
		return nil, errors.Join(err, set.Close())
	}
	w.set = set
	return w, nil
}

// Report is what is known of all windows that were made.
func (w *Worker) Report() Report { return w.report }

// Close lets go of the prompts.
func (w *Worker) Close() error {
	if w.set == nil {
		return nil
	}
	return w.set.Close()
}

// Make makes the load of a window: it writes the schedule, and only then asks. All rows are with the sink when it returns.
//
// When ctx ends it stops, drains, and reports that it was interrupted, which is no error. An error comes with the report
// of what was done.
func (w *Worker) Make(ctx context.Context, in Window) (Made, error) {
	if w.set == nil {
		return Made{Report: load.Report{Interrupted: true}}, nil
	}
	plan, err := load.NewPlan(in.Load, in.WarmUp, in.CoolDown, in.Seed)
	if err != nil {
		return Made{}, err
	}
	plan = plan.Within(in.Window)
	if len(in.Targets) > 0 {
		if err := w.Aim(in.Targets); err != nil {
			return Made{}, err
		}
	}
	share := load.Share{Worker: w.Worker, Workers: w.Workers}
	if err := writeSchedule(ctx, plan.Schedule(share, w.set.Len()), w.TrialID, w.Sink); err != nil {
		return Made{}, err
	}
	o := load.Options{
		TrialID: w.TrialID, Share: share, Load: in.Load, Plan: plan, Prompts: w.set.Len(),
		Retry: w.Runtime.Retry, KeepBodies: w.KeepBodies,
		Client: w.Client, Source: w.set, Sink: w.Sink, Live: w.Live, Pacer: w.Pacer, Now: w.Now,
	}
	var made Made
	if in.SLO == nil {
		made.Report, err = load.Run(ctx, o)
	} else {
		made, err = probe(ctx, in, o)
	}
	w.report.add(made.Report)
	return made, err
}

// add takes a window that was made after those before.
func (r *Report) add(w load.Report) {
	before := r.Report
	r.Report = w
	if before.StartedAt == 0 { // the first
		return
	}
	r.StartedAt = before.StartedAt
	r.MeasureFrom, r.MeasureUntil = cmp.Or(before.MeasureFrom, w.MeasureFrom), max(before.MeasureUntil, w.MeasureUntil)
	r.Stages = slices.Concat(before.Stages, w.Stages)
	r.Pacer = cmp.Or(w.Pacer, before.Pacer)
	r.Due, r.Sent, r.NotSent, r.Failed = before.Due+w.Due, before.Sent+w.Sent, before.NotSent+w.NotSent, before.Failed+w.Failed
	r.MaxLag, r.SinkBlocked = max(before.MaxLag, w.MaxLag), before.SinkBlocked+w.SinkBlocked
}

// scheduleBatch is how many arrivals are written at once: a schedule of hours is never held whole.
const scheduleBatch = 8192

func writeSchedule(ctx context.Context, s *load.Schedule, trial string, sink load.Sink) error {
	batch := make([]tables.Arrival, 0, scheduleBatch)
	for ctx.Err() == nil {
		a, ok := s.Next()
		if ok {
			batch = append(batch, tables.Arrival{
				TrialID: trial, Stage: a.Stage, Seq: a.Seq, IntendedAfterNS: int64(a.After), PromptID: a.PromptID,
			})
		}
		if len(batch) == scheduleBatch || !ok && len(batch) > 0 {
			if err := sink.WriteArrivals(batch); err != nil {
				return fmt.Errorf("writing the schedule: %w", err)
			}
			batch = batch[:0]
		}
		if !ok {
			return nil
		}
	}
	return nil // the load that follows tells that it was interrupted
}
