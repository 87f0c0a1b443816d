package warehouse

import (
	"encoding/json"
	"testing"

	"github.com/llmscen/llmscen/warehouse/tables"
)

func TestThePhasesOfColdStartsAreFiguresOfTheTrial(t *testing.T) {
	db := trialDB(t)
	e := Evidence{Trial: tables.Trial{TrialID: "t", LoadShape: "cold_start", Status: tables.StatusCompleted, MeasureFrom: epoch, MeasureUntil: epoch + 100_000*ms}}
	for i := range int32(10) {
		// The start takes 2 s, the load 1 s, and as many tenths more as were made before; the first token half a second.
		at := epoch + tables.Instant(i)*10_000*ms
		sent := at + 3000*ms + tables.Instant(i)*100*ms
		message, err := json.Marshal(tables.ColdStart{Stage: i, StartNS: 2e9, LoadNS: tables.Null[int64]{V: 1e9 + int64(i)*1e8, Valid: i > 0}})
		if err != nil {
			t.Fatal(err)
		}
		insert(t, db, "a", tables.Event{At: sent, TrialID: "t", Kind: tables.EventColdStart, Message: string(message)})
		insert(t, db, "a", tables.Request{
			TrialID: "t", Stage: i, Seq: int64(i), Final: true, Phase: tables.PhaseMeasure, IntendedAt: at, DispatchedAt: sent,
			FirstTokenAt: sent + 500*ms, LastTokenAt: sent + 500*ms, DoneAt: sent + 500*ms, OutputTokens: tables.Some[int32](1),
		})
		e.Stages = append(e.Stages, tables.Stage{TrialID: "t", Stage: i, Kind: tables.KindColdStart, FromAt: at, UntilAt: sent + 500*ms})
	}
	j, err := Judge(t.Context(), db, e)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		metric, stat string
		value        float64
		n            int64
	}{
		{"cold_start_start", "p50", 2, 10},
		{"cold_start_load", "max", 1.9, 9}, // the first did not tell
		{"cold_start_first_token", "mean", 0.5, 10},
		{"cold_start_total", "p50", 3.95, 10},
		{"cold_start_total", "min", 3.5, 10},
	} {
		f := j.summary(t, want.metric, want.stat)
		wantNear(t, want.metric+" "+want.stat, f.Value, want.value, 1e-9)
		if f.N != want.n || f.Unit != "seconds" {
			t.Errorf("%+v", f)
		}
	}
	for _, f := range j.Summaries {
		if f.Metric == "schedule_lag" {
			t.Errorf("the client is blamed for the start of the runtime: %+v", f)
		}
	}
}

func TestWhatIsNoColdStartHasNoPhases(t *testing.T) {
	db := trialDB(t)
	requests, arrivals := steady.rows()
	insert(t, db, "a", requests...)
	insert(t, db, "a", arrivals...)
	j, err := Judge(t.Context(), db, steady.evidence())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range j.Summaries {
		if f.Metric == "cold_start_total" || f.Metric == "cold_start_start" {
			t.Errorf("%+v", f)
		}
	}
}
