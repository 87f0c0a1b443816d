package cli

import (
	"context"
	"database/sql"
	"sync/atomic"

	"github.com/llmscen/llmscen/runner"
	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse"
	"github.com/llmscen/llmscen/warehouse/exporter"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// recorder keeps what trials leave in a warehouse, and shows it to the exporter as it comes.
type recorder struct {
	apply    *warehouse.ApplyWriter
	scenario string
	exporter *exporter.Exporter
	// open is the trial under way, for those who leave at once.
	open *atomic.Pointer[trialRecorder]
}

var _ runner.Recorder = recorder{}

func (r recorder) Trial(row tables.Trial) (runner.TrialRecorder, error) {
	w, err := r.apply.Trial(row)
	if err != nil {
		return nil, err
	}
	r.exporter.BeginTrial(exporter.Trial{
		Scenario: r.scenario, Apply: r.apply.ID(), TrialID: row.TrialID, Run: row.Run, Runtime: row.Runtime, Model: row.Model,
	})
	t := &trialRecorder{TrialWriter: w, exporter: r.exporter, open: r.open}
	r.open.Store(t)
	return t, nil
}

// trialRecorder is a warehouse's writer that judges at the seal.
type trialRecorder struct {
	*warehouse.TrialWriter
	exporter *exporter.Exporter
	open     *atomic.Pointer[trialRecorder]
}

func (t *trialRecorder) WriteRequests(rows []tables.Request) error {
	t.exporter.ObserveRequests(rows)
	return t.TrialWriter.WriteRequests(rows)
}

func (t *trialRecorder) Note(events []tables.Event, targets []tables.Target) error {
	if len(events) > 0 {
		if err := t.WriteEvents(events); err != nil {
			return err
		}
	}
	if len(targets) > 0 {
		return t.WriteTargets(targets)
	}
	return nil
}

func (t *trialRecorder) Seal(ctx context.Context, s runner.Sealing) (runner.Verdict, error) {
	t.open.Store(nil)
	v := runner.Verdict{TrialID: s.Trial.TrialID, Status: s.Trial.Status}
	judge := func(ctx context.Context, db *sql.DB, row tables.Trial) (warehouse.Conclusion, error) {
		c, err := conclude(ctx, db, row, s)
		v.Validity, v.Reasons, v.SLO = c.Trial.Validity, c.Trial.ValidityReasons, c.Trial.SLO
		t.exporter.EndTrial(c.Trial)
		return c, err
	}
	return v, t.TrialWriter.Seal(ctx, s.Trial, judge)
}

// conclude judges a trial and writes the judgement into its row. A trial whose load was never made has no measurement
// to judge: its reasons say why.
func conclude(ctx context.Context, db *sql.DB, row tables.Trial, s runner.Sealing) (warehouse.Conclusion, error) {
	if !s.Begun {
		if s.Failure != "" {
			row.ValidityReasons = append(row.ValidityReasons, s.Failure)
		}
		return warehouse.Conclusion{Trial: row}, nil
	}
	cell := s.Planned.Cell
	j, err := warehouse.Judge(ctx, db, warehouse.Evidence{
		Trial: row, SLO: cell.SLO, Stages: s.Report.Stages, OpenLoop: cell.Load.Open(),
		SharedHost:  (cell.NodePool == nil || cell.NodePool.Kind == "local") && cell.Runtime.Engine != "endpoint",
		RuntimeDied: s.RuntimeDied, CachedRatio: intendedCache(cell.PromptSet),
	})
	if err != nil {
		return warehouse.Conclusion{}, err
	}
	row.Validity, row.SLO, row.BindingObjective = j.Validity, j.SLO, j.BindingObjective
	row.ValidityReasons = append(row.ValidityReasons, j.Reasons...)
	if s.Failure != "" {
		row.ValidityReasons = append(row.ValidityReasons, s.Failure)
	}
	c := warehouse.Conclusion{Stages: j.Stages, Verdicts: j.Verdicts, Summaries: j.Summaries}
	if k := j.Capacity; k != nil && !k.Users {
		row.KneeRatePerSecond, row.KneeCILow, row.KneeCIHigh = k.Held, k.Low, k.High
	}
	if j.GaveWay != "" {
		c.Events = []tables.Event{{At: row.EndedAt, TrialID: row.TrialID, Kind: "gave_way", Message: j.GaveWay}}
	}
	c.Trial = row
	return c, nil
}

// intendedCache is the share of prompt tokens that a prompt set means to be served from a cache: none where each prompt
// begins with a nonce, and not known where a part is shared or prompts come as they are.
func intendedCache(p scenarios.PromptSet) tables.Null[float64] {
	if p.Cache == "cold" && p.SharedPrefix.Tokens == 0 && p.Kind != "conversation" {
		return tables.Some(0.0)
	}
	return tables.Null[float64]{}
}
