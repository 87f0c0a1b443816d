package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/llmscen/llmscen/warehouse"
	"github.com/llmscen/llmscen/warehouse/report"
)

func newLsCmd(e *Env) *cobra.Command {
	watch := false
	cmd := &cobra.Command{
		Use:       "ls [scenarios|runs|trials|tables] [--watch]",
		Short:     "List what the warehouse holds",
		Long:      "Lists the scenarios, runs (the default) or trials that were applied, or the tables and views that can be asked.",
		Example:   "  llmscen ls\n  llmscen ls trials\n  llmscen ls tables",
		Args:      positional(cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs)),
		ValidArgs: []string{"scenarios", "runs", "trials", "tables"},
		RunE: func(cmd *cobra.Command, args []string) error {
			what := "runs"
			if len(args) == 1 {
				what = args[0]
			}
			return lsRun(cmd.Context(), e, what, watch)
		},
	}
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "list again every 2 s until Ctrl-C")
	return cmd
}

func lsRun(ctx context.Context, e *Env, what string, watch bool) error {
	format, err := e.reportFormat()
	if err != nil {
		return err
	}
	w, err := e.openWarehouse()
	if err != nil {
		return err
	}
	if watch {
		var stop func()
		ctx, _, stop = interruptible(ctx, func(int) {})
		defer stop()
	}
	for {
		t, err := listing(ctx, w, what)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if watch && isTerminal(e.Stdout) {
			fmt.Fprint(e.Stdout, "\x1b[H\x1b[2J")
		}
		if err := e.draw(t, format); err != nil || !watch {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(2 * time.Second):
		}
	}
}

// listing is the table of one kind of thing.
func listing(ctx context.Context, w *warehouse.Warehouse, what string) (report.Table, error) {
	switch what {
	case "scenarios":
		return scenarioList(ctx, w)
	case "trials":
		return trialList(ctx, w)
	case "tables":
		return tableList(ctx, w)
	}
	return runList(ctx, w)
}

const nothingYet = "The warehouse holds nothing yet: `llmscen apply` fills it."

func scenarioList(ctx context.Context, w *warehouse.Warehouse) (report.Table, error) {
	all, err := w.Scenarios(ctx)
	t := report.Table{Type: "scenario", Empty: nothingYet, Columns: []report.Column{
		{Key: "scenario"}, {Key: "applies", Kind: report.Count}, {Key: "runs", Kind: report.Count},
		{Key: "trials", Kind: report.Count}, {Key: "last_at", Header: "last", Kind: report.Instant},
	}}
	for _, s := range all {
		t.Rows = append(t.Rows, report.Row{Cells: []any{s.Scenario, s.Applies, s.Runs, s.Trials, s.LastAt}})
	}
	return t, err
}

func runList(ctx context.Context, w *warehouse.Warehouse) (report.Table, error) {
	all, err := w.Runs(ctx)
	t := report.Table{Type: "run", Empty: nothingYet, Columns: []report.Column{
		{Key: "apply"}, {Key: "scenario"}, {Key: "run"}, {Key: "trials", Kind: report.Count},
		{Key: "completed", Kind: report.Count}, {Key: "valid", Kind: report.Count}, {Key: "flagged", Kind: report.Count},
		{Key: "invalid", Kind: report.Count}, {Key: "slo_pass", Header: "SLO\npass", Kind: report.Count},
		{Key: "slo_fail", Header: "SLO\nfail", Kind: report.Count}, {Key: "started_at", Header: "started", Kind: report.Instant},
		{Key: "ended_at", Header: "ended", Kind: report.Instant, Wide: true},
	}}
	for _, r := range all {
		t.Rows = append(t.Rows, report.Row{Cells: []any{
			r.Apply, r.Scenario, r.Run, r.Trials, r.Completed, r.Valid, r.Flagged, r.Invalid, r.SLOPass, r.SLOFail, r.StartedAt, r.EndedAt,
		}})
	}
	return t, err
}

func trialList(ctx context.Context, w *warehouse.Warehouse) (report.Table, error) {
	all, err := w.Trials(ctx)
	t := report.Table{Type: "trial", Empty: nothingYet, Columns: []report.Column{
		{Key: "apply"}, {Key: "trial"}, {Key: "runtime"}, {Key: "load"}, {Key: "status"}, {Key: "validity"},
		{Key: "slo", Header: "SLO"}, {Key: "started_at", Header: "started", Kind: report.Instant}, {Key: "scenario", Wide: true},
	}}
	for _, r := range all {
		t.Rows = append(t.Rows, report.Row{Cells: []any{
			r.Apply, r.TrialID, r.Runtime, r.Load, string(r.Status), string(r.Validity), string(r.SLO), r.StartedAt, r.Scenario,
		}})
	}
	return t, err
}

func tableList(ctx context.Context, w *warehouse.Warehouse) (report.Table, error) {
	all, err := w.Tables(ctx)
	t := report.Table{Type: "table", Columns: []report.Column{
		{Key: "name"}, {Key: "kind"}, {Key: "rows", Kind: report.Count}, {Key: "files", Kind: report.Count, Wide: true},
		{Key: "bytes", Kind: report.Bytes}, {Key: "comment", Header: "holds"},
	}}
	for _, r := range all {
		cells := []any{r.Name, r.Kind, nil, nil, nil, r.Comment}
		if r.Kind == "table" {
			cells[2], cells[3], cells[4] = r.Rows, r.Files, r.Bytes
		}
		t.Rows = append(t.Rows, report.Row{Cells: cells})
	}
	return t, err
}
