package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/llmscen/llmscen/warehouse"
	"github.com/llmscen/llmscen/warehouse/report"
	"github.com/llmscen/llmscen/warehouse/tables"
)

type compareOptions struct {
	old, new      string
	by            string
	metrics       []string
	maxRegression string
}

func newCompareCmd(e *Env) *cobra.Command {
	o := &compareOptions{}
	cmd := &cobra.Command{
		Use:   "compare [OLD NEW | --by KEY [ADDR]]",
		Short: "Tell which differences are real",
		Long: `Compares trials, repetition by repetition: the change with its exact interval, the probability that chance made it, and
a verdict. "~" means that nothing is proven. OLD and NEW are addresses (APPLY/RUN[KEY="v"]#N, latest, latest~1,
label:k=v) and default to latest~1 and latest; --by compares the cells of one address by a matrix key instead.
Runtimes of one run are asked a few prompts greedily: where their answers differ, or the median answer's length does by
more than 5 %, the comparison says above its table that they are not the same model.
--max-regression makes it a gate for CI: exit 3 when the first metric is worse by more, 6 when the data can't tell, or
when the sides are not the same model.`,
		Example: `  llmscen compare latest~1 latest
  llmscen compare --by runtime latest
  llmscen compare --metric ttft.p99 --max-regression 5% label:branch=main latest`,
		Args: atMost(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.by != "" {
				if len(args) == 2 {
					return wrong("--by compares the cells of one address: give at most one")
				}
				o.old = "latest"
				if len(args) == 1 {
					o.old = args[0]
				}
				return compareRun(cmd.Context(), e, o)
			}
			o.old, o.new = "latest~1", "latest"
			switch len(args) {
			case 1:
				o.old = args[0]
			case 2:
				o.old, o.new = args[0], args[1]
			}
			return compareRun(cmd.Context(), e, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.by, "by", "", "compare the trials of one address by this matrix key")
	f.StringArrayVar(&o.metrics, "metric", nil, "a metric and statistic, as in ttft.p99 (may be repeated; the first decides the gate)")
	f.StringVar(&o.maxRegression, "max-regression", "", "the gate: how much worse may it be, as in 5%")
	return cmd
}

func compareRun(ctx context.Context, e *Env, o *compareOptions) error {
	format, err := e.reportFormat()
	if err != nil {
		return err
	}
	q := warehouse.Question{By: o.by}
	for _, m := range o.metrics {
		f, err := warehouse.ParseFigure(m)
		if err != nil {
			return &exitError{exitWrong, err}
		}
		q.Figures = append(q.Figures, f)
	}
	if o.maxRegression != "" {
		v, err := strconv.ParseFloat(strings.TrimSuffix(o.maxRegression, "%"), 64)
		if err != nil || v < 0 || !strings.HasSuffix(o.maxRegression, "%") {
			return wrong("--max-regression %s: write it in percent, as in 5%%", o.maxRegression)
		}
		q.MaxRegression = tables.Some(v / 100)
	}
	w, err := e.openWarehouse()
	if err != nil {
		return err
	}
	if q.Old, err = candidates(ctx, w, o.old); err != nil {
		return err
	}
	if o.by == "" {
		if q.New, err = candidates(ctx, w, o.new); err != nil {
			return err
		}
	}
	db, err := w.DB(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	c, err := warehouse.Compare(ctx, db, q)
	if errors.Is(err, warehouse.ErrNothingToCompare) {
		return &exitError{exitWrong, err}
	}
	if err != nil {
		return err
	}
	if format == report.JSON {
		err = writeJSON(e.Stdout, c)
	} else {
		e.tellModels(c, format)
		for _, warning := range c.Warnings {
			fmt.Fprintf(e.Stderr, "Warning: %s\n", printable(warning))
		}
		err = e.draw(c.Table(), format)
	}
	if err != nil {
		return err
	}
	switch c.Gate {
	case warehouse.GateFail:
		return told(exitDifference)
	case warehouse.GateInconclusive:
		return told(exitUndecided)
	}
	return nil
}

// tellModels heads a comparison by whether its sides are the same model. A refusal is part of the result: what people
// read has it above the table. Lines for programs have a column instead, so that there it is told on the side.
func (e *Env) tellModels(c warehouse.Comparison, format report.Format) {
	sentences, refused := c.ModelSentences()
	for _, s := range sentences {
		s = printable(strings.ToUpper(s[:1])+s[1:]) + "."
		switch format {
		case report.Markdown:
			fmt.Fprintf(e.Stdout, "%s\n\n", report.EscapeMarkdown(s))
		case report.Narrow, report.Wide:
			if refused {
				s = paint(e.colored(e.Stdout), yellow, s)
			}
			fmt.Fprintf(e.Stdout, "%s\n\n", s)
		default:
			fmt.Fprintf(e.Stderr, "Note: %s\n", s)
		}
	}
}

// candidates are the trials of an address, as one side of a comparison.
func candidates(ctx context.Context, w *warehouse.Warehouse, address string) (warehouse.Candidates, error) {
	s, err := w.Resolve(ctx, address)
	if err != nil {
		return warehouse.Candidates{}, &exitError{exitWrong, err}
	}
	c := warehouse.Candidates{Name: address}
	for _, t := range s.Trials {
		c.Trials = append(c.Trials, warehouse.TrialKey{Apply: t.Apply, TrialID: t.TrialID})
	}
	return c, nil
}
