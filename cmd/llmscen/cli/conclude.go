package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/llmscen/llmscen/warehouse"
	"github.com/llmscen/llmscen/warehouse/report"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// conclude ends an apply with the table of its trials, where the files are, and what to do next.
func (a *applying) conclude(ctx context.Context, w *warehouse.Warehouse) error {
	if a.format == "jsonl" {
		return nil // the events were the result
	}
	format, err := report.ParseFormat(a.format)
	if err != nil {
		return err
	}
	trials, err := trialsOf(ctx, w, a.id)
	if err != nil {
		return fmt.Errorf("reading what the apply left: %w", err)
	}
	if err := a.env.draw(report.Trials(trials), format); err != nil {
		return err
	}
	if err := a.env.drawSearches(trials, format); err != nil {
		return err
	}
	if a.env.quiet {
		return nil
	}
	a.next(w)
	return nil
}

// next says where the rows are, and the commands to try, which can be pasted as they stand.
func (a *applying) next(w *warehouse.Warehouse) {
	out, me := a.env.Stderr, invoked()
	at := ""
	if path, err := a.env.warehousePath("", ""); err != nil || path != w.Path() {
		at = " --warehouse " + quoteShell(w.Path())
	}
	fmt.Fprintf(out, "\nEvery request is in %s (Parquet).\n\nNext:\n", w.Path())
	fmt.Fprintf(out, "  %s show%s latest\n", me, at)
	fmt.Fprintf(out, "  %s query%s \"from trial_summary where apply = '%s'\"\n", me, at, a.id)
	fmt.Fprintf(out, "  %s export%s requests -o csv --to requests.csv\n", me, at)
}

// drawSearches draws what searches found below the table of trials, in the formats for people: the others hold one table.
func (e *Env) drawSearches(trials []report.Trial, format report.Format) error {
	t := report.Searches(trials)
	switch format {
	case report.Narrow, report.Wide, report.Markdown:
	default:
		return nil
	}
	if len(t.Rows) == 0 {
		return nil
	}
	fmt.Fprintln(e.Stdout)
	return e.draw(t, format)
}

// trialsOf reads the trials of an apply with what was judged of them, in the order of their making.
func trialsOf(ctx context.Context, w *warehouse.Warehouse, apply string) ([]report.Trial, error) {
	db, err := w.DB(ctx)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	rows, err := warehouse.Rows[tables.Trial](ctx, db, "from trials where apply = ? order by started_at", apply)
	if err != nil {
		return nil, err
	}
	stages, err := warehouse.Rows[tables.Stage](ctx, db, "from stages where apply = ? order by stage", apply)
	if err != nil {
		return nil, err
	}
	summaries, err := warehouse.Rows[tables.Summary](ctx, db, "from summaries where apply = ?", apply)
	if err != nil {
		return nil, err
	}
	verdicts, err := warehouse.Rows[tables.Verdict](ctx, db, "from verdicts where apply = ?", apply)
	if err != nil {
		return nil, err
	}
	trials := make([]report.Trial, len(rows))
	place := map[string]*report.Trial{}
	for i, row := range rows {
		trials[i] = report.Trial{Apply: apply, Trial: row}
		place[row.TrialID] = &trials[i]
	}
	for _, s := range stages {
		t := place[s.TrialID]
		t.Stages = append(t.Stages, s)
	}
	for _, s := range summaries {
		t := place[s.TrialID]
		t.Summaries = append(t.Summaries, s)
	}
	for _, v := range verdicts {
		t := place[v.TrialID]
		t.Verdicts = append(t.Verdicts, v)
	}
	return trials, nil
}

// quoteShell quotes a word for a shell where it needs it.
func quoteShell(s string) string {
	plain := strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,@+") == ""
	if plain && s != "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
