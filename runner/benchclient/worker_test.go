package benchclient

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// server answers each request after a tenth of a second and counts words as tokens.
type server struct {
	mu    sync.Mutex
	asked int
	err   error
}

func (s *server) Generate(ctx context.Context, r load.Request, t *load.Timeline) (load.Answer, error) {
	s.mu.Lock()
	s.asked++
	s.mu.Unlock()
	if s.err != nil {
		return load.Answer{}, s.err
	}
	select {
	case <-time.After(100 * time.Millisecond):
	case <-ctx.Done():
		return load.Answer{ErrorKind: tables.ErrCancelledByRun}, nil
	}
	n := 7
	for _, m := range r.Prompt.Messages {
		n += len(strings.Fields(m.Content))
	}
	t.Token(tables.Instant(time.Now().UnixNano()), 1, tables.ChunkAnswer)
	return load.Answer{TokenSource: tables.TokensFromUsage, PromptTokens: tables.Some(int32(n)), OutputTokens: tables.Some[int32](1)}, nil
}

type sink struct {
	mu       sync.Mutex
	requests []tables.Request
	arrivals []tables.Arrival
	early    int // requests of the schedule that were written before it was
	fail     error
}

func (s *sink) WriteRequests(r []tables.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r...)
	for _, row := range r {
		if row.Seq >= 0 && len(s.arrivals) == 0 {
			s.early++
		}
	}
	return nil
}

func (s *sink) WriteArrivals(a []tables.Arrival) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.arrivals = append(s.arrivals, a...)
	return s.fail
}

func (s *sink) WriteBodies([]tables.Body) error { return nil }

func assignment() Assignment {
	return Assignment{
		TrialID: "r#1", Workers: 1, Seed: 7, Nonce: "n",
		PromptSet: scenarios.PromptSet{Kind: "synthetic", Prompts: 20, Cache: "cold", PromptTokens: scenarios.Constant(40)},
		Load: scenarios.Load{
			Shape: "constant_rate", RatePerSecond: 10, Over: 5 * time.Second, Arrivals: scenarios.Arrivals{Process: "poisson"},
		},
		WarmUp: time.Second,
	}
}

func deps(srv *server, to *sink) Deps {
	return Deps{Client: srv, Sink: to, Pacer: load.TimerPacer{}}
}

// run makes the load of an assignment that is one window.
func run(ctx context.Context, a Assignment, d Deps) (Report, error) {
	w, err := Open(ctx, a, d)
	if err != nil {
		return Report{}, err
	}
	defer w.Close()
	_, err = w.Make(ctx, a.Whole())
	return w.Report(), err
}

func TestAWorkerLearnsWritesTheScheduleAndThenAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, to := new(server), new(sink)
		report, err := run(t.Context(), assignment(), deps(srv, to))
		if err != nil {
			t.Fatal(err)
		}
		if to.early > 0 || len(to.arrivals) == 0 || int64(len(to.arrivals)) != report.Sent {
			t.Errorf("%d arrivals, %d requests before them, report %+v", len(to.arrivals), to.early, report)
		}
		if len(to.requests) != srv.asked {
			t.Errorf("%d rows of %d requests", len(to.requests), srv.asked)
		}
		probes := 0
		for _, row := range to.requests {
			if row.Seq < 0 {
				probes++
				if row.Phase != tables.PhaseWarmUp || !row.Final || row.DoneAt == 0 || row.DispatchedAt >= report.StartedAt {
					t.Errorf("probe %+v", row)
				}
				continue
			}
			a := to.arrivals[row.Seq]
			if row.PromptID != a.PromptID || row.IntendedAt != report.StartedAt+tables.Instant(a.IntendedAfterNS) {
				t.Errorf("row %+v is not arrival %+v", row, a)
			}
			if row.RequestedPromptTokens != 40 || row.PromptTokens.V != 40 {
				t.Errorf("a prompt of %d tokens is %d long", row.RequestedPromptTokens, row.PromptTokens.V)
			}
		}
		if probes != len(report.Prompts.Lengths.Probes) || probes == 0 || report.Prompts.Lengths.Overhead != 7 {
			t.Errorf("%d probes, facts %+v", probes, report.Prompts)
		}
		if report.MeasureUntil-report.MeasureFrom != tables.Instant(5*time.Second) || len(report.Stages) != 1 {
			t.Errorf("report %+v", report)
		}
	})
}

