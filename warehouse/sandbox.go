package warehouse

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/marcboeker/go-duckdb/v2"
)

// ServeQuery is the child's side of Query: it reads one request from in, locks itself in, and writes the answer to out.
// The process must do nothing else: the walls can't be taken down again. Its error means that the answer could not be
// written; what is wrong with the query is part of the answer.
func ServeQuery(ctx context.Context, in io.Reader, out io.Writer) error {
	r := bufio.NewReader(in)
	var request sandboxRequest
	line, err := r.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("reading the query: %w", err)
	}
	if err := json.Unmarshal(line, &request); err != nil {
		return fmt.Errorf("reading the query: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, r) // until the one who asked is gone
		cancel()
	}()
	w := bufio.NewWriterSize(out, 64<<10)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	end := serve(ctx, request, e)
	if err := e.Encode(end); err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	return w.Flush()
}

// serve writes columns and rows, and gives the line that ends the answer.
func serve(ctx context.Context, r sandboxRequest, e *json.Encoder) sandboxLine {
	if err := confine(r); err != nil {
		return sandboxLine{Failure: "confining the process: " + err.Error()}
	}
	db, err := openSandbox(ctx, r)
	if err != nil {
		return sandboxLine{Failure: err.Error()}
	}
	defer db.Close()
	err = readsOnly(ctx, db, r.SQL)
	var end sandboxLine
	if err == nil {
		end, err = answer(ctx, db, r, e)
	}
	if err != nil {
		var q *QueryError
		return sandboxLine{Error: err.Error(), Refused: errors.As(err, &q) && q.Refused}
	}
	return end
}

// openSandbox opens the views in a database that can read the warehouse, can write nothing but its own temporary files,
// and keeps these settings. The order matters: each of the last two lines makes what stands before it final.
func openSandbox(ctx context.Context, r sandboxRequest) (*sql.DB, error) {
	w := &Warehouse{dir: r.Dir}
	db, err := w.DB(ctx)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	for _, set := range []string{
		fmt.Sprintf("SET memory_limit = '%dB'", r.Limits.Memory),
		fmt.Sprintf("SET threads = %d", r.Limits.Threads),
		"SET temp_directory = " + quote(r.Temp),
		fmt.Sprintf("SET max_temp_directory_size = '%dB'", r.Limits.TempBytes),
		"SET TimeZone = 'UTC'",
		"SET allow_community_extensions = false",
		"SET allowed_directories = [" + quote(r.Dir) + "]",
		"SET enable_external_access = false",
		"SET lock_configuration = true",
	} {
		if _, err := db.ExecContext(ctx, set); err != nil {
			db.Close()
			return nil, fmt.Errorf("locking the database: %w", err)
		}
	}
	return db, nil
}

// answer runs the statement and writes what it gives.
func answer(ctx context.Context, db *sql.DB, r sandboxRequest, e *json.Encoder) (sandboxLine, error) {
	rows, columns, err := ask(ctx, db, r.SQL)
	if err != nil {
		return sandboxLine{}, err
	}
	defer rows.Close()
	if err := e.Encode(sandboxLine{Columns: columns}); err != nil {
		return sandboxLine{}, err
	}
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for n := int64(0); rows.Next(); n++ {
		if r.Limits.Rows > 0 && n >= r.Limits.Rows {
			return sandboxLine{End: true, Truncated: true}, nil
		}
		if err := rows.Scan(into...); err != nil {
			return sandboxLine{}, err
		}
		row := make([]any, len(values))
		for i, v := range values {
			row[i] = plain(v, columns[i].Type)
		}
		if err := e.Encode(sandboxLine{Row: row}); err != nil {
			return sandboxLine{}, err
		}
	}
	return sandboxLine{End: true}, rows.Err()
}

// ask runs the statement. JSON is asked for as text, because the driver would decode it and lose digits.
func ask(ctx context.Context, db *sql.DB, statement string) (*sql.Rows, []ResultColumn, error) {
	rows, columns, err := askOnce(ctx, db, statement)
	if err != nil {
		return nil, nil, err
	}
	var casts []string
	for _, c := range columns {
		if c.Type == "JSON" {
			casts = append(casts, fmt.Sprintf("CAST(%s AS VARCHAR) AS %s", ident(c.Name), ident(c.Name)))
		}
	}
	if len(casts) == 0 {
		return rows, columns, nil
	}
	if err := rows.Close(); err != nil {
		return nil, nil, err
	}
	statement = strings.TrimRight(strings.TrimSpace(statement), ";")
	asText := "SELECT * REPLACE (" + strings.Join(casts, ", ") + ") FROM (" + statement + "\n)"
	if rows, _, err = askOnce(ctx, db, asText); err == nil {
		return rows, columns, nil
	}
	return askOnce(ctx, db, statement) // not every statement can stand in another, as DESCRIBE can't
}

func askOnce(ctx context.Context, db *sql.DB, statement string) (*sql.Rows, []ResultColumn, error) {
	rows, err := db.QueryContext(ctx, statement)
	if err != nil {
		return nil, nil, err
	}
	types, err := rows.ColumnTypes()
	if err != nil {
		rows.Close()
		return nil, nil, err
	}
	columns := make([]ResultColumn, len(types))
	for i, t := range types {
		columns[i] = ResultColumn{Name: t.Name(), Type: t.DatabaseTypeName()}
	}
	return rows, columns, nil
}

// statementType prepares a statement, which must be one, and tells its type.
func statementType(ctx context.Context, db *sql.DB, statement string) (t duckdb.StmtType, err error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	err = conn.Raw(func(c any) error {
		prepared, err := c.(*duckdb.Conn).PrepareContext(ctx, statement)
		if err != nil {
			return err
		}
		defer prepared.Close() //nolint:errcheck // it was only looked at
		t, err = prepared.(*duckdb.Stmt).StatementType()
		return err
	})
	return t, err
}
