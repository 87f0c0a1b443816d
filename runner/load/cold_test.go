package load_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/tables"
)

func TestAColdStartAsksOnceAndItsWaitBeginsWithTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTrial(scenarios.Load{Shape: "cold_start", Requests: 1})
		tr.warmUp, tr.server.takes = time.Minute, always(2*time.Second)
		ordered := time.Now()
		<-time.After(7 * time.Second) // the runtime starts
		plan := tr.plan(t).Within(load.Window{Stage: 3, Seq: 3, Kind: "cold_start", Began: ordered})
		report, err := load.Run(t.Context(), load.Options{
			TrialID: "t", Load: tr.Load, Plan: plan, Client: tr.server, Source: oneWord{}, Sink: tr.sink,
		})
		if err != nil || len(tr.sink.requests) != 1 {
			t.Fatalf("%v, %d rows", err, len(tr.sink.requests))
		}
		r, at := tr.sink.requests[0], tables.Instant(ordered.UnixNano())
		if r.Seq != 3 || r.Stage != 3 || r.Phase != tables.PhaseMeasure {
			t.Errorf("%+v", r)
		}
		second := tables.Instant(time.Second)
		if r.IntendedAt != at || r.DispatchedAt != at+7*second || r.FirstTokenAt != at+9*second {
			t.Errorf("due %v, sent %v, first token %v after the order", r.IntendedAt-at, r.DispatchedAt-at, r.FirstTokenAt-at)
		}
		s := report.Stages[0]
		if report.NextSeq != 4 || s.Stage != 3 || s.Kind != "cold_start" || s.FromAt != at || s.UntilAt != at+9*second {
			t.Errorf("%+v", report)
		}
	})
}
