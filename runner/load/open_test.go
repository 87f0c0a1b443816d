package load_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/tables"
)

func TestOpenLoadKeepsItsScheduleWhileTheServerStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTrial(constantRate(10, 20*time.Second))
		tr.server.takes = func(r load.Request) time.Duration {
			if r.Seq >= 50 && r.Seq < 100 {
				return 8 * time.Second
			}
			return 30 * time.Millisecond
		}
		report := tr.run(t, t.Context())
		if report.Sent != 200 || report.NotSent != 0 || report.Failed != 0 || report.MaxLag != 0 {
			t.Errorf("report is %+v", report)
		}
		for _, row := range tr.sink.requests {
			want := report.StartedAt + tables.Instant(row.Seq*int64(100*time.Millisecond))
			if row.IntendedAt != want || row.DispatchedAt != want {
				t.Errorf("request %d was intended %d and sent %d ns after its time", row.Seq, row.IntendedAt-want, row.DispatchedAt-want)
			}
		}
		if s := report.Stages[0]; s.AchievedRatePerSecond.V != 10 || s.UntilAt-s.FromAt != tables.Instant(20*time.Second) {
			t.Errorf("stage is %+v", s)
		}
	})
}

// lateness is a pacer on a machine that is too busy: it returns late, by more and more.
type lateness struct {
	load.TimerPacer
	by time.Duration
}

func (l *lateness) Wait(ctx context.Context, at time.Time) error {
	l.by += time.Millisecond
	return l.TimerPacer.Wait(ctx, at.Add(l.by))
}

func TestLateRequestsAreStillSentAndCountFromTheirIntendedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTrial(constantRate(100, time.Second))
		o := tr.Options
		o.Plan, o.Client, o.Sink, o.Source, o.Pacer = tr.plan(t), tr.server, tr.sink, oneWord{}, &lateness{}
		report, err := load.Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if report.Sent != 100 || report.MaxLag != 100*time.Millisecond {
			t.Errorf("report is %+v", report)
		}
		for _, row := range tr.sink.requests {
			if row.IntendedAt != report.StartedAt+tables.Instant(row.Seq*int64(10*time.Millisecond)) || row.DispatchedAt <= row.IntendedAt {
				t.Errorf("request %d was intended at %d", row.Seq, row.IntendedAt-report.StartedAt)
			}
		}
	})
}

func TestNoRequestLeavesBeforeItIsIntended(t *testing.T) {
	for name, l := range map[string]scenarios.Load{
		"gamma": {Shape: "constant_rate", RatePerSecond: 37, Over: time.Minute, Arrivals: scenarios.Arrivals{Process: "gamma", Burstiness: 0.3}},
		"ramp":  {Shape: "ramping_rate", Stages: []scenarios.LoadStage{{Over: time.Second, RatePerSecond: 3}, {Over: time.Minute, RatePerSecond: 33}}},
		"burst": {Shape: "burst", FloorPerSecond: 3, PeakPerSecond: 200, Every: 10 * time.Second, Width: time.Second, Over: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr := newTrial(l)
				tr.warmUp, tr.coolDown = 2*time.Second, time.Second
				tr.server.takes = always(time.Second)
				report := tr.run(t, t.Context())
				schedule := arrivalsOf(tr.plan(t), load.Share{}, 1)
				if len(tr.sink.requests) != len(schedule) {
					t.Fatalf("%d rows of %d arrivals", len(tr.sink.requests), len(schedule))
				}
				for _, row := range tr.sink.requests {
					a := schedule[row.Seq]
					if row.IntendedAt != report.StartedAt+tables.Instant(a.After) || row.Phase != a.Phase || row.Stage != a.Stage || row.PromptID != a.PromptID {
						t.Errorf("row %+v is not arrival %+v", row, a)
					}
					if row.DispatchedAt < row.IntendedAt {
						t.Errorf("request %d left %d ns early", row.Seq, row.IntendedAt-row.DispatchedAt)
					}
				}
			})
		})
	}
}

func TestArrivalsBeyondTheCapAreRowsThatWereNeverBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := constantRate(10, 10*time.Second)
		l.MaxInFlight = 5
		tr := newTrial(l)
		tr.server.takes = always(time.Second - time.Millisecond)
		live := new(load.Live)
		tr.Live = live
		report := tr.run(t, t.Context())
		if report.Sent != 50 || report.NotSent != 50 || tr.server.most != 5 || len(tr.sink.requests) != 100 {
			t.Errorf("report is %+v with %d in flight and %d rows", report, tr.server.most, len(tr.sink.requests))
		}
		for _, row := range tr.sink.requests {
			if sent := row.Seq%10 < 5; sent == (row.ErrorKind == tables.ErrNotSentCap) || sent == (row.DispatchedAt == 0) || !row.Final || row.IntendedAt == 0 {
				t.Errorf("row %+v", row)
			}
		}
		if s := live.Snapshot(); s.Due != 100 || s.Errors[tables.ErrNotSentCap] != 50 || s.InFlight != 0 || s.Finished != 100 {
			t.Errorf("live says %+v", s)
		}
		if rate := report.Stages[0].AchievedRatePerSecond.V; rate != 5 {
			t.Errorf("the stage achieved %v per second", rate)
		}
	})
}

