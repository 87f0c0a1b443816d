package warehouse

import (
	"context"
	"database/sql"
	"fmt"
)

// Texts are one column of a Parquet file that people brought, read row by row: DuckDB skips the row groups that it does
// not need, and refuses a malformed file with an error. Text may be called by many goroutines at once.
type Texts struct {
	db   *sql.DB
	one  *sql.Stmt
	rows int64
}

// OpenTexts opens a column of text in a Parquet file.
func OpenTexts(path, column string) (*Texts, error) {
	t, err := openTexts(context.Background(), path, column)
	if err != nil {
		return nil, fmt.Errorf("opening column %s of %s: %w", column, path, err)
	}
	return t, nil
}

func openTexts(ctx context.Context, path, column string) (*Texts, error) {
	db, err := openViews(ctx, "SELECT 1")
	if err != nil {
		return nil, err
	}
	t := &Texts{db: db}
	file := "read_parquet(" + quote(globEscape(path)) + ", file_row_number = true)"
	err = db.QueryRowContext(ctx, "SELECT count(*) FROM "+file).Scan(&t.rows)
	if err == nil {
		t.one, err = db.PrepareContext(ctx, "SELECT "+ident(column)+"::VARCHAR FROM "+file+" WHERE file_row_number = ?")
	}
	if err != nil {
		db.Close()
		return nil, err
	}
	return t, nil
}

// Len is the number of rows.
func (t *Texts) Len() int64 { return t.rows }

// Text is the column's value in a row, which counts from 0. NULL is an error: it is no prompt.
func (t *Texts) Text(row int64) (string, error) {
	var text sql.NullString
	if err := t.one.QueryRow(row).Scan(&text); err != nil {
		return "", fmt.Errorf("reading row %d: %w", row, err)
	}
	if !text.Valid {
		return "", fmt.Errorf("reading row %d: it is NULL", row)
	}
	return text.String, nil
}

// Close closes the file.
func (t *Texts) Close() error { return t.db.Close() }
