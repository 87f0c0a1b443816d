package warehouse

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/llmscen/llmscen/warehouse/report"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// reportFiles are what a report asks, and how its charts draw the answers.
//
//go:embed sql/report/*.sql sql/report/*.vl.json
var reportFiles embed.FS

// Document is the report of trials: what was run, how the runtimes compare, and the charts, each with its table. The
// rows of all of it are computed by SQL.
func Document(ctx context.Context, db *sql.DB, trials []report.Trial) (report.Document, error) {
	d := documenting{db: db, trials: trials}
	if err := d.head(ctx); err != nil {
		return report.Document{}, fmt.Errorf("making the report: %w", err)
	}
	for _, part := range []func(context.Context) error{d.compare, d.charts} {
		if err := part(ctx); err != nil {
			return report.Document{}, fmt.Errorf("making the report: %w", err)
		}
	}
	if found := report.Searches(trials); len(found.Rows) > 0 {
		d.doc.Sections = append(d.doc.Sections, report.Section{
			ID: "searches", Title: "Capacity, and what gives way above it", Table: found,
			Text: []string{"The capacity is the highest rate, or number of users, that met every objective, between the levels that were decided beyond doubt. The stress is the stage that asked the most: how much of it was answered within the limits, what became of the rest, and how long after it the server kept its limits again."},
		})
	}
	d.doc.Sections = append(d.doc.Sections, report.Section{
		ID: "trials", Title: "Trials", Table: report.Trials(trials),
		Text: []string{"A trial is one repetition of one cell. Latencies count from when a request was due, and percentiles are over the requests that succeeded. The verdict says whether a measurement may be believed, and whether the objectives were met."},
	})
	return d.doc, nil
}

type documenting struct {
	db     *sql.DB
	trials []report.Trial
	doc    report.Document
}

// head says what was measured, where, and what to think of it.
func (d *documenting) head(ctx context.Context) error {
	var applies, runtimes, models []string
	var first tables.Instant
	invalid, flagged, unfinished := 0, 0, 0
	for _, t := range d.trials {
		applies, runtimes, models = append(applies, t.Apply), append(runtimes, t.Runtime), append(models, t.Model)
		if first == 0 || t.StartedAt < first {
			first = t.StartedAt
		}
		switch {
		case t.Status != tables.StatusCompleted:
			unfinished++
		case t.Validity == tables.Invalid:
			invalid++
		case t.Validity == tables.Flagged:
			flagged++
		}
	}
	applies = different(applies)
	var in []string
	for _, a := range applies {
		in = append(in, quote(a))
	}
	scenarios, err := Rows[struct {
		Scenario string `col:"scenario"`
	}](ctx, d.db, "select distinct scenario from trials where apply in ("+strings.Join(in, ", ")+") order by scenario")
	if err != nil {
		return err
	}
	var names []string
	for _, s := range scenarios {
		names = append(names, s.Scenario)
	}
	d.doc.Title = strings.Join(names, ", ")
	d.doc.Facts = []report.Fact{
		{Name: "apply", Value: strings.Join(applies, ", ")},
		{Name: "began", Value: report.Instant.Text(first) + " UTC"},
		{Name: "runtimes", Value: strings.Join(different(runtimes), ", ")},
		{Name: "models", Value: strings.Join(different(models), ", ")},
		{Name: "machine", Value: d.machine()},
	}
	d.doc.Facts = slices.DeleteFunc(d.doc.Facts, func(f report.Fact) bool { return f.Value == "" })
	of := fmt.Sprintf("of %d trials", len(d.trials))
	for _, w := range []struct {
		n    int
		text string
	}{
		{unfinished, "did not come to their end, and are not drawn"},
		{invalid, "are invalid: do not use their figures"},
		{flagged, "are flagged: read the reasons below them before you use their figures"},
	} {
		if w.n > 0 {
			d.doc.Warnings = append(d.doc.Warnings, fmt.Sprintf("%d %s %s.", w.n, of, w.text))
		}
	}
	switch {
	case invalid > 0 && invalid+unfinished == len(d.trials):
		d.doc.Warnings = append(d.doc.Warnings, "As no trial is valid or only flagged, the charts show what was measured nevertheless.")
	case invalid > 0:
		d.doc.Warnings = append(d.doc.Warnings, "The charts leave the invalid trials out.")
	}
	return nil
}

