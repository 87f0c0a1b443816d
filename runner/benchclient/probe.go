package benchclient

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/runner/search"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// lookEvery is how often a probe is looked at for overload.
const lookEvery = 100 * time.Millisecond

// probe makes a load whose requests are held against objectives as they end. It stops, and drains, as soon as the server
// gets more than it can do.
func probe(ctx context.Context, in Window, o load.Options) (Made, error) {
	t := &tallying{Sink: o.Sink, tally: search.NewTally(in.SLO)}
	o.Sink = t
	var backlog search.Backlog
	var stopped atomic.Bool
	arriving, stop := context.WithCancel(ctx)
	defer stop()
	over := make(chan struct{})
	var watching sync.WaitGroup
	start := time.Now()
	watching.Go(func() {
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for {
			select {
			case <-over:
				return
			case <-arriving.Done():
				return
			case now := <-tick.C:
				at := now.Sub(start)
				if at < o.Plan.MeasureFrom || o.Plan.MeasureUntil > 0 && at > o.Plan.MeasureUntil {
					continue
				}
				due, inFlight := o.Live.OnTheirWay()
				backlog.Look(at, due, inFlight)
				if t.overwhelmed() || o.Load.Open() && backlog.RunsAway(t.medianTotal) {
					stopped.Store(true)
					stop()
					return
				}
			}
		}
	})
	report, err := load.Run(arriving, o)
	close(over)
	watching.Wait()
	report.Interrupted = ctx.Err() != nil
	made := Made{Report: report, Stopped: stopped.Load(), Evidence: t.tally.Evidence()}
	made.Evidence.BacklogGrew = o.Load.Open() && backlog.Grew(t.medianTotal)
	return made, err
}

// tallying is a sink that keeps count of what passes. It does so off the measured path, where rows are written.
type tallying struct {
	load.Sink
	mu    sync.Mutex
	tally *search.Tally
}

func (t *tallying) WriteRequests(rows []tables.Request) error {
	t.mu.Lock()
	for i := range rows {
		t.tally.Add(&rows[i])
	}
	t.mu.Unlock()
	return t.Sink.WriteRequests(rows)
}

func (t *tallying) overwhelmed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tally.Overwhelmed()
}

func (t *tallying) medianTotal() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tally.MedianTotal()
}
