package benchclient

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// slots is a server of known capacity: so many requests at once, each of a tenth of a second; the others wait in line.
type slots struct {
	free chan struct{}
	// refuses those that would wait.
	refuses bool
}

func (s *slots) Generate(ctx context.Context, _ load.Request, t *load.Timeline) (load.Answer, error) {
	if s.refuses {
		select {
		case s.free <- struct{}{}:
		default:
			return load.Answer{ErrorKind: tables.ErrHTTP429}, nil
		}
	} else {
		select {
		case s.free <- struct{}{}:
		case <-ctx.Done():
			return load.Answer{ErrorKind: tables.ErrCancelledByRun}, nil
		}
	}
	<-time.After(100 * time.Millisecond)
	<-s.free
	t.Token(tables.Instant(time.Now().UnixNano()), 1, tables.ChunkAnswer)
	return load.Answer{PromptTokens: tables.Some[int32](40), OutputTokens: tables.Some[int32](1), TokenSource: tables.TokensFromUsage}, nil
}

func TestAProbeIsHeldBelowTheCapacityAndEndedEarlyAboveIt(t *testing.T) {
	slo := &scenarios.SLO{Objectives: []scenarios.Objective{{Metric: "ttft", Stat: "p95", Limit: 0.3}, {Metric: "errors", Stat: "max_ratio", Limit: 0.02}}}
	for name, c := range map[string]struct {
		rate    float64
		refuses bool
		outcome string
		stopped bool
	}{
		"a quarter of the capacity": {10, false, tables.OutcomeHeld, false},
		"twice the capacity":        {80, false, tables.OutcomeOverloaded, true},
		"twice, with refusals":      {80, true, tables.OutcomeOverloaded, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			a, to := assignment(), new(sink)
			a.Load, a.WarmUp = scenarios.Load{Shape: "search"}, 0
			w, err := Open(t.Context(), a, Deps{Client: &slots{free: make(chan struct{}, 4), refuses: c.refuses}, Sink: to, Pacer: load.TimerPacer{}})
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			learned := len(to.requests)
			in := Window{
				Window: load.Window{Kind: tables.KindProbe, Stage: 3, Seq: 500}, SLO: slo, Seed: 3,
				Load: scenarios.Load{Shape: "constant_rate", RatePerSecond: c.rate, Over: time.Minute, Arrivals: scenarios.Arrivals{Process: "poisson"}},
			}
			made, err := w.Make(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			if d := made.Evidence.Decide(false); d.Outcome != c.outcome || made.Stopped != c.stopped || made.Interrupted {
				t.Errorf("%s: %+v, stopped %v, interrupted %v", name, d, made.Stopped, made.Interrupted)
			}
			length := time.Duration(made.Stages[0].UntilAt - made.Stages[0].FromAt)
			if c.stopped != (length < 20*time.Second) {
				t.Errorf("%s: the probe went on for %s", name, length)
			}
			if n := int64(len(to.requests) - learned); n != made.Evidence.Requests || n != made.Sent || made.NextSeq < 500+n {
				t.Errorf("%s: %d rows, evidence of %d, %d sent, next is %d", name, n, made.Evidence.Requests, made.Sent, made.NextSeq)
			}
		})
	}
}

func TestAProbeThatIsInterruptedSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		a := assignment()
		w, err := Open(ctx, a, deps(new(server), new(sink)))
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		in := a.Whole()
		in.SLO = &scenarios.SLO{Objectives: []scenarios.Objective{{Metric: "ttft", Stat: "p95", Limit: 0.3}}}
		if made, err := w.Make(ctx, in); err != nil || !made.Interrupted || made.Stopped {
			t.Errorf("%+v, %v", made, err)
		}
	})
}
