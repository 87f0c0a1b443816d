package cli

import (
	"bytes"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/llmscen/llmscen/warehouse"
	"github.com/llmscen/llmscen/warehouse/report"
)

func newReportCmd(e *Env) *cobra.Command {
	to := ""
	cmd := &cobra.Command{
		Use:     "report [ADDR] [-o table|wide|md|json|jsonl|csv] [--to FILE]",
		Short:   "Draw the table of trials again",
		Long:    "Draws the table that ends an apply, for the trials that ADDR names: those of the latest apply without one.",
		Example: "  llmscen report -o md --to result.md\n  llmscen report -o wide latest~1",
		Args:    atMost(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			address := "latest"
			if len(args) == 1 {
				address = args[0]
			}
			return reportRun(cmd.Context(), e, address, to)
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "write this file, which must not exist, instead of standard output")
	return cmd
}

func reportRun(ctx context.Context, e *Env, address, to string) error {
	format, err := e.reportFormat()
	if err != nil {
		return err
	}
	w, err := e.openWarehouse()
	if err != nil {
		return err
	}
	s, err := w.Resolve(ctx, address)
	if err != nil {
		return &exitError{exitWrong, err}
	}
	trials, err := selected(ctx, w, s)
	if err != nil {
		return err
	}
	t := report.Trials(trials)
	if to == "" {
		return e.draw(t, format)
	}
	var text bytes.Buffer
	if err := t.Write(&text, format, report.Options{}); err != nil {
		return err
	}
	if err := writeNew(to, text.Bytes()); err != nil {
		return err
	}
	fmt.Fprintf(e.Stderr, "Wrote %s\n", to)
	return nil
}

// selected reads what was judged of the trials of a selection.
func selected(ctx context.Context, w *warehouse.Warehouse, s *warehouse.Selection) ([]report.Trial, error) {
	named := map[warehouse.TrialKey]bool{}
	for _, t := range s.Trials {
		named[warehouse.TrialKey{Apply: t.Apply, TrialID: t.TrialID}] = true
	}
	var all []report.Trial
	for _, apply := range s.Applies {
		trials, err := trialsOf(ctx, w, apply)
		if err != nil {
			return nil, err
		}
		for _, t := range trials {
			if named[warehouse.TrialKey{Apply: apply, TrialID: t.TrialID}] {
				all = append(all, t)
			}
		}
	}
	return all, nil
}