// machine is where it was measured, where all trials say the same.
func (d *documenting) machine() string {
	var all []string
	for _, t := range d.trials {
		var f struct {
			CPU     string `json:"cpu_model"`
			CPUs    int    `json:"cpus"`
			OS      string `json:"os"`
			Kernel  string `json:"kernel"`
			Memory  int64  `json:"memory_bytes"`
			Version string `json:"llmscen_version"`
		}
		if json.Unmarshal([]byte(t.Fingerprint), &f) != nil || f.CPUs == 0 {
			continue
		}
		memory := ""
		if f.Memory > 0 {
			memory = report.Bytes.Text(f.Memory)
		}
		parts := []string{f.CPU, fmt.Sprintf("%d CPUs", f.CPUs), memory, strings.TrimSpace(f.OS + " " + f.Kernel), strings.TrimSpace("llmscen " + f.Version)}
		all = append(all, strings.Join(different(parts), ", "))
	}
	return strings.Join(different(all), "; ")
}

func different(all []string) []string {
	var out []string
	for _, s := range all {
		if s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// runtimeKey is the matrix key that chooses the runtime: each of its values is one. "" where there is none, or only one runtime.
func (d *documenting) runtimeKey() string {
	for _, key := range slices.Sorted(maps.Keys(d.trials[0].Cell)) {
		runtimeOf, valueOf := map[string]string{}, map[string]string{}
		matches := true
		for _, t := range d.trials {
			v, ok := t.Cell[key]
			r, known := runtimeOf[v]
			u, used := valueOf[t.Runtime]
			matches = matches && ok && (!known || r == t.Runtime) && (!used || u == v)
			runtimeOf[v], valueOf[t.Runtime] = t.Runtime, v
		}
		if matches && len(runtimeOf) > 1 {
			return key
		}
	}
	return ""
}

// compare holds the runtimes against each other, where there are several.
func (d *documenting) compare(ctx context.Context) error {
	if len(d.trials) == 0 || d.runtimeKey() == "" {
		return nil
	}
	q := Question{By: d.runtimeKey(), Old: Candidates{Name: "the report"}}
	for _, t := range d.trials {
		q.Old.Trials = append(q.Old.Trials, TrialKey{t.Apply, t.TrialID})
	}
	c, err := Compare(ctx, d.db, q)
	if errors.Is(err, ErrNothingToCompare) {
		d.doc.Warnings = append(d.doc.Warnings, "The runtimes are not compared: fewer than two have a valid trial.")
		return nil
	}
	if err != nil {
		return err
	}
	sentences, refused := c.ModelSentences()
	if refused {
		d.doc.Warnings = append(d.doc.Warnings, "Not all runtimes are the same model: see below who differs from the first.")
	}
	text := make([]string, 0, len(sentences)+1)
	for _, s := range sentences {
		text = append(text, strings.ToUpper(s[:1])+s[1:]+".")
	}
	text = append(text, "Each runtime is held against the first, as how many times as much it has; a line is the interval. The unit is the repetition: medians with their 95 % interval, the Hodges–Lehmann change with its exact 95 % interval where there are enough repetitions, and the probability that chance alone made such a difference (Mann–Whitney).")
	section := report.Section{ID: "effects", Title: "Runtimes side by side", Text: text, Table: c.Table()}
	section.Chart, err = chart("effects", c.effects())
	d.doc.Sections = append(d.doc.Sections, section)
	return err
}

// effects are the rows of a comparison that have an estimate, for a forest plot: how many times the first each is.
func (c Comparison) effects() report.Table {
	t := report.Table{Columns: []report.Column{
		{Key: "figure"}, {Key: "figure_at"}, {Key: "panel"}, {Key: "panel_at"}, {Key: "line"}, {Key: "ratio"}, {Key: "ratio_low"}, {Key: "ratio_high"}, {Key: "verdict"},
	}}
	times := func(change tables.Null[float64]) tables.Null[float64] {
		change.V++
		return change
	}
	for i, block := range c.blocks() {
		first := block[0]
		if first.Figure.Metric == "errors" || !first.Change.Valid {
			continue
		}
		add := func(name string, ratio, low, high tables.Null[float64], verdict string) {
			t.Rows = append(t.Rows, report.Row{Cells: []any{
				strings.ReplaceAll(first.Figure.String(), "_", " "), i, first.rest, i, strings.TrimPrefix(valueOf(name, c.By), "runtime."), ratio, low, high, verdict,
			}})
		}
		one := tables.Some(1.0)
		add(first.Old.Name, one, one, one, "the first")
		for _, d := range block {
			// A point has its own place as ends where there is no interval.
			low, high := d.ChangeLow, d.ChangeHigh
			if !low.Valid || !high.Valid {
				low, high = d.Change, d.Change
			}
			add(d.New.Name, times(d.Change), times(low), times(high), d.words())
		}
	}
	return t
}

// chart pairs rows with the specification of that name; no chart is made of no rows.
func chart(name string, rows report.Table) (*report.Chart, error) {
	if len(rows.Rows) == 0 {
		return nil, nil
	}
	spec, err := reportFiles.ReadFile("sql/report/" + name + ".vl.json")
	if err != nil {
		return nil, err
	}
	return &report.Chart{Spec: spec, Rows: rows}, nil
}
