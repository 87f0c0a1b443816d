package load_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/tables"
)

func TestWindowsOfATrialGoOnNumberingWhereTheOneBeforeEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stages := scenarios.Load{Shape: "ramping_rate", Stages: []scenarios.LoadStage{
			{Over: time.Second, RatePerSecond: 5, Step: true}, {Over: time.Second, RatePerSecond: 20, Step: true},
		}}
		to, w := &kept{}, load.Window{Kind: "probe"}
		var made []tables.Stage
		sent := int64(0)
		for _, l := range []scenarios.Load{constantRate(10, time.Second), closedLoop(3, time.Second), stages} {
			tr := newTrial(l)
			tr.warmUp = 200 * time.Millisecond
			p := tr.plan(t).Within(w)
			r, err := load.Run(t.Context(), load.Options{
				TrialID: "t#1", Load: l, Plan: p, Client: &server{takes: always(150 * time.Millisecond)}, Source: oneWord{turns: 2}, Sink: to, Pacer: load.TimerPacer{},
			})
			if err != nil {
				t.Fatal(err)
			}
			if r.NextSeq < w.Seq+r.Sent {
				t.Errorf("%d requests from %d on, and the next is %d", r.Sent, w.Seq, r.NextSeq)
			}
			made, sent = append(made, r.Stages...), sent+r.Sent
			w.Seq, w.Stage = r.NextSeq, w.Stage+int32(len(r.Stages))
		}
		for i, s := range made {
			if s.Stage != int32(i) || s.Kind != "probe" || s.AchievedRatePerSecond.V == 0 {
				t.Errorf("stage %d: %+v", i, s)
			}
		}
		seen, stage := map[int64]bool{}, map[int64]int32{}
		for _, row := range to.requests {
			if seen[row.Seq] {
				t.Errorf("number %d is there twice", row.Seq)
			}
			seen[row.Seq], stage[row.Seq] = true, row.Stage
			if s := made[row.Stage]; row.Phase == tables.PhaseMeasure && (row.IntendedAt < s.FromAt || row.IntendedAt >= s.UntilAt) {
				t.Errorf("a request of stage %d was due outside of it", row.Stage)
			}
		}
		if len(made) != 4 || int64(len(seen)) != sent {
			t.Errorf("%d stages, %d numbers of %d requests", len(made), len(seen), sent)
		}
	})
}

func TestTheScheduleOfAWindowIsThatOfTheLoadWithOtherNumbers(t *testing.T) {
	tr := newTrial(constantRate(10, 3*time.Second))
	tr.seed = 7
	alone := arrivalsOf(tr.plan(t), load.Share{}, 5)
	together := 0
	for w := range 3 {
		for _, a := range arrivalsOf(tr.plan(t).Within(load.Window{Stage: 4, Seq: 100}), load.Share{Worker: w, Workers: 3}, 5) {
			want := alone[a.Seq-100]
			want.Seq, want.Stage = want.Seq+100, want.Stage+4
			if a != want {
				t.Errorf("%+v, want %+v", a, want)
			}
			together++
		}
	}
	if together != len(alone) {
		t.Errorf("the shares have %d arrivals, the load %d", together, len(alone))
	}
}
