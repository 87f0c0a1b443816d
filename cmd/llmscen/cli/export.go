package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/llmscen/llmscen/warehouse"
)

func newExportCmd(e *Env) *cobra.Command {
	to := ""
	cmd := &cobra.Command{
		Use:   "export [TABLE] [ADDR] [-o parquet|csv|jsonl|duckdb] [--to FILE]",
		Short: "Hand rows on to other tools",
		Long: `Writes a table or view, or all tables, of the trials that ADDR names or of all, as one file a table, or with -o duckdb as
one database file that holds everything. Without --to one table is written to standard output.`,
		Example: `  llmscen export requests -o csv --to requests.csv
  llmscen export latest -o duckdb --to run.duckdb`,
		Args: atMost(2),
		RunE: func(cmd *cobra.Command, args []string) error { return exportRun(cmd.Context(), e, args, to) },
	}
	cmd.Flags().StringVar(&to, "to", "", "the file, or the folder where several tables are written; it must not exist")
	return cmd
}

func exportRun(ctx context.Context, e *Env, args []string, to string) error {
	format, err := e.wants(warehouse.Formats...)
	if err != nil {
		return err
	}
	w, err := e.openWarehouse()
	if err != nil {
		return err
	}
	export := warehouse.Export{Format: format, To: to}
	names, err := tableNames(ctx, w)
	if err != nil {
		return err
	}
	for _, arg := range args {
		if export.Table == "" && slices.Contains(names, arg) {
			export.Table = arg
			continue
		}
		if export.Selection != nil {
			return wrong("%s is neither a table nor a view: `%s ls tables` lists them", args[0], invoked())
		}
		if export.Selection, err = w.Resolve(ctx, arg); err != nil {
			return wrong("%s is neither a table nor a view, and %v", arg, err)
		}
	}
	if to == "" {
		if export.Table == "" || format == "duckdb" {
			return wrong("name a file or folder with --to: only one table can be written to standard output, and not as duckdb")
		}
		return w.ExportTo(ctx, export, e.Stdout)
	}
	files, err := w.Export(ctx, export)
	for _, f := range files {
		fmt.Fprintf(e.Stderr, "Wrote %s\n", f)
	}
	return err
}

// tableNames are the tables and views that can be asked.
func tableNames(ctx context.Context, w *warehouse.Warehouse) ([]string, error) {
	all, err := w.Tables(ctx)
	names := make([]string, len(all))
	for i, t := range all {
		names[i] = t.Name
	}
	return names, err
}
