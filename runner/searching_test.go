package runner

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llmscen/llmscen/runner/benchclient"
	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// fourSlots is a server of four slots and a tenth of a second for each request: it holds 40 requests a second.
type fourSlots struct {
	slots chan struct{}
	died  chan struct{} // closed when it has answered as many as dies says; 0: never
	dies  int
	mu    sync.Mutex
	count int
}

func (f *fourSlots) Generate(ctx context.Context, _ load.Request, t *load.Timeline) (load.Answer, error) {
	f.mu.Lock()
	f.count++
	if f.count == f.dies {
		close(f.died)
	}
	dead := f.dies > 0 && f.count >= f.dies
	f.mu.Unlock()
	if dead {
		return load.Answer{ErrorKind: tables.ErrRefused}, nil
	}
	select {
	case f.slots <- struct{}{}:
	case <-ctx.Done():
		return load.Answer{ErrorKind: tables.ErrCancelledByRun}, nil
	}
	<-time.After(100 * time.Millisecond)
	<-f.slots
	t.Token(tables.Instant(time.Now().UnixNano()), 1, tables.ChunkAnswer)
	return load.Answer{PromptTokens: tables.Some[int32](8), OutputTokens: tables.Some[int32](1), TokenSource: tables.TokensFromUsage}, nil
}

// ledger is a driver, a worker and a recorder of one trial on a fourSlots.
type ledger struct {
	server   *fourSlots
	mu       sync.Mutex
	requests []tables.Request
	arrivals []tables.Arrival
	early    int // requests that were written before their arrival
	events   []tables.Event
	sealed   Sealing
}

func (l *ledger) Start(context.Context, Deployment) (Endpoint, error) {
	return Endpoint{Targets: []Target{{ID: "t"}}, Died: l.server.died, Death: func() string { return "killed by signal 9" }}, nil
}
func (l *ledger) Stop(context.Context, Deployment) error    { return nil }
func (l *ledger) Trial(tables.Trial) (TrialRecorder, error) { return l, nil }
func (l *ledger) WriteBodies([]tables.Body) error           { return nil }
func (l *ledger) WriteSeries([]tables.Series) error         { return nil }
func (l *ledger) WriteSamples([]tables.Sample) error        { return nil }
func (l *ledger) Seal(_ context.Context, s Sealing) (Verdict, error) {
	l.sealed = s
	return Verdict{}, nil
}

func (l *ledger) Note(e []tables.Event, _ []tables.Target) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e...)
	return nil
}

func (l *ledger) WriteRequests(rows []tables.Request) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range rows {
		if r.Seq >= 0 && !slices.ContainsFunc(l.arrivals, func(a tables.Arrival) bool { return a.Seq == r.Seq && a.Stage == r.Stage }) {
			l.early++
		}
		l.requests = append(l.requests, r)
	}
	return nil
}

func (l *ledger) WriteArrivals(rows []tables.Arrival) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.arrivals = append(l.arrivals, rows...)
	return nil
}

func (l *ledger) Open(ctx context.Context, a benchclient.Assignment, sink load.Sink) (Maker, error) {
	return benchclient.Open(ctx, a, benchclient.Deps{Client: l.server, Sink: sink, Pacer: load.TimerPacer{}})
}

// said are the sentences of a kind of event.
func (l *ledger) said(kind string) []string {
	var all []string
	for _, e := range l.events {
		if e.Kind == kind {
			all = append(all, e.Message)
		}
	}
	return all
}

