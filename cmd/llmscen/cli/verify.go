package cli

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse"
	"github.com/llmscen/llmscen/warehouse/report"
)

type verifyOptions struct {
	id                    string
	quarantine, recompute bool
}

func newVerifyCmd(e *Env) *cobra.Command {
	o := &verifyOptions{}
	cmd := &cobra.Command{
		Use:   "verify [ID]",
		Short: "Check every digest of the warehouse",
		Long: `Holds every file against the SHA-256 in its manifest, of one apply or of all. One wrong bit ends with exit 1.
--recompute also derives the judgements again from the rows and compares.`,
		Args: atMost(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.id = args[0]
			}
			return verifyRun(cmd.Context(), e, o)
		},
	}
	cmd.Flags().BoolVar(&o.quarantine, "quarantine", false, "rename wrong files to NAME.quarantine, so that no query reads them")
	cmd.Flags().BoolVar(&o.recompute, "recompute", false, "judge each trial again and compare")
	return cmd
}

func verifyRun(ctx context.Context, e *Env, o *verifyOptions) error {
	format, err := e.reportFormat()
	if err != nil {
		return err
	}
	w, err := e.openWarehouse()
	if err != nil {
		return err
	}
	id := o.id
	if id != "" {
		s, err := w.Resolve(ctx, id)
		if err != nil {
			return &exitError{exitWrong, err}
		}
		id = s.Applies[0]
	}
	options := warehouse.VerifyOptions{Quarantine: o.quarantine}
	if o.recompute {
		options.Recompute = judgeAgain
	}
	v, err := w.Verify(ctx, id, options)
	if err != nil {
		return err
	}
	t := report.Table{
		Type:    "problem",
		Columns: []report.Column{{Key: "apply"}, {Key: "trial"}, {Key: "path"}, {Key: "trouble"}},
		Empty: fmt.Sprintf("All is as it was written: %s, %s, %s, %s.", counted(v.Applies, "apply", "applies"), count(v.Trials, "trial"),
			count(v.Files, "file"), report.Bytes.Text(v.Bytes)),
	}
	for _, p := range v.Problems {
		t.Rows = append(t.Rows, report.Row{Cells: []any{p.Apply, p.TrialID, p.Path, p.Trouble}})
	}
	if err := e.draw(t, format); err != nil {
		return err
	}
	if len(v.Problems) > 0 {
		return told(exitFailed)
	}
	return nil
}

// judgeAgain judges a trial by its rows, the stages that were made and the objectives that its verdicts tell.
func judgeAgain(ctx context.Context, db *sql.DB, stored warehouse.Conclusion) (warehouse.Conclusion, error) {
	e := warehouse.Evidence{Trial: stored.Trial, Stages: stored.Stages}
	for _, s := range stored.Stages {
		e.OpenLoop = e.OpenLoop || s.TargetRatePerSecond.Valid
	}
	for _, v := range stored.Verdicts {
		if v.Stage.Valid {
			continue
		}
		if e.SLO == nil {
			e.SLO = &scenarios.SLO{}
		}
		e.SLO.Objectives = append(e.SLO.Objectives, scenarios.Objective{Metric: v.Metric, Stat: v.Stat, Limit: v.Limit, Unit: v.Unit})
	}
	j, err := warehouse.Judge(ctx, db, e)
	return warehouse.Conclusion{Trial: stored.Trial, Stages: j.Stages, Verdicts: j.Verdicts, Summaries: j.Summaries}, err
}
