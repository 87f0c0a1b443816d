package spool

import (
	"fmt"
	"reflect"
	"strconv"
	"unsafe"

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
	offset uintptr // of the field in a row
	append appendFunc
}

// NewBuilder makes a builder for rows of the trial of that ID; Release it.
func NewBuilder[T any](mem memory.Allocator, trialID string) *Builder[T] {
	t := tables.Of[T]()
	b := &Builder[T]{records: array.NewRecordBuilder(mem, Schema(t, trialID))}
	for i, c := range t.Columns {
		field := t.Row.Field(c.Field)
		b.columns = append(b.columns, column{field.Offset, appender(b.records.Field(i), field.Type, c.ZeroIsNull)})
	}
	return b
}

// Append copies the rows, column by column.
func (b *Builder[T]) Append(rows []T) {
	for _, c := range b.columns {
		for i := range rows {
			b.bytes += c.append(unsafe.Add(unsafe.Pointer(&rows[i]), c.offset))
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
