package warehouse

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/llmscen/llmscen/warehouse/report"
)

// charted is a section with a chart: what its queries are, and how their columns are written for a person.
type charted struct {
	id, title, text string
	// rows is the query of the chart, table that of the table below it; "" means the same.
	rows, table string
	columns     []report.Column
}

var chartedSections = []charted{
	{
		id: "latencies", title: "How long requests took", rows: "latencies", table: "percentiles",
		text: "The share of the successful requests that took at most so long, counted from when they were due; the repetitions are pooled, and the scale is logarithmic. A line further to the left is faster. The table leaves out a percentile that has too few requests behind it.",
		columns: []report.Column{
			{Key: "panel", Header: "cells"}, {Key: "latency"}, {Key: "line", Header: "runtime or cell"}, {Key: "n", Header: "requests", Kind: report.Count},
			{Key: "p50", Kind: report.Seconds}, {Key: "p90", Kind: report.Seconds}, {Key: "p95", Kind: report.Seconds}, {Key: "p99", Kind: report.Seconds},
		},
	},
	{
		id: "load", title: "Time to first token and tokens a second against the load", rows: "load",
		text: "A point is a stage of a trial, and the lines join the medians of repetitions. Where time to first token turns up and tokens a second stop growing is the end of a runtime's capacity.",
		columns: []report.Column{
			{Key: "line", Header: "runtime or cell"}, {Key: "trial_id", Header: "trial"}, {Key: "validity"}, {Key: "outcome"},
			{Key: "per_second", Header: "requests per second", Kind: report.PerSecond}, {Key: "ttft_seconds", Header: "TTFT p50", Kind: report.Seconds},
			{Key: "tokens_per_second", Header: "tokens per second", Kind: report.PerSecond},
			{Key: "typical_per_second", Kind: report.PerSecond, Wide: true}, {Key: "typical_ttft_seconds", Kind: report.Seconds, Wide: true},
			{Key: "typical_tokens_per_second", Kind: report.PerSecond, Wide: true}, {Key: "trials", Kind: report.Count, Wide: true},
		},
	},
	{
		id: "pareto", title: "Throughput against latency", rows: "pareto",
		text: "A point is a cell, by the medians of its repetitions: right is more, low is sooner. A large ring is one that no other beats in both.",
		columns: []report.Column{
			{Key: "line", Header: "runtime or cell"}, {Key: "panel", Header: "cells"}, {Key: "tokens_per_second", Header: "tokens per second", Kind: report.PerSecond},
			{Key: "ttft_seconds", Header: "TTFT p50", Kind: report.Seconds}, {Key: "trials", Kind: report.Count}, {Key: "best", Header: "not beaten"},
		},
	},
	{
		id: "resources", title: "What the runtimes used", rows: "resources",
		text: "Over the measured window: the bar is the median of the repetitions, and a dot is one of them. What could not be read is missing, and never zero.",
		columns: []report.Column{
			{Key: "resource"}, {Key: "panel", Header: "cells"}, {Key: "panel_at", Wide: true}, {Key: "line", Header: "runtime or cell"}, {Key: "trial_id", Header: "trial", Wide: true},
			{Key: "value", Kind: report.Number, Wide: true}, {Key: "typical", Header: "median", Kind: report.Number}, {Key: "lowest", Kind: report.Number},
			{Key: "highest", Kind: report.Number}, {Key: "trials", Kind: report.Count},
		},
	},
}

// charts asks what the charts draw. The trials that are chosen lie in a table of one connection.
func (d *documenting) charts(ctx context.Context) error {
	conn, err := d.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "create or replace temp table wanted (apply varchar, trial_id varchar)"); err != nil {
		return err
	}
	for _, t := range d.trials {
		if _, err := conn.ExecContext(ctx, "insert into wanted values (?, ?)", t.Apply, t.TrialID); err != nil {
			return err
		}
	}
	if _, err := conn.ExecContext(ctx, reportQuery("chosen")); err != nil {
		return fmt.Errorf("choosing the trials: %w", err)
	}
	for _, c := range chartedSections {
		s, err := c.section(ctx, conn)
		if err != nil {
			return fmt.Errorf("%s: %w", c.id, err)
		}
		d.doc.Sections = append(d.doc.Sections, s)
	}
	return nil
}

func (c charted) section(ctx context.Context, conn *sql.Conn) (report.Section, error) {
	s := report.Section{ID: c.id, Title: c.title, Text: []string{c.text}}
	rows, err := tableOf(ctx, conn, reportQuery(c.rows), c.columns)
	if err != nil {
		return s, err
	}
	if s.Chart, err = chart(c.id, rows); err != nil {
		return s, err
	}
	s.Table = rows
	if c.table != "" {
		if s.Table, err = tableOf(ctx, conn, reportQuery(c.table), c.columns); err != nil {
			return s, err
		}
	}
	s.Table.Empty = "There are no such rows."
	s.Table = s.Table.Distinct()
	return s, nil
}

func reportQuery(name string) string {
	text, err := reportFiles.ReadFile("sql/report/" + name + ".sql")
	if err != nil {
		panic(err) // it is embedded
	}
	return string(text)
}

// tableOf makes a table of a query; a column that is not described is written as it is.
func tableOf(ctx context.Context, conn *sql.Conn, query string, described []report.Column) (report.Table, error) {
	rows, err := conn.QueryContext(ctx, query)
	if err != nil {
		return report.Table{}, err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return report.Table{}, err
	}
	var t report.Table
	for _, name := range names {
		column := report.Column{Key: name}
		for _, d := range described {
			if d.Key == name {
				column = d
			}
		}
		t.Columns = append(t.Columns, column)
	}
	for rows.Next() {
		cells, places := make([]any, len(names)), make([]any, len(names))
		for i := range cells {
			places[i] = &cells[i]
		}
		if err := rows.Scan(places...); err != nil {
			return report.Table{}, err
		}
		t.Rows = append(t.Rows, report.Row{Cells: cells})
	}
	return t, rows.Err()
}