func TestASinkThatBlocksLosesNoRowAndIsBlamedForWhatCouldNotBeSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		time.AfterFunc(8*time.Second, func() { close(hold) })
		l := constantRate(2000, 5*time.Second)
		l.MaxInFlight = 100
		tr := newTrial(l)
		tr.sink.hold = hold
		report := tr.run(t, t.Context())
		if len(tr.sink.requests) != 10_000 {
			t.Fatalf("%d rows of 10000", len(tr.sink.requests))
		}
		count := map[tables.ErrorKind]int{}
		for _, row := range tr.sink.requests {
			count[row.ErrorKind]++
		}
		if count[tables.ErrClientSaturated] == 0 || count[tables.ErrNotSentCap] != 0 || report.SinkBlocked == 0 {
			t.Errorf("kinds are %v, blocked for %v", count, report.SinkBlocked)
		}
	})
}

func TestWhatIsOnItsWayWhenTheLoadEndsMayEndInTheDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := constantRate(1, 10*time.Second)
		l.DrainTimeout = 5 * time.Second
		tr := newTrial(l)
		tr.server.takes = func(r load.Request) time.Duration {
			return map[int64]time.Duration{8: 6 * time.Second, 9: 7 * time.Second}[r.Seq] // 8 ends in the drain, 9 after it
		}
		report := tr.run(t, t.Context())
		slices.SortFunc(tr.sink.requests, func(a, b tables.Request) int { return int(a.Seq - b.Seq) })
		if k := tr.sink.requests[8].ErrorKind; k != "" {
			t.Errorf("request 8 ended with %s", k)
		}
		row := tr.sink.requests[9]
		if row.ErrorKind != tables.ErrCancelledByRun || row.DoneAt != report.StartedAt+tables.Instant(15*time.Second) {
			t.Errorf("request 9 is %+v", row)
		}
		if report.Interrupted || report.EndedAt != row.DoneAt {
			t.Errorf("report is %+v", report)
		}
	})
}

func TestAnInterruptedLoadStopsItsArrivalsAndDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTrial(scenarios.Load{Shape: "ramping_rate", Stages: []scenarios.LoadStage{
			{Over: 10 * time.Second, RatePerSecond: 1}, {Over: 10 * time.Second, RatePerSecond: 1}, {Over: 10 * time.Second, RatePerSecond: 1},
		}})
		tr.server.takes = always(4 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 12500*time.Millisecond)
		defer cancel()
		report := tr.run(t, ctx)
		if !report.Interrupted || len(tr.sink.requests) != 13 || report.Failed != 0 {
			t.Errorf("%d rows, report %+v", len(tr.sink.requests), report)
		}
		if report.Stages[1].AchievedRatePerSecond.V < 1 || report.Stages[1].UntilAt != report.MeasureUntil || report.Stages[2].FromAt != 0 {
			t.Errorf("stages are %+v", report.Stages)
		}
	})
}

func TestNowCancelsEverythingAtOnce(t *testing.T) {
	for name, l := range map[string]scenarios.Load{"open": constantRate(1, time.Minute), "closed": closedLoop(6, time.Minute)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				now := make(chan struct{})
				time.AfterFunc(5500*time.Millisecond, func() { close(now) })
				tr := newTrial(l)
				tr.Now = now
				tr.server.takes = always(time.Hour)
				began := time.Now()
				report := tr.run(t, t.Context())
				if took := time.Since(began); took != 5500*time.Millisecond || !report.Interrupted {
					t.Errorf("it took %v: %+v", took, report)
				}
				for _, row := range tr.sink.requests {
					if row.ErrorKind != tables.ErrCancelledByRun {
						t.Errorf("row %+v", row)
					}
				}
				if len(tr.sink.requests) != 6 {
					t.Errorf("%d rows", len(tr.sink.requests))
				}
			})
		})
	}
}

func TestARequestThatTakesTooLongEndsWithItsCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := constantRate(1, 3*time.Second)
		l.Timeout = 2 * time.Second
		tr := newTrial(l)
		tr.server.takes = always(time.Hour)
		report := tr.run(t, t.Context())
		for _, row := range tr.sink.requests {
			if row.ErrorKind != tables.ErrTotalTimeout || row.DoneAt-row.DispatchedAt != tables.Instant(2*time.Second) {
				t.Errorf("row %+v", row)
			}
		}
		if report.Failed != 3 {
			t.Errorf("report %+v", report)
		}
	})
}

