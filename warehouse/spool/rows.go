package spool

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/llmscen/llmscen/warehouse/tables"
)

// Schema is the Arrow schema of a table's rows in the trial of that ID.
func Schema(t tables.Table, trialID string) *arrow.Schema {
	fields := make([]arrow.Field, len(t.Columns))
	for i, c := range t.Columns {
		fields[i] = arrow.Field{Name: c.Name, Type: arrowType(t.Row.Field(c.Field).Type), Nullable: c.Nullable}
	}
	meta := arrow.NewMetadata(
		[]string{MetaSchemaVersion, MetaTable, MetaTrialID},
		[]string{strconv.Itoa(tables.SchemaVersion), t.Name, trialID},
	)
	return arrow.NewSchema(fields, &meta)
}

func arrowType(t reflect.Type) arrow.DataType {
	if v, ok := tables.NullOf(t); ok {
		return arrowType(v)
	}
	switch t.Kind() {
	case reflect.Bool:
		return arrow.FixedWidthTypes.Boolean
	case reflect.Int8:
		return arrow.PrimitiveTypes.Int8
	case reflect.Int16:
		return arrow.PrimitiveTypes.Int16
	case reflect.Int32:
		return arrow.PrimitiveTypes.Int32
	case reflect.Int64:
		return arrow.PrimitiveTypes.Int64
	case reflect.Float64:
		return arrow.PrimitiveTypes.Float64
	case reflect.String:
		return arrow.BinaryTypes.String
	case reflect.Slice:
		return arrow.ListOfNonNullable(arrowType(t.Elem()))
	case reflect.Map:
		return arrow.MapOf(arrowType(t.Key()), arrowType(t.Elem()))
	}
	panic(fmt.Sprintf("spool: no Arrow type for %v", t))
}

// Builder turns rows into record batches. How a column is appended is settled once, when it is made.
type Builder[T any] struct {
	records *array.RecordBuilder
	columns []column
	rows    int
	bytes   int
}

type column struct {
	field  int
	append appendFunc
}

// An appendFunc appends a field and returns about how many bytes it took.
type appendFunc func(b array.Builder, field reflect.Value) int

// NewBuilder makes a builder for rows of the trial of that ID; Release it.
func NewBuilder[T any](mem memory.Allocator, trialID string) *Builder[T] {
	t := tables.Of[T]()
	b := &Builder[T]{records: array.NewRecordBuilder(mem, Schema(t, trialID))}
	for _, c := range t.Columns {
		b.columns = append(b.columns, column{c.Field, appender(t.Row.Field(c.Field).Type, c.ZeroIsNull)})
	}
	return b
}

// Append copies the rows, column by column.
func (b *Builder[T]) Append(rows []T) {
	v := reflect.ValueOf(rows)
	for i, c := range b.columns {
		to := b.records.Field(i)
		for r := range rows {
			b.bytes += c.append(to, v.Index(r).Field(c.field))
		}
	}
	b.rows += len(rows)
}

// Record is the rows since the last one; the caller releases it.
func (b *Builder[T]) Record() arrow.Record {
	b.rows, b.bytes = 0, 0
	return b.records.NewRecord()
}

// Schema is the schema of the records.
func (b *Builder[T]) Schema() *arrow.Schema { return b.records.Schema() }

// Release frees what is held.
func (b *Builder[T]) Release() { b.records.Release() }

func appender(t reflect.Type, zeroIsNull bool) appendFunc {
	if v, ok := tables.NullOf(t); ok {
		known := appender(v, false)
		return func(b array.Builder, f reflect.Value) int {
			if !f.Field(1).Bool() {
				b.AppendNull()
				return 1
			}
			return known(b, f.Field(0))
		}
	}
	known := plainAppender(t)
	if !zeroIsNull {
		return known
	}
	isNull := reflect.Value.IsZero
	if t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		isNull = func(f reflect.Value) bool { return f.Len() == 0 }
	}
	return func(b array.Builder, f reflect.Value) int {
		if isNull(f) {
			b.AppendNull()
			return 1
		}
		return known(b, f)
	}
}

func plainAppender(t reflect.Type) appendFunc {
	switch t.Kind() {
	case reflect.Bool:
		return func(b array.Builder, f reflect.Value) int { b.(*array.BooleanBuilder).Append(f.Bool()); return 1 }
	case reflect.Int32:
		return func(b array.Builder, f reflect.Value) int { b.(*array.Int32Builder).Append(int32(f.Int())); return 4 }
	case reflect.Int64:
		return func(b array.Builder, f reflect.Value) int { b.(*array.Int64Builder).Append(f.Int()); return 8 }
	case reflect.Float64:
		return func(b array.Builder, f reflect.Value) int { b.(*array.Float64Builder).Append(f.Float()); return 8 }
	case reflect.String:
		return func(b array.Builder, f reflect.Value) int { return appendString(b, f.String()) }
	case reflect.Slice:
		return sliceAppender(t)
	case reflect.Map:
		return mapAppender(t)
	}
	panic(fmt.Sprintf("spool: no way to append a %v", t))
}

// appendString keeps the text valid: readers of Parquet refuse a file for one bad byte, and texts come from servers.
func appendString(b array.Builder, s string) int {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	b.(*array.StringBuilder).Append(s)
	return len(s) + 4
}

// The lists of tokens are the bulk of all bytes: they are copied whole.
func sliceAppender(t reflect.Type) appendFunc {
	switch t.Elem().Kind() {
	case reflect.Int32:
		return listOf(t, func(b array.Builder, v []int32) int { b.(*array.Int32Builder).AppendValues(v, nil); return 4 * len(v) })
	case reflect.Int16:
		return listOf(t, func(b array.Builder, v []int16) int { b.(*array.Int16Builder).AppendValues(v, nil); return 2 * len(v) })
	case reflect.Int8:
		return listOf(t, func(b array.Builder, v []int8) int { b.(*array.Int8Builder).AppendValues(v, nil); return len(v) })
	case reflect.String:
		return listOf(t, func(b array.Builder, v []string) int {
			n := 0
			for _, s := range v {
				n += appendString(b, s)
			}
			return n
		})
	}
	panic(fmt.Sprintf("spool: no way to append a %v", t))
}

func listOf[E any](t reflect.Type, values func(array.Builder, []E) int) appendFunc {
	if t != reflect.TypeFor[[]E]() {
		panic(fmt.Sprintf("spool: the type %v has a name", t))
	}
	return func(b array.Builder, f reflect.Value) int {
		list := b.(*array.ListBuilder)
		list.Append(true)
		return 4 + values(list.ValueBuilder(), *f.Addr().Interface().(*[]E))
	}
}

// mapAppender appends the keys in order, so that equal rows are equal bytes.
func mapAppender(t reflect.Type) appendFunc {
	key, value := plainAppender(t.Key()), plainAppender(t.Elem())
	return func(b array.Builder, f reflect.Value) int {
		m := b.(*array.MapBuilder)
		m.Append(true)
		keys := f.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		n := 4
		for _, k := range keys {
			n += key(m.KeyBuilder(), k) + value(m.ItemBuilder(), f.MapIndex(k))
		}
		return n
	}
}
