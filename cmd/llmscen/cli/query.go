package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/llmscen/llmscen/warehouse"
	"github.com/llmscen/llmscen/warehouse/report"
)

type queryOptions struct {
	sql     string
	file    string
	timeout time.Duration
	rows    int64
}

func newQueryCmd(e *Env) *cobra.Command {
	o := &queryOptions{}
	cmd := &cobra.Command{
		Use:   "query ['SQL' | -f FILE]",
		Short: "Ask the warehouse in SQL, read-only",
		Long: `Runs one read-only DuckDB statement over the tables and views of the warehouse. The statement runs in a process of its
own that can read nothing but the warehouse and write nothing. Without a statement, statements are read from standard
input, each up to its semicolon. ` + "`llmscen ls tables`" + ` lists the tables, ` + "`llmscen show requests`" + ` the columns of one.`,
		Example: `  llmscen query 'select trial_id, count(*) from requests group by all'
  llmscen query -o csv 'from trial_summary'`,
		Args: atMost(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.sql = args[0]
			}
			return queryRun(cmd.Context(), e, o)
		},
	}
	cmd.Flags().StringVarP(&o.file, "file", "f", "", "read the statement from a file")
	cmd.Flags().DurationVar(&o.timeout, "timeout", 5*time.Minute, "end a statement that takes longer")
	cmd.Flags().Int64Var(&o.rows, "rows", 0, "at most so many rows; 0 is all")
	return cmd
}

func queryRun(ctx context.Context, e *Env, o *queryOptions) error {
	format, err := e.reportFormat()
	if err != nil {
		return err
	}
	if o.file != "" {
		if o.sql != "" {
			return wrong("give a statement or -f FILE, not both")
		}
		text, err := os.ReadFile(o.file)
		if err != nil {
			return wrong("reading the statement: %v", err)
		}
		o.sql = string(text)
	}
	w, err := e.openWarehouse()
	if err != nil {
		return err
	}
	if o.sql != "" {
		return ask(ctx, e, w, o, o.sql, format)
	}
	return shell(ctx, e, w, o, format)
}

// ask runs one statement and draws its rows.
func ask(ctx context.Context, e *Env, w *warehouse.Warehouse, o *queryOptions, sql string, format report.Format) error {
	r, err := w.Query(ctx, warehouse.Query{SQL: sql, Limits: warehouse.Limits{Time: o.timeout, Rows: o.rows}})
	if q, ok := errors.AsType[*warehouse.QueryError](err); ok {
		return &exitError{exitWrong, q}
	}
	if err != nil {
		return err
	}
	t := report.Table{Empty: "No rows."}
	for _, c := range r.Columns {
		t.Columns = append(t.Columns, report.Column{Key: c.Name})
	}
	for _, row := range r.Rows {
		t.Rows = append(t.Rows, report.Row{Cells: row})
	}
	if r.Truncated {
		fmt.Fprintf(e.Stderr, "Only the first %s are shown.\n", count(len(r.Rows), "row"))
	}
	return e.draw(t, format)
}

// shell reads statements up to their semicolons until the input ends. On a terminal a mistake is told and the next
// statement awaited; elsewhere it ends the command.
func shell(ctx context.Context, e *Env, w *warehouse.Warehouse, o *queryOptions, format report.Format) error {
	terminal := isTerminal(e.Stdin)
	prompt := func(s string) {
		if terminal {
			fmt.Fprint(e.Stderr, s)
		}
	}
	if terminal {
		fmt.Fprintf(e.Stderr, "Statements end with a semicolon; Ctrl-D leaves. The warehouse: %s\n", w.Path())
	}
	in := bufio.NewReader(e.Stdin)
	var statement strings.Builder
	for {
		if statement.Len() == 0 {
			prompt("llmscen> ")
		} else {
			prompt("    ...> ")
		}
		line, err := in.ReadString('\n')
		ended := errors.Is(err, io.EOF)
		if err != nil && !ended {
			return fmt.Errorf("reading statements: %w", err)
		}
		statement.WriteString(line)
		text := strings.TrimSpace(statement.String())
		if text != "" && (strings.HasSuffix(text, ";") || ended) {
			statement.Reset()
			if err := ask(ctx, e, w, o, text, format); err != nil {
				if !terminal {
					return err
				}
				fmt.Fprintf(e.Stderr, "Error: %s\n", printable(err.Error()))
			}
		}
		if ended {
			prompt("\n")
			return nil
		}
	}
}

func newServeQueryCmd(e *Env) *cobra.Command {
	return &cobra.Command{
		Use:    warehouse.SandboxCommand,
		Short:  "Answer one query inside the sandbox (used by llmscen itself)",
		Hidden: true,
		Args:   exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return warehouse.ServeQuery(cmd.Context(), e.Stdin, e.Stdout)
		},
	}
}