func TestATurnIsDueWhenTheAnswerBeforeAndTheThinkingAreOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTrial(constantRate(1, 10*time.Second))
		tr.Share = load.Share{Worker: 1, Workers: 2}
		tr.Source = oneWord{turns: 3, think: 2 * time.Second}
		tr.server.takes = always(time.Second)
		tr.run(t, t.Context())
		turns := map[string][]tables.Request{}
		seqs := map[int64]bool{}
		for _, row := range tr.sink.requests {
			turns[row.SessionID] = append(turns[row.SessionID], row)
			if seqs[row.Seq] || row.Seq%2 != 1 {
				t.Errorf("seq %d is taken, or another worker's", row.Seq)
			}
			seqs[row.Seq] = true
		}
		// Sessions begin at 1, 3, 5, 7 and 9 s; a turn takes 3 s, and none begins after 10 s.
		if len(turns) != 5 || len(tr.sink.requests) != 3+3+2+1+1 {
			t.Errorf("sessions are %v", turns)
		}
		for _, rows := range turns {
			for i := 1; i < len(rows); i++ {
				if rows[i].Turn != int32(i) || rows[i].IntendedAt != rows[i-1].DoneAt+tables.Instant(2*time.Second) || rows[i].PromptID != rows[0].PromptID {
					t.Errorf("turn %d is %+v", i, rows[i])
				}
			}
		}
	})
}

func TestBodiesAreKeptAsAsked(t *testing.T) {
	for keep, want := range map[scenarios.KeepBodies]int{"": 0, scenarios.KeepNone: 0, scenarios.KeepErrors: 1, scenarios.KeepAll: 4} {
		synctest.Test(t, func(t *testing.T) {
			tr := newTrial(constantRate(1, 4*time.Second))
			tr.KeepBodies = keep
			tr.server.says = func(r load.Request, a *load.Answer) {
				if r.Seq == 2 {
					a.ErrorKind = tables.ErrTruncated
				}
				if r.KeepOutput != (want > 0) {
					t.Errorf("keeping %q asks for the output: %v", keep, r.KeepOutput)
				}
			}
			tr.run(t, t.Context())
			if len(tr.sink.bodies) != want {
				t.Errorf("keeping %q kept %v", keep, tr.sink.bodies)
			}
		})
	}
}

func TestALoadEndsWhenItsRowsCanNoLongerBeKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := errors.New("no space left on device")
		tr := newTrial(constantRate(10, time.Hour))
		tr.sink.fail = full
		began := time.Now()
		_, err := tr.tryRun(t, t.Context())
		if !errors.Is(err, full) || time.Since(began) > time.Second {
			t.Errorf("it ended after %v with %v", time.Since(began), err)
		}
	})
}

func TestALoadEndsWhenAskingIsPointless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := errors.New("the address is refused")
		tr := newTrial(constantRate(10, time.Hour))
		tr.server.err = func(load.Request) error { return refused }
		_, err := tr.tryRun(t, t.Context())
		if !errors.Is(err, refused) || len(tr.sink.requests) == 0 || !tr.sink.requests[0].Final {
			t.Errorf("it ended with %v and rows %v", err, tr.sink.requests)
		}
	})
}

func TestHoursPassInVirtualTimeAndNothingPilesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTrial(scenarios.Load{Shape: "soak", RatePerSecond: 5, Over: 6 * time.Hour, Arrivals: scenarios.Arrivals{Process: "poisson"}})
		tr.server.takes = always(100 * time.Millisecond)
		counting := &counter{}
		o := tr.Options
		o.Plan, o.Client, o.Sink, o.Source, o.Pacer = tr.plan(t), quick{tr.server}, counting, oneWord{}, load.TimerPacer{}
		report, err := load.Run(t.Context(), o)
		if err != nil || report.Sent != counting.rows || math.Abs(float64(report.Sent)-108_000) > 5*math.Sqrt(108_000) {
			t.Errorf("%d rows, report %+v, error %v", counting.rows, report, err)
		}
		if report.MaxLag != 0 {
			t.Errorf("a request was %v late", report.MaxLag)
		}
	})
}

// quick is a server that remembers nothing.
type quick struct{ *server }

func (q quick) Generate(ctx context.Context, r load.Request, t *load.Timeline) (load.Answer, error) {
	time.Sleep(q.takes(r))
	for range 16 {
		t.Token(t.DispatchedAt+1, 1, tables.ChunkAnswer)
	}
	return load.Answer{HTTPStatus: 200}, nil
}

// counter is a sink that counts.
type counter struct {
	mu   sync.Mutex
	rows int64
}

func (c *counter) WriteRequests(r []tables.Request) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rows += int64(len(r))
	return nil
}
func (c *counter) WriteArrivals([]tables.Arrival) error { return nil }
func (c *counter) WriteBodies([]tables.Body) error      { return nil }
