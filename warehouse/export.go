package warehouse

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/llmscen/llmscen/warehouse/tables"
)

// Formats are the formats of Export.
var Formats = []string{"parquet", "csv", "jsonl", "duckdb"}

// Export says what is handed on, and how.
type Export struct {
	// Table is a table or view; "" means all tables.
	Table string
	// Selection limits it; nil means everything.
	Selection *Selection
	// Format is one of Formats.
	Format string
	// To is a file that must not exist; for all tables, and another format than duckdb, a folder for a file a table.
	To string
}

// Export writes files for other tools, and gives their paths. A file appears only when it is whole.
//
// In CSV a text that a spreadsheet would take for a formula gets a ' in front, and lists and maps are JSON.
func (w *Warehouse) Export(ctx context.Context, e Export) ([]string, error) {
	files, err := w.export(ctx, e)
	if err != nil {
		return files, fmt.Errorf("exporting to %s: %w", e.To, err)
	}
	return files, nil
}

// ExportTo writes one table to a stream; duckdb is no format for that.
func (w *Warehouse) ExportTo(ctx context.Context, e Export, out io.Writer) error {
	if e.Table == "" || e.Format == "duckdb" {
		return errors.New("exporting to a stream: only one table can be, as parquet, csv or jsonl")
	}
	dir, err := os.MkdirTemp("", "llmscen-export-")
	if err != nil {
		return fmt.Errorf("exporting to a stream: %w", err)
	}
	defer os.RemoveAll(dir)
	e.To = filepath.Join(dir, e.Table)
	if _, err := w.Export(ctx, e); err != nil {
		return err
	}
	f, err := os.Open(e.To)
	if err != nil {
		return fmt.Errorf("exporting to a stream: %w", err)
	}
	defer f.Close()
	if _, err := io.Copy(out, f); err != nil {
		return fmt.Errorf("exporting to a stream: %w", err)
	}
	return nil
}

func (w *Warehouse) export(ctx context.Context, e Export) ([]string, error) {
	if !slices.Contains(Formats, e.Format) {
		return nil, fmt.Errorf("there is no format %q: %s", e.Format, strings.Join(Formats, ", "))
	}
	if e.Table != "" && !slices.Contains(append(tableNames(), viewNames()...), e.Table) {
		return nil, fmt.Errorf("there is no table %q: %s", e.Table, strings.Join(append(tableNames(), viewNames()...), ", "))
	}
	if e.To == "" {
		return nil, errors.New("it has no name")
	}
	db, err := w.DB(ctx)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	db.SetMaxOpenConns(1) // an attached database and USE belong to a connection
	names := []string{e.Table}
	if e.Table == "" {
		names = tableNames()
	}
	if e.Format == "duckdb" {
		return []string{e.To}, whole(e.To, func(tmp string) error { return exportDatabase(ctx, db, tmp, names, e) })
	}
	var files []string
	for _, name := range names {
		to := e.To
		if e.Table == "" {
			if err := os.MkdirAll(e.To, 0o755); err != nil {
				return files, err
			}
			to = filepath.Join(e.To, name+"."+e.Format)
		}
		if err := whole(to, func(tmp string) error { return exportTable(ctx, db, tmp, name, e) }); err != nil {
			return files, err
		}
		files = append(files, to)
	}
	return files, nil
}

// whole lets write make the file under another name first.
func whole(path string, write func(tmp string) error) error {
	if exists(path) {
		return fmt.Errorf("there is a file %s", path)
	}
	tmp := path + ".tmp"
	err := write(tmp)
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		_ = os.Remove(tmp)
		_ = os.Remove(tmp + ".wal")
	}
	return err
}

func (e Export) where() string {
	if e.Selection == nil {
		return ""
	}
	return " WHERE " + e.Selection.Condition()
}

func exportTable(ctx context.Context, db *sql.DB, path, name string, e Export) error {
	columns, options := "*", ""
	switch e.Format {
	case "parquet":
		options = "FORMAT parquet, COMPRESSION zstd"
	case "jsonl":
		options = "FORMAT json"
	case "csv":
		options = "FORMAT csv, HEADER true"
		var err error
		if columns, err = csvColumns(ctx, db, name); err != nil {
			return err
		}
	}
	_, err := db.ExecContext(ctx, fmt.Sprintf("COPY (SELECT %s FROM %s%s) TO %s (%s)", columns, ident(name), e.where(), quote(path), options))
	return err
}

// csvColumns makes the columns of a table safe for a spreadsheet.
func csvColumns(ctx context.Context, db *sql.DB, name string) (string, error) {
	rows, err := db.QueryContext(ctx, "SELECT * FROM "+ident(name)+" LIMIT 0")
	if err != nil {
		return "", err
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		return "", err
	}
	columns := make([]string, len(types))
	for i, t := range types {
		c := ident(t.Name())
		switch kind := t.DatabaseTypeName(); {
		case kind == "VARCHAR":
			columns[i] = fmt.Sprintf(`CASE WHEN regexp_matches(%s, '^[=+@\t\r-]') THEN '''' || %s ELSE %s END AS %s`, c, c, c, c)
		case strings.HasSuffix(kind, "[]") || strings.HasPrefix(kind, "MAP") || strings.HasPrefix(kind, "STRUCT") || kind == "JSON":
			columns[i] = fmt.Sprintf("CAST(to_json(%s) AS VARCHAR) AS %s", c, c)
		default:
			columns[i] = c
		}
	}
	return strings.Join(columns, ", "), rows.Err()
}

// exportDatabase makes one DuckDB file with the tables, and over all of them the views and macros too.
//
// DuckDB 1.x and 2.x both open the storage version.
func exportDatabase(ctx context.Context, db *sql.DB, path string, names []string, e Export) error {
	statements := []string{fmt.Sprintf("ATTACH %s AS exported (STORAGE_VERSION 'v1.2.0')", quote(path))}
	for _, name := range names {
		statements = append(statements, fmt.Sprintf("CREATE TABLE exported.main.%s AS SELECT * FROM memory.main.%s%s", ident(name), ident(name), e.where()))
		if t, ok := tables.Named(name); ok {
			for _, c := range t.Columns {
				statements = append(statements, fmt.Sprintf("COMMENT ON COLUMN exported.main.%s.%s IS %s", ident(name), ident(c.Name), quote(c.Comment)))
			}
		}
	}
	statements = append(statements, "USE exported")
	if e.Table == "" {
		for _, v := range Views() {
			statements = append(statements, v.SQL)
		}
	}
	statements = append(statements, "USE memory", "DETACH exported")
	for _, s := range statements {
		if _, err := db.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func viewNames() []string {
	var names []string
	for _, v := range Views() {
		names = append(names, v.Name)
	}
	return names
}
