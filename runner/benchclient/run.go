package benchclient

import (
	"context"
	"fmt"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/runner/prompts"
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

// Report is what a worker knows when its load has ended; it is JSON on its way from a pod.
type Report struct {
	load.Report
	Prompts prompts.Facts `json:"prompts"`
}

// Run makes the load of an assignment: it opens the prompts and learns their lengths, writes the schedule, and only then
// asks. All rows are with the sink when it returns.
//
// When ctx ends it stops, drains, and reports that it was interrupted, which is no error. An error comes with the report
// of what was done.
func Run(ctx context.Context, a Assignment, d Deps) (Report, error) {
	plan, err := load.NewPlan(a.Load, a.WarmUp, a.CoolDown, a.Seed)
	if err != nil {
		return Report{}, err
	}
	if err := plan.Executable(); err != nil {
		return Report{}, err
	}
	learning := &recorder{client: d.Client, sink: d.Sink, assignment: a}
	set, facts, err := prompts.New(ctx, prompts.Options{
		Set: a.PromptSet, Nonce: a.Nonce, Tokenizer: d.Tokenizer, OpenParquet: d.OpenParquet,
		Client: learning,
	})
	report := Report{Prompts: facts}
	if err != nil {
		report.Interrupted = ctx.Err() != nil
		if report.Interrupted {
			return report, nil
		}
		return report, err
	}
	defer set.Close() //nolint:errcheck // it was only read

	share := load.Share{Worker: a.Worker, Workers: a.Workers}
	if err := writeSchedule(ctx, plan.Schedule(share, set.Len()), a.TrialID, d.Sink); err != nil {
		return report, err
	}
	report.Report, err = load.Run(ctx, load.Options{
		TrialID: a.TrialID, Share: share, Load: a.Load, Plan: plan, Prompts: set.Len(),
		Retry: a.Runtime.Retry, KeepBodies: a.KeepBodies,
		Client: d.Client, Source: set, Sink: d.Sink, Live: d.Live, Pacer: d.Pacer, Now: d.Now,
	})
	return report, err
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
