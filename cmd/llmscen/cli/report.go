package cli

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/llmscen/llmscen/warehouse"
	"github.com/llmscen/llmscen/warehouse/report"
	"github.com/llmscen/llmscen/warehouse/report/html"
	"github.com/llmscen/llmscen/warehouse/tables"
)

type reportOptions struct {
	address, to string
	strict      bool
}

func newReportCmd(e *Env) *cobra.Command {
	o := &reportOptions{address: "latest"}
	cmd := &cobra.Command{
		Use:   "report [ADDR] [-o table|wide|md|html|json|jsonl|csv] [--to FILE]",
		Short: "Tell what was measured: the table of trials, or a page with charts",
		Long: `Draws the table that ends an apply, for the trials that ADDR names: those of the latest apply without one. -o md is a
report in markdown: the trials, the runtimes side by side, and the tables of latencies, load, throughput and resources.
-o html is the same with charts, in one file that needs no network.`,
		Example: "  llmscen report -o html --to report.html\n  llmscen report -o md --to report.md latest~1",
		Args:    atMost(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.address = args[0]
			}
			return reportRun(cmd.Context(), e, o)
		},
	}
	cmd.Flags().StringVar(&o.to, "to", "", "write this file, which must not exist, instead of standard output")
	cmd.Flags().BoolVar(&o.strict, "strict", false, "refuse, with exit 5, where a trial is not valid")
	return cmd
}

func reportRun(ctx context.Context, e *Env, o *reportOptions) error {
	format := report.Format(e.output)
	if format != formatHTML {
		var err error
		if format, err = e.reportFormat(); err != nil {
			return err
		}
	}
	w, err := e.openWarehouse()
	if err != nil {
		return err
	}
	s, err := w.Resolve(ctx, o.address)
	if err != nil {
		return &exitError{exitWrong, err}
	}
	trials, err := selected(ctx, w, s)
	if err != nil {
		return err
	}
	if o.strict {
		if err := refuse(trials); err != nil {
			return err
		}
	}
	if o.to == "" && format != report.Markdown && format != formatHTML {
		if err := e.draw(report.Trials(trials), format); err != nil {
			return err
		}
		return e.drawSearches(trials, format)
	}
	var text bytes.Buffer
	if err := writeReport(ctx, &text, w, trials, format); err != nil {
		return err
	}
	if o.to == "" {
		_, err := e.Stdout.Write(text.Bytes())
		return err
	}
	if err := writeNew(o.to, text.Bytes()); err != nil {
		return err
	}
	fmt.Fprintf(e.Stderr, "Wrote %s\n", o.to)
	return nil
}

// formatHTML is a format of reports only.
const formatHTML report.Format = "html"

// refuse says which trials may not be believed without a second thought.
func refuse(trials []report.Trial) error {
	var names []string
	for _, t := range trials {
		if t.Status != tables.StatusCompleted || t.Validity != tables.Valid {
			names = append(names, t.TrialID)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return &exitError{exitInvalid, fmt.Errorf("%d of %d trials are not valid: %s", len(names), len(trials), strings.Join(names, ", "))}
}

func writeReport(ctx context.Context, to *bytes.Buffer, w *warehouse.Warehouse, trials []report.Trial, format report.Format) error {
	if format != report.Markdown && format != formatHTML {
		return report.Trials(trials).Write(to, format, report.Options{})
	}
	db, err := w.DB(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	d, err := warehouse.Document(ctx, db, trials)
	if err != nil {
		return err
	}
	if format == formatHTML {
		return html.Write(to, d)
	}
	return d.WriteMarkdown(to)
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
