package warehouse

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"

	"github.com/marcboeker/go-duckdb/v2"

	"github.com/llmscen/llmscen/warehouse/tables"
)

// DB is where statements of our own go; *sql.DB is one, and so are *sql.Conn and *sql.Tx.
type DB interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// Rows gives the rows of a query as T: a row of a table, or any struct whose fields have col tags. A column without a
// field is left out, a field without a column stays zero.
func Rows[T any](ctx context.Context, db DB, query string, args ...any) ([]T, error) {
	var all []T
	err := EachRow(ctx, db, func(row T) error { all = append(all, row); return nil }, query, args...)
	return all, err
}

// EachRow hands the rows of a query over one by one, as Rows would give them.
func EachRow[T any](ctx context.Context, db DB, each func(T) error, query string, args ...any) error {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("asking the warehouse: %w", err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return fmt.Errorf("asking the warehouse: %w", err)
	}
	fields := fieldsOf(reflect.TypeFor[T](), columns)
	values := make([]any, len(columns))
	into := make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return fmt.Errorf("reading a row: %w", err)
		}
		var row T
		v := reflect.ValueOf(&row).Elem()
		for i, f := range fields {
			if f == nil || values[i] == nil {
				continue
			}
			if err := set(v.FieldByIndex(f), values[i]); err != nil {
				return fmt.Errorf("reading column %s: %w", columns[i], err)
			}
		}
		if err := each(row); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("reading rows: %w", err)
	}
	return nil
}

// fieldsOf gives the field of each column, those of embedded structs too, or nil.
func fieldsOf(t reflect.Type, columns []string) [][]int {
	byName := map[string][]int{}
	for _, f := range reflect.VisibleFields(t) {
		if name := tables.ColumnName(f); name != "" {
			byName[name] = f.Index
		}
	}
	fields := make([][]int, len(columns))
	for i, c := range columns {
		fields[i] = byName[c]
	}
	return fields
}

// set puts a value of DuckDB, which is not NULL, into a field.
func set(to reflect.Value, from any) error {
	if _, ok := tables.NullOf(to.Type()); ok {
		to.Field(1).SetBool(true)
		return set(to.Field(0), from)
	}
	switch from := from.(type) {
	case duckdb.Map:
		return setMap(to, from)
	case *big.Int: // a sum of BIGINTs is a HUGEINT
		if !from.IsInt64() {
			return fmt.Errorf("%s is too large", from)
		}
		return set(to, from.Int64())
	case duckdb.Decimal:
		return set(to, from.Float64())
	case []any:
		if to.Kind() == reflect.Slice {
			return setSlice(to, from)
		}
	}
	v := reflect.ValueOf(from)
	if to.Kind() == reflect.String && v.Kind() != reflect.String {
		text, err := json.Marshal(from) // DuckDB hands JSON over decoded
		if err != nil {
			return err
		}
		to.SetString(string(text))
		return nil
	}
	if !v.CanConvert(to.Type()) || (v.Kind() == reflect.String) != (to.Kind() == reflect.String) {
		return fmt.Errorf("a %T can't be a %v", from, to.Type())
	}
	to.Set(v.Convert(to.Type()))
	return nil
}

func setSlice(to reflect.Value, from []any) error {
	s := reflect.MakeSlice(to.Type(), len(from), len(from))
	for i, e := range from {
		if e == nil {
			continue
		}
		if err := set(s.Index(i), e); err != nil {
			return err
		}
	}
	to.Set(s)
	return nil
}

func setMap(to reflect.Value, from duckdb.Map) error {
	if to.Kind() != reflect.Map {
		return fmt.Errorf("a map can't be a %v", to.Type())
	}
	m := reflect.MakeMapWithSize(to.Type(), len(from))
	for k, e := range from {
		key, value := reflect.New(to.Type().Key()).Elem(), reflect.New(to.Type().Elem()).Elem()
		if err := set(key, k); err != nil {
			return err
		}
		if e != nil {
			if err := set(value, e); err != nil {
				return err
			}
		}
		m.SetMapIndex(key, value)
	}
	to.Set(m)
	return nil
}
