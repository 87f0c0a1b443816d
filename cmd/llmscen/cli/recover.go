package cli

import (
	"context"
	"database/sql"
	"errors"

	"github.com/spf13/cobra"

	"github.com/llmscen/llmscen/warehouse"
	"github.com/llmscen/llmscen/warehouse/report"
	"github.com/llmscen/llmscen/warehouse/tables"
)

func newRecoverCmd(e *Env) *cobra.Command {
	return &cobra.Command{
		Use:   "recover [ID]",
		Short: "Seal what an apply left whose process died",
		Long: `Turns the spooled rows of an apply that was killed, or that ran out of disk, into Parquet: every batch that was flushed.
Its open trials are stored as interrupted. Without an ID it recovers every unfinished apply of the warehouse.`,
		Args: atMost(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id := ""
			if len(args) == 1 {
				id = args[0]
			}
			return recoverRun(cmd.Context(), e, id)
		},
	}
}

func recoverRun(ctx context.Context, e *Env, id string) error {
	format, err := e.reportFormat()
	if err != nil {
		return err
	}
	w, err := e.openWarehouse()
	if err != nil {
		return err
	}
	recovered, err := w.Recover(ctx, id, judgeRecovered)
	if errors.Is(err, warehouse.ErrBusy) {
		return wrong("apply %s is under way: interrupt it there, or wait for its end", id)
	}
	t := report.Table{
		Type: "recovered",
		Columns: []report.Column{
			{Key: "apply"}, {Key: "trial"}, {Key: "status"},
			{Key: "requests", Kind: report.Count}, {Key: "lost_bytes", Header: "cut off", Kind: report.Bytes},
		},
		Empty: "There is nothing to recover.",
	}
	for _, r := range recovered {
		for _, trial := range r.Trials {
			t.Rows = append(t.Rows, report.Row{Cells: []any{r.Apply, trial.TrialID, string(trial.Status), trial.Requests, trial.LostBytes}})
		}
		if len(r.Trials) == 0 {
			t.Rows = append(t.Rows, report.Row{Cells: []any{r.Apply, nil, nil, nil, nil}})
		}
	}
	return errors.Join(err, e.draw(t, format))
}

// judgeRecovered judges a trial by its rows alone: what the load would have done is lost with the process.
func judgeRecovered(ctx context.Context, db *sql.DB, row tables.Trial) (warehouse.Conclusion, error) {
	j, err := warehouse.Judge(ctx, db, warehouse.Evidence{Trial: row, SharedHost: row.NodePool == ""})
	if err != nil {
		return warehouse.Conclusion{}, err
	}
	row.Validity = j.Validity
	row.ValidityReasons = append(row.ValidityReasons, j.Reasons...)
	return warehouse.Conclusion{Trial: row, Stages: j.Stages, Verdicts: j.Verdicts, Summaries: j.Summaries}, nil
}
