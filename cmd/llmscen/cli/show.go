package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/llmscen/llmscen/warehouse"
	"github.com/llmscen/llmscen/warehouse/report"
	"github.com/llmscen/llmscen/warehouse/tables"
)

func newShowCmd(e *Env) *cobra.Command {
	return &cobra.Command{
		Use:   "show ADDR|TABLE",
		Short: "Show trials with their settings, verdicts and figures, or the columns of a table",
		Long: `ADDR is APPLY/RUN[KEY="v",…]#N, from the left as much as is needed; APPLY is an id or its beginning, latest, latest~1
or label:k=v. TABLE is a table or view: its columns with their meaning.`,
		Example: "  llmscen show latest\n  llmscen show requests",
		Args:    exactly(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return showRun(cmd.Context(), e, args[0]) },
	}
}

func showRun(ctx context.Context, e *Env, what string) error {
	for _, t := range tables.All() {
		if t.Name == what {
			format, err := e.reportFormat()
			if err != nil {
				return err
			}
			return e.draw(columnTable(t), format)
		}
	}
	for _, v := range warehouse.Views() {
		if v.Name == what {
			fmt.Fprintf(e.Stdout, "%s\n\n%s\n", v.Comment, strings.TrimSpace(v.SQL))
			return nil
		}
	}
	format, err := e.wants("text", "json")
	if err != nil {
		return err
	}
	w, err := e.openWarehouse()
	if err != nil {
		return err
	}
	s, err := w.Resolve(ctx, what)
	if err != nil {
		return &exitError{exitWrong, errors.Join(err)}
	}
	trials, err := selected(ctx, w, s)
	if err != nil {
		return err
	}
	if format == "json" {
		return writeJSON(e.Stdout, trials)
	}
	for i, t := range trials {
		if i > 0 {
			fmt.Fprintln(e.Stdout)
		}
		if err := showTrial(ctx, e, w, t); err != nil {
			return err
		}
	}
	return nil
}

// columnTable lists the columns of a table.
func columnTable(t tables.Table) report.Table {
	out := report.Table{Type: "column", Columns: []report.Column{{Key: "column"}, {Key: "type"}, {Key: "null"}, {Key: "meaning"}}}
	for _, c := range slices.Concat(tables.Keys, t.Columns) {
		null := ""
		if c.Nullable {
			null = "null"
		}
		out.Rows = append(out.Rows, report.Row{Cells: []any{c.Name, c.SQLType, null, c.Comment}})
	}
	return out
}

// showTrial tells one trial whole: settings, verdicts, figures, events.
func showTrial(ctx context.Context, e *Env, w *warehouse.Warehouse, t report.Trial) error {
	fmt.Fprintf(e.Stdout, "%s\n", paint(e.colored(e.Stdout), bold, t.Apply+"/"+t.TrialID))
	tw := tabwriter.NewWriter(e.Stdout, 0, 0, 2, ' ', 0)
	for _, s := range settings(t) {
		if s.value != "" {
			fmt.Fprintf(tw, "  %s\t%s\n", s.name, printable(s.value))
		}
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, reason := range t.ValidityReasons {
		fmt.Fprintf(e.Stdout, "  – %s\n", printable(reason))
	}
	fmt.Fprintln(e.Stdout)
	if len(t.Verdicts) > 0 {
		if err := e.draw(verdictTable(t.Verdicts), report.Narrow); err != nil {
			return err
		}
		fmt.Fprintln(e.Stdout)
	}
	if err := e.draw(summaryTable(t.Summaries), report.Narrow); err != nil {
		return err
	}
	db, err := w.DB(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	events, err := warehouse.Rows[tables.Event](ctx, db, "from events where apply = ? and trial_id = ? order by \"at\"", t.Apply, t.TrialID)
	if err != nil {
		return err
	}
	for _, ev := range events {
		fmt.Fprintf(e.Stdout, "%s  %s: %s\n", report.Instant.Text(ev.At), ev.Kind, printable(ev.Message))
	}
	return nil
}

type setting struct{ name, value string }

func settings(t report.Trial) []setting {
	cell := make([]string, 0, len(t.Cell))
	for _, k := range slices.Sorted(maps.Keys(t.Cell)) {
		cell = append(cell, k+" = "+t.Cell[k])
	}
	labels := make([]string, 0, len(t.Labels))
	for _, k := range slices.Sorted(maps.Keys(t.Labels)) {
		labels = append(labels, k+" = "+t.Labels[k])
	}
	return []setting{
		{"status", string(t.Status)},
		{"validity", string(t.Validity)},
		{"SLO", string(t.SLO)},
		{"cell", strings.Join(cell, ", ")},
		{"labels", strings.Join(labels, ", ")},
		{"runtime", t.Runtime + " (" + t.Engine + ", " + t.Protocol + ")"},
		{"model", strings.TrimSpace(t.Model + " " + t.ModelDigest)},
		{"quantization", t.Quantization},
		{"node pool", t.NodePool},
		{"prompt set", t.PromptSet},
		{"load", t.Load + " (" + t.LoadShape + ")"},
		{"seed", fmt.Sprint(t.Seed)},
		{"started", report.Instant.Text(t.StartedAt)},
		{"ended", report.Instant.Text(t.EndedAt)},
	}
}

func verdictTable(verdicts []tables.Verdict) report.Table {
	t := report.Table{Columns: []report.Column{
		{Key: "objective"}, {Key: "stage", Kind: report.Count}, {Key: "limit"}, {Key: "measured"}, {Key: "interval", Header: "95 % interval"}, {Key: "met"},
	}}
	for _, v := range verdicts {
		kind := report.KindOf(v.Unit)
		met := report.Cell{Value: "can't tell", Tone: report.Warning}
		if v.Met.Valid && v.Met.V {
			met = report.Cell{Value: "met", Tone: report.Good}
		} else if v.Met.Valid {
			met = report.Cell{Value: "missed", Tone: report.Bad}
		}
		t.Rows = append(t.Rows, report.Row{Cells: []any{
			v.Metric + " " + v.Stat, v.Stage, kind.Text(v.Limit), kind.Text(v.Measured), interval(kind, v.CILow, v.CIHigh), met,
		}})
	}
	return t
}

func summaryTable(summaries []tables.Summary) report.Table {
	t := report.Table{Empty: "No figures.", Columns: []report.Column{
		{Key: "metric"}, {Key: "stat"}, {Key: "stage", Kind: report.Count}, {Key: "value"}, {Key: "interval", Header: "95 % interval"},
		{Key: "n", Kind: report.Count}, {Key: "method"},
	}}
	for _, s := range summaries {
		if !s.Value.Valid {
			continue
		}
		kind := report.KindOf(s.Unit)
		t.Rows = append(t.Rows, report.Row{Cells: []any{
			s.Metric, s.Stat, s.Stage, kind.Text(s.Value), interval(kind, s.CILow, s.CIHigh), s.N, s.Method,
		}})
	}
	return t
}

func interval(kind report.Kind, low, high tables.Null[float64]) string {
	if !low.Valid || !high.Valid {
		return ""
	}
	return kind.Text(low) + " – " + kind.Text(high)
}
