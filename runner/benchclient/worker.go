package benchclient

import (
	"context"
	"fmt"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/runner/prompts"
	"github.com/llmscen/llmscen/runner/search"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// Deps are what a worker works with.
type Deps struct {
	Client load.Client
	Sink   load.Sink
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
	set   *prompts.Set // nil: it was interrupted before it had one
	facts prompts.Facts
}

// Open makes a worker ready: its prompts are open and their lengths learned. When ctx ends while it learns, that is no
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
	w.facts = facts
	if err != nil {
		if ctx.Err() != nil {
			return w, nil
		}
		return nil, err
	}
	w.set = set
	return w, nil
}

// Prompts are the facts about the prompts that the worker learned.
func (w *Worker) Prompts() prompts.Facts { return w.facts }

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
	share := load.Share{Worker: w.Worker, Workers: w.Workers}
	if err := writeSchedule(ctx, plan.Schedule(share, w.set.Len()), w.TrialID, w.Sink); err != nil {
		return Made{}, err
	}
	o := load.Options{
		TrialID: w.TrialID, Share: share, Load: in.Load, Plan: plan, Prompts: w.set.Len(),
		Retry: w.Runtime.Retry, KeepBodies: w.KeepBodies,
		Client: w.Client, Source: w.set, Sink: w.Sink, Live: w.Live, Pacer: w.Pacer, Now: w.Now,
	}
	if in.SLO == nil {
		report, err := load.Run(ctx, o)
		return Made{Report: report}, err
	}
	return probe(ctx, in, o)
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
