package load_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/tables"
)

func TestAClosedLoopHasExactlyItsUsersOnTheWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTrial(closedLoop(7, 10*time.Second))
		tr.server.takes = always(time.Second)
		report := tr.run(t, t.Context())
		if tr.server.most != 7 || report.Sent != 70 || report.Pacer != "" {
			t.Errorf("at most %d on the way, report %+v", tr.server.most, report)
		}
		for _, row := range tr.sink.requests {
			if row.IntendedAt != row.DispatchedAt || row.Phase != tables.PhaseMeasure {
				t.Errorf("row %+v", row)
			}
		}
		if s := report.Stages[0]; s.AchievedRatePerSecond.V != 7 || s.TargetUsers.V != 7 || s.TargetRatePerSecond.Valid {
			t.Errorf("stage %+v", s)
		}
	})
}

func TestUsersThinkBetweenTheirRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := closedLoop(2, 10*time.Second)
		l.ThinkTime = 1500 * time.Millisecond
		tr := newTrial(l)
		tr.server.takes = always(500 * time.Millisecond)
		if report := tr.run(t, t.Context()); report.Sent != 10 {
			t.Errorf("report %+v", report)
		}
	})
}

func TestAClosedLoopMeasuresExactlyTheRequestsThatAreAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := closedLoop(3, 0)
		l.Requests = 20
		tr := newTrial(l)
		tr.warmUp, tr.coolDown = 5*time.Second, 4*time.Second
		tr.server.takes = always(time.Second)
		report := tr.run(t, t.Context())
		count := map[tables.Phase]int{}
		for _, row := range tr.sink.requests {
			count[row.Phase]++
		}
		// 20 requests by 3 users take 7 s; in the last of them one user has a request left over.
		if count[tables.PhaseWarmUp] != 15 || count[tables.PhaseMeasure] != 20 || count[tables.PhaseCoolDown] != 1+12 {
			t.Errorf("phases have %v", count)
		}
		if report.MeasureUntil-report.MeasureFrom != tables.Instant(7*time.Second) || report.EndedAt-report.StartedAt != tables.Instant(16*time.Second) {
			t.Errorf("report %+v", report)
		}
	})
}

func TestRequestsAreSharedAmongWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seqs := map[int64]bool{}
		for worker := range 3 {
			l := closedLoop(4, 0)
			l.Requests = 10
			tr := newTrial(l)
			tr.Share = load.Share{Worker: worker, Workers: 3}
			tr.server.takes = always(time.Second)
			tr.run(t, t.Context())
			if want := []int{2, 1, 1}[worker]; tr.server.most != want {
				t.Errorf("worker %d has %d users", worker, tr.server.most)
			}
			for _, row := range tr.sink.requests {
				if seqs[row.Seq] || row.Worker != int32(worker) {
					t.Errorf("row %+v is there already", row)
				}
				seqs[row.Seq] = true
			}
		}
		if len(seqs) != 10 {
			t.Errorf("the workers made %d requests", len(seqs))
		}
	})
}

func TestMoreWorkersThanRequestsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := closedLoop(4, 0)
		l.Requests = 1
		tr := newTrial(l)
		tr.Share = load.Share{Worker: 2, Workers: 3}
		if report := tr.run(t, t.Context()); report.Sent != 0 {
			t.Errorf("report %+v", report)
		}
	})
}

func TestStagesRampTheUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTrial(scenarios.Load{Shape: "closed_loop", Stages: []scenarios.LoadStage{
			{Over: 10 * time.Second, Users: 2},
			{Over: 10 * time.Second, Users: 12},
			{Over: 10 * time.Second, Users: 1, Step: true},
			{Over: 10 * time.Second, Users: 3, Step: true},
		}})
		tr.coolDown = 2 * time.Second
		live := new(load.Live)
		tr.Live = live
		tr.server.takes = always(100 * time.Millisecond)
		var watching sync.WaitGroup
		for at, want := range map[int]int64{5: 2, 15: 7, 25: 1, 35: 3, 41: 3} {
			watching.Go(func() {
				time.Sleep(time.Duration(at)*time.Second + 70*time.Millisecond)
				s := live.Snapshot()
				if s.InFlight != want {
					t.Errorf("after %v s %d users ask, want %d", at, s.InFlight, want)
				}
				if want := int32(min(at/10, 3)); s.Stage != want {
					t.Errorf("after %v s it is in stage %d, want %d", at, s.Stage, want)
				}
			})
		}
		tr.run(t, t.Context())
		watching.Wait()
	})
}

func TestAUserWhoComesBackWaitsForHisOldAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTrial(scenarios.Load{Shape: "closed_loop", Stages: []scenarios.LoadStage{
			{Over: time.Second, Users: 4}, {Over: time.Second, Users: 1, Step: true}, {Over: 10 * time.Second, Users: 4, Step: true},
		}})
		tr.server.takes = always(5 * time.Second)
		tr.run(t, t.Context())
		if tr.server.most != 4 {
			t.Errorf("%d requests were on the way at once", tr.server.most)
		}
	})
}

func TestAUserEndsASessionBeforeBeginningAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := closedLoop(1, 0)
		l.Requests = 6
		tr := newTrial(l)
		tr.Prompts = 100
		tr.Source = oneWord{turns: 3, think: time.Second}
		tr.server.takes = always(time.Second)
		tr.run(t, t.Context())
		for i, row := range tr.sink.requests {
			if row.Turn != int32(i%3) || row.PromptID != tr.sink.requests[i/3*3].PromptID || row.SessionID == "" {
				t.Errorf("request %d is %+v", i, row)
			}
		}
	})
}

func TestAnInterruptedClosedLoopDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTrial(closedLoop(3, time.Hour))
		tr.server.takes = always(4 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		report := tr.run(t, ctx)
		if !report.Interrupted || report.Sent != 9 || report.Failed != 0 || len(tr.sink.requests) != 9 {
			t.Errorf("report %+v", report)
		}
	})
}