// searched applies one search on a server that dies after so many requests; 0: it does not.
func searched(t *testing.T, ctx context.Context, l scenarios.Load, dies int) *ledger {
	t.Helper()
	book := &ledger{server: &fourSlots{slots: make(chan struct{}, 4), died: make(chan struct{}), dies: dies}}
	l.Addr, l.Shape, l.Tolerance = "load.knee", "search", 0.02
	cell := gentle(1, nil)
	cell.Load, cell.WarmUp = l, 0
	cell.PromptSet.PromptTokens, cell.PromptSet.Tokenizer = scenarios.Constant(8), "calibrate"
	cell.SLO = &scenarios.SLO{Objectives: []scenarios.Objective{{Metric: "ttft", Stat: "p95", Limit: 0.2, Unit: "seconds"}}}
	p, err := NewPlan(&scenarios.Scenario{Name: "s", Runs: []scenarios.Run{{Name: "r", Trials: 1, Seed: 1, Cells: []scenarios.Cell{cell}}}}, "/results")
	if err != nil || len(p.NotExecutable) > 0 || p.EstimatedDuration == 0 {
		t.Fatalf("%v %+v", err, p)
	}
	j, err := OpenJournal(t.TempDir(), "id")
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	began := time.Now()
	_, err = Apply(ctx, p, Deps{ApplyID: "id", Driver: book, Recorder: book, Journal: j,
		Equip: func(Trial, Endpoint, benchclient.Assignment, func(string)) (Equipment, error) {
			return Equipment{Worker: book}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > p.EstimatedDuration+time.Minute {
		t.Errorf("it took %s, estimated at most %s", took, p.EstimatedDuration)
	}
	return book
}

// bracket is the highest target that was held and the lowest that was not; 0: none.
func (l *ledger) bracket() (held, lost float64) {
	for _, s := range l.sealed.Report.Stages {
		target := max(s.TargetRatePerSecond.V, s.TargetUsers.V)
		switch {
		case s.Kind != tables.KindProbe:
		case s.Outcome == tables.OutcomeHeld || s.Outcome == tables.OutcomeLikelyHeld:
			held = max(held, target)
		case s.Outcome != "" && s.Outcome != tables.OutcomeUndecided && (lost == 0 || target < lost):
			lost = target
		}
	}
	return held, lost
}

func TestASearchFindsTheCapacityAndThenLoadsMultiplesOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		book := searched(t, t.Context(), scenarios.Load{From: 3, To: 500, Over: time.Minute, Then: []scenarios.SearchStage{
			{Over: 10 * time.Second, CapacityRatio: 0.5}, {Over: 10 * time.Second, CapacityRatio: 2}, {Over: 30 * time.Second, CapacityRatio: 0.5},
		}}, 0)
		held, lost := book.bracket()
		// With even arrivals nobody waits up to 40 a second. Above it the wait of the 95th of 100 arrivals is 57 s times the
		// excess, and the SLO leaves a tenth of a second: 0.2 % of excess are still held.
		if held > 40*1.002 || lost <= 40 || lost > held*1.02 {
			t.Errorf("the capacity is 40, and the search says from %v to %v", held, lost)
		}
		if s := book.said("capacity"); len(s) != 1 || !strings.Contains(s[0], "(ttft p95)") {
			t.Errorf("it says %q", s)
		}
		stages := book.sealed.Report.Stages
		for i, s := range stages {
			if s.Stage != int32(i) {
				t.Errorf("stage %d is number %d", i, s.Stage)
			}
		}
		for i, ratio := range []float64{0.5, 2, 0.5} {
			if s := stages[len(stages)-3+i]; s.Kind != tables.KindStress || s.TargetRatePerSecond.V != ratio*held || s.Outcome != "" {
				t.Errorf("stage at %v times the capacity: %+v", ratio, s)
			}
		}
		seen := map[int64]bool{}
		for _, r := range book.requests {
			if seen[r.Seq] {
				t.Errorf("number %d is there twice", r.Seq)
			}
			seen[r.Seq] = true
		}
		if book.early > 0 || book.server.count != len(book.requests) {
			t.Errorf("%d rows of %d requests, %d without a schedule", len(book.requests), book.server.count, book.early)
		}
	})
}

func TestASearchOfUsersFindsHowManyOnesNobodyWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Eight users on four slots: each waits for one other, two tenths in all. The ninth makes some wait for two.
		book := searched(t, t.Context(), scenarios.Load{From: 1, To: 64, Of: "users", Over: 20 * time.Second}, 0)
		if held, lost := book.bracket(); held != 8 || lost != 9 {
			t.Errorf("%v users are held, and %v not", held, lost)
		}
	})
}

func TestASearchSaysWhereItsRangeEnds(t *testing.T) {
	then := []scenarios.SearchStage{{Over: time.Second, CapacityRatio: 1}}
	for _, c := range []struct {
		from, to float64
		capacity string
		stages   int
	}{
		{100, 200, "no capacity: 100/s, the lowest that was tried, was not held (ttft p95)", 1},
		{10, 25, "the capacity is at least 25/s, the highest that was tried", 4},
	} {
		synctest.Test(t, func(t *testing.T) {
			book := searched(t, t.Context(), scenarios.Load{From: c.from, To: c.to, Over: 15 * time.Second, Then: then}, 0)
			if s := book.said("capacity"); len(s) != 1 || s[0] != c.capacity || len(book.sealed.Report.Stages) != c.stages {
				t.Errorf("it says %q after %d stages", s, len(book.sealed.Report.Stages))
			}
			if skipped := book.said("stress_skipped"); (len(skipped) == 1) != (c.stages == 1) {
				t.Errorf("it says %q", skipped)
			}
		})
	}
}

func TestASearchEndsWhenTheRuntimeDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		book := searched(t, t.Context(), scenarios.Load{From: 10, To: 500, Over: 15 * time.Second, Then: []scenarios.SearchStage{{Over: time.Second, CapacityRatio: 2}}}, 350)
		held, lost := book.bracket()
		if held != 10 || lost != 20 || len(book.sealed.Report.Stages) != 2 || len(book.said("stress_skipped")) != 1 || book.sealed.RuntimeDied == "" {
			t.Errorf("held %v, not %v, %q, %q", held, lost, book.said("probe"), book.sealed.RuntimeDied)
		}
	})
}

func TestASearchThatIsInterruptedKeepsWhatItFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 35*time.Second)
		defer cancel()
		book := searched(t, ctx, scenarios.Load{From: 10, To: 500, Over: 15 * time.Second}, 0)
		stages := book.sealed.Report.Stages
		if held, lost := book.bracket(); held != 20 || lost != 0 || len(stages) != 3 || stages[2].Outcome != "" {
			t.Errorf("held %v, not %v: %s", held, lost, fmt.Sprint(stages))
		}
		if book.sealed.Trial.Status != tables.StatusInterrupted || !book.sealed.Report.Interrupted {
			t.Errorf("%s, %+v", book.sealed.Trial.Status, book.sealed.Report)
		}
	})
}
