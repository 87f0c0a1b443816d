package load_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// server is a fake client: it answers after a while that it chooses for each request.
type server struct {
	takes func(load.Request) time.Duration
	// says changes the answer; nil: all is well.
	says func(load.Request, *load.Answer)
	err  func(load.Request) error

	mu             sync.Mutex
	inFlight, most int
	asked          []load.Request
	at             []time.Time
}

func (s *server) Generate(ctx context.Context, r load.Request, t *load.Timeline) (load.Answer, error) {
	s.mu.Lock()
	s.inFlight++
	s.most = max(s.most, s.inFlight)
	s.asked = append(s.asked, r)
	s.at = append(s.at, time.Now())
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.inFlight--
		s.mu.Unlock()
	}()
	if s.err != nil {
		if err := s.err(r); err != nil {
			return load.Answer{}, err
		}
	}
	t.WroteAt = tables.Instant(time.Now().UnixNano())
	var d time.Duration
	if s.takes != nil {
		d = s.takes(r)
	}
	if !passes(ctx, d) {
		kind := tables.ErrCancelledByRun
		if context.Cause(ctx) == load.ErrTotalTimeout {
			kind = tables.ErrTotalTimeout
		}
		return load.Answer{ErrorKind: kind, ErrorText: fmt.Sprint(context.Cause(ctx))}, nil
	}
	t.Token(tables.Instant(time.Now().UnixNano()), 1, tables.ChunkAnswer)
	a := load.Answer{Output: "yes", HTTPStatus: 200, OutputTokens: tables.Some[int32](1), PromptTokens: tables.Some[int32](3)}
	if s.says != nil {
		s.says(r, &a)
	}
	return a, nil
}

// passes waits for d; false: ctx ended before. It makes no timer that is due at once: in virtual time two goroutines that
// read such timers side by side share one context of the race detector, which then ends the process (Go 1.26).
func passes(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func always(d time.Duration) func(load.Request) time.Duration {
	return func(load.Request) time.Duration { return d }
}

// oneWord is a source of prompts that are all alike, in sessions of as many turns as it says.
type oneWord struct {
	turns int32
	think time.Duration
}

func (o oneWord) Prompt(t load.Turn) (load.Prompt, bool, error) {
	return load.Prompt{
		Messages:  append(t.Before[:len(t.Before):len(t.Before)], load.Message{Role: "user", Content: "word"}),
		HasNext:   t.Turn+1 < o.turns,
		ThinkTime: o.think,
	}, true, nil
}

// kept is a sink that remembers.
type kept struct {
	mu       sync.Mutex
	requests []tables.Request
	bodies   []tables.Body
	fail     error
	hold     <-chan struct{}
}

func (k *kept) WriteRequests(r []tables.Request) error {
	if k.hold != nil {
		<-k.hold
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, row := range r {
		row.TokenDeltaUS = append([]int32(nil), row.TokenDeltaUS...)
		k.requests = append(k.requests, row)
	}
	return k.fail
}

func (k *kept) WriteArrivals([]tables.Arrival) error { return nil }

func (k *kept) WriteBodies(b []tables.Body) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.bodies = append(k.bodies, b...)
	return nil
}

// trial is a load with everything that the test does not care about filled in.
type trial struct {
	load.Options
	warmUp, coolDown time.Duration
	seed             int64
	server           *server
	sink             *kept
}

func newTrial(l scenarios.Load) *trial {
	return &trial{Options: load.Options{TrialID: "t#1", Load: l}, server: &server{}, sink: &kept{}}
}

func (tr *trial) plan(t testing.TB) *load.Plan {
	t.Helper()
	p, err := load.NewPlan(tr.Load, tr.warmUp, tr.coolDown, tr.seed)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (tr *trial) run(t testing.TB, ctx context.Context) load.Report {
	t.Helper()
	r, err := tr.tryRun(t, ctx)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (tr *trial) tryRun(t testing.TB, ctx context.Context) (load.Report, error) {
	t.Helper()
	o := tr.Options
	o.Plan, o.Client, o.Sink, o.Pacer = tr.plan(t), tr.server, tr.sink, load.TimerPacer{}
	if o.Source == nil {
		o.Source = oneWord{}
	}
	return load.Run(ctx, o)
}

func constantRate(rate float64, over time.Duration) scenarios.Load {
	return scenarios.Load{Shape: "constant_rate", RatePerSecond: rate, Over: over}
}

func closedLoop(users int, over time.Duration) scenarios.Load {
	return scenarios.Load{Shape: "closed_loop", Users: users, Over: over}
}

func arrivalsOf(p *load.Plan, share load.Share, prompts int64) []load.Arrival {
	var all []load.Arrival
	for s := p.Schedule(share, prompts); ; {
		a, ok := s.Next()
		if !ok {
			return all
		}
		all = append(all, a)
	}
}
