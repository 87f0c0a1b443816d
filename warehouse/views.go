package warehouse

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/marcboeker/go-duckdb/v2"

	"github.com/llmscen/llmscen/warehouse/tables"
)

//go:embed sql/*.sql
var sqlFiles embed.FS

// viewOrder lists the files of views and macros: one comes after those that it reads.
var viewOrder = []string{
	"latencies", "tokens", "itl", "tpot_as", "trial_summary", "resources_wide", "efficiency", "comparison", "pareto", "cost",
	"cheapest", "histogram_rollup",
}

// View is a view or macro over the tables.
type View struct {
	Name string
	// Comment tells what it gives, in plain sentences.
	Comment string
	// SQL creates it.
	SQL string
}

// Views lists the views and macros, in the order in which they are created.
func Views() []View {
	views := make([]View, len(viewOrder))
	for i, name := range viewOrder {
		text, err := sqlFiles.ReadFile("sql/" + name + ".sql")
		if err != nil {
			panic(err) // it is embedded
		}
		views[i] = View{Name: name, Comment: leadingComment(string(text)), SQL: string(text)}
	}
	return views
}

func leadingComment(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		comment, ok := strings.CutPrefix(line, "--")
		if !ok {
			break
		}
		lines = append(lines, strings.TrimSpace(comment))
	}
	return strings.Join(lines, "\n")
}

// files gives the SQL expression for the list of a table's files, or "" where there is none.
type files func(table string) string

// everyFile is all files of the warehouse; root is an SQL expression for its folder.
func (w *Warehouse) everyFile(root string) files {
	return func(table string) string {
		found, _ := filepath.Glob(filepath.Join(globEscape(w.dir), table, "scenario=*", "apply=*", "*.parquet"))
		if len(found) == 0 {
			return ""
		}
		return fmt.Sprintf("%s || %s", root, quote("/"+table+"/scenario=*/apply=*/*.parquet"))
	}
}

// theseFiles are the Parquet files of a manifest.
func (w *Warehouse) theseFiles(list []File) files {
	return func(table string) string {
		var paths []string
		for _, f := range list {
			if f.Table == table {
				paths = append(paths, quote(globEscape(filepath.Join(w.dir, filepath.FromSlash(f.Path)))))
			}
		}
		if len(paths) == 0 {
			return ""
		}
		return "[" + strings.Join(paths, ", ") + "]"
	}
}

// baseViews is the SQL of one view a table.
//
// The empty first half gives all columns and their types, so that a view is right without any file, and over the files
// of an older version of the contract. DuckDB's optimizer removes it.
func baseViews(f files) string {
	var b strings.Builder
	for _, t := range tables.All() {
		columns := append(append([]tables.Column(nil), tables.Keys...), t.Columns...)
		fmt.Fprintf(&b, "CREATE OR REPLACE VIEW %s AS SELECT ", ident(t.Name))
		for i, c := range columns {
			if i > 0 {
				b.WriteString(", ")
			}
			cast := "CAST"
			if c.SQLType == "JSON" {
				cast = "TRY_CAST" // a text that is none must not make the other columns unreadable
			}
			fmt.Fprintf(&b, "%s(%s AS %s) AS %s", cast, ident(c.Name), c.SQLType, ident(c.Name))
		}
		b.WriteString(" FROM (SELECT ")
		for i, c := range columns {
			if i > 0 {
				b.WriteString(", ")
			}
			fmt.Fprintf(&b, "CAST(NULL AS %s) AS %s", c.SQLType, ident(c.Name))
		}
		b.WriteString(" WHERE false")
		if list := f(t.Name); list != "" {
			fmt.Fprintf(&b, " UNION ALL BY NAME SELECT * FROM read_parquet(%s, hive_partitioning = true, "+
				"hive_types = {scenario: VARCHAR, apply: VARCHAR}, union_by_name = true)", list)
		}
		b.WriteString(");\n")
	}
	return b.String()
}

// allViews is the SQL of the tables, then of the views and macros. These are created over tables without files first:
// creating a view looks at the footer of every file that it reads, and nearly all of them read requests and trials.
func allViews(f files) string {
	var b strings.Builder
	b.WriteString(baseViews(func(string) string { return "" }))
	for _, v := range Views() {
		b.WriteString(v.SQL)
		b.WriteByte('\n')
	}
	b.WriteString(baseViews(f))
	return b.String()
}

// DB opens a database in memory with a view for each table, and the views and macros over them. It is for our own
// statements: what a person wrote goes through Query. The caller closes it.
func (w *Warehouse) DB(ctx context.Context) (*sql.DB, error) {
	return openViews(ctx, allViews(w.everyFile(quote(globEscape(w.dir)))))
}

// settings of every database: nothing is fetched from a network unasked, and the footers of files are read once, not by every
// view again.
const settings = "SET autoinstall_known_extensions = false; SET autoload_known_extensions = false; SET parquet_metadata_cache = true;"

func openViews(ctx context.Context, views string) (*sql.DB, error) {
	connector, err := duckdb.NewConnector("", func(e driver.ExecerContext) error {
		_, err := e.ExecContext(ctx, settings, nil)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("opening a database in memory: %w", err)
	}
	db := sql.OpenDB(connector)
	if _, err := db.ExecContext(ctx, views); err != nil {
		db.Close()
		return nil, fmt.Errorf("creating the views: %w", err)
	}
	return db, nil
}

// writeViews keeps views.sql in the warehouse's root up to date, for any DuckDB; draft is as in writeFile.
func (w *Warehouse) writeViews(draft string) error {
	const root = "getvariable('llmscen_warehouse')"
	text := "-- The tables, views and macros of this warehouse, for any DuckDB from 1.1 on: duckdb -init views.sql\n" +
		"-- The files are looked for in the current folder, then where they were written. Where the warehouse is now\n" +
		"-- elsewhere: SET VARIABLE llmscen_warehouse = '/its/folder'; before this file is read.\n" +
		"SET VARIABLE llmscen_warehouse = coalesce(getvariable('llmscen_warehouse'),\n" +
		"  (SELECT '.' FROM glob('trials/scenario=*/apply=*/*.parquet') LIMIT 1), " + quote(globEscape(w.dir)) + ");\n" +
		allViews(w.everyFile(root))
	path := filepath.Join(w.dir, "views.sql")
	if old, err := os.ReadFile(path); err == nil && string(old) == text {
		return nil
	}
	return writeFile(draft, path, []byte(text))
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func ident(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// globEscape makes a pattern that matches just the path.
func globEscape(path string) string {
	return strings.NewReplacer(`*`, `[*]`, `?`, `[?]`, `[`, `[[]`).Replace(path)
}