func TestWorkersTogetherWriteTheScheduleOfOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		arrivals := func(workers int) []tables.Arrival {
			to := new(sink)
			seqs := map[int64]bool{}
			for w := range workers {
				a := assignment()
				a.Worker, a.Workers = w, workers
				if _, err := run(t.Context(), a, deps(new(server), to)); err != nil {
					t.Fatal(err)
				}
			}
			for _, row := range to.requests {
				if seqs[row.Seq] {
					t.Errorf("seq %d is there twice", row.Seq)
				}
				seqs[row.Seq] = true
			}
			slices.SortFunc(to.arrivals, func(a, b tables.Arrival) int { return int(a.Seq - b.Seq) })
			return to.arrivals
		}
		if one, three := arrivals(1), arrivals(3); !slices.Equal(one, three) {
			t.Errorf("one worker has %d arrivals, three have %d", len(one), len(three))
		}
	})
}

func TestAnInterruptionWhileLearningIsNoError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
		defer cancel()
		srv, to := new(server), new(sink)
		report, err := run(ctx, assignment(), deps(srv, to))
		if err != nil || !report.Interrupted || len(to.arrivals) > 0 || len(to.requests) != srv.asked {
			t.Errorf("report %+v, error %v, %d rows of %d requests", report, err, len(to.requests), srv.asked)
		}
	})
}

func TestAnInterruptionOfTheLoadIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		srv, to := new(server), new(sink)
		report, err := run(ctx, assignment(), deps(srv, to))
		if err != nil || !report.Interrupted || report.Sent == 0 || len(to.requests) != srv.asked {
			t.Errorf("report %+v, error %v", report, err)
		}
	})
}

func TestWhatCannotBeDoneIsSaidBeforeAnybodyIsAsked(t *testing.T) {
	full := errors.New("no space left on device")
	for name, c := range map[string]struct {
		change func(*Assignment)
		sink   *sink
		want   error
	}{
		"a shape for later":       {func(a *Assignment) { a.Load = scenarios.Load{Shape: "replay"} }, &sink{}, load.ErrNotExecutable},
		"a load that asks naught": {func(a *Assignment) { a.Load.RatePerSecond = 0 }, &sink{}, nil},
		"prompts of no kind":      {func(a *Assignment) { a.PromptSet.Kind = "spoken" }, &sink{}, nil},
		"a schedule without room": {func(a *Assignment) { a.PromptSet.PromptTokens = scenarios.Distribution{} }, &sink{fail: full}, full},
	} {
		t.Run(name, func(t *testing.T) {
			srv, a := new(server), assignment()
			c.change(&a)
			if _, err := run(t.Context(), a, deps(srv, c.sink)); err == nil || srv.asked > 0 || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("%d requests were made, and it says %v", srv.asked, err)
			}
		})
	}
}

func TestAssignmentsAndReportsTravelAsJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := assignment()
		report, err := run(t.Context(), a, deps(new(server), new(sink)))
		if err != nil {
			t.Fatal(err)
		}
		var a2 Assignment
		var report2 Report
		for _, v := range [][2]any{{a, &a2}, {report, &report2}} {
			b, err := json.Marshal(v[0])
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(b, v[1]); err != nil {
				t.Fatal(err)
			}
		}
		if !reflect.DeepEqual(a, a2) || !reflect.DeepEqual(report, report2) {
			t.Errorf("%+v arrives as %+v", report, report2)
		}
	})
}
