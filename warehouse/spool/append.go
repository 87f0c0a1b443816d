package spool

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/llmscen/llmscen/warehouse/tables"
)

// An appendFunc appends the field that p points at to its column and returns about how many bytes it took.
//
// It knows the column's builder and the field's type from when it was made: to ask reflect for each field of each row
// took most of the time that a row costs here.
type appendFunc func(p unsafe.Pointer) int

// appender makes the appendFunc of a field of type t; zeroIsNull: the zero value is stored as NULL.
func appender(b array.Builder, t reflect.Type, zeroIsNull bool) appendFunc {
	if v, ok := tables.NullOf(t); ok {
		return nullable(b, t, appender(b, v, false))
	}
	switch t.Kind() {
	case reflect.Bool:
		return scalar[bool](b.(*array.BooleanBuilder), zeroIsNull)
	case reflect.Int32:
		return scalar[int32](b.(*array.Int32Builder), zeroIsNull)
	case reflect.Int64:
		return scalar[int64](b.(*array.Int64Builder), zeroIsNull)
	case reflect.Float64:
		return scalar[float64](b.(*array.Float64Builder), zeroIsNull)
	case reflect.String:
		return text(b.(*array.StringBuilder), zeroIsNull)
	case reflect.Slice:
		return list(b.(*array.ListBuilder), t, zeroIsNull)
	case reflect.Map:
		return dictionary(b.(*array.MapBuilder), t, zeroIsNull)
	}
	panic(fmt.Sprintf("spool: no way to append a %v", t))
}

// nullable appends a tables.Null, whose first field is the value and whose second tells whether it is known.
func nullable(b array.Builder, t reflect.Type, value appendFunc) appendFunc {
	at, valid := t.Field(0).Offset, t.Field(1).Offset
	return func(p unsafe.Pointer) int {
		if !*(*bool)(unsafe.Add(p, valid)) {
			b.AppendNull()
			return 1
		}
		return value(unsafe.Add(p, at))
	}
}

func scalar[V comparable](b interface {
	Append(V)
	AppendNull()
}, zeroIsNull bool) appendFunc {
	var zero V
	size := int(unsafe.Sizeof(zero))
	return func(p unsafe.Pointer) int {
		v := *(*V)(p)
		if zeroIsNull && v == zero {
			b.AppendNull()
			return 1
		}
		b.Append(v)
		return size
	}
}

func text(b *array.StringBuilder, zeroIsNull bool) appendFunc {
	return func(p unsafe.Pointer) int {
		s := *(*string)(p)
		if zeroIsNull && s == "" {
			b.AppendNull()
			return 1
		}
		return appendString(b, s)
	}
}

// appendString keeps the text valid: readers of Parquet refuse a file for one bad byte, and texts come from servers.
func appendString(b *array.StringBuilder, s string) int {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	b.Append(s)
	return len(s) + 4
}

// list appends a slice. The lists of tokens are the bulk of all bytes: they are copied whole.
func list(b *array.ListBuilder, t reflect.Type, zeroIsNull bool) appendFunc {
	switch values := b.ValueBuilder().(type) {
	case *array.Int32Builder:
		return listOf(b, t, zeroIsNull, func(v []int32) int { values.AppendValues(v, nil); return 4 * len(v) })
	case *array.Int16Builder:
		return listOf(b, t, zeroIsNull, func(v []int16) int { values.AppendValues(v, nil); return 2 * len(v) })
	case *array.Int8Builder:
		return listOf(b, t, zeroIsNull, func(v []int8) int { values.AppendValues(v, nil); return len(v) })
	case *array.StringBuilder:
		return listOf(b, t, zeroIsNull, func(v []string) int {
			n := 0
			for _, s := range v {
				n += appendString(values, s)
			}
			return n
		})
	}
	panic(fmt.Sprintf("spool: no way to append a %v", t))
}

func listOf[E any](b *array.ListBuilder, t reflect.Type, zeroIsNull bool, values func([]E) int) appendFunc {
	if t != reflect.TypeFor[[]E]() {
		panic(fmt.Sprintf("spool: the type %v has a name", t))
	}
	return func(p unsafe.Pointer) int {
		v := *(*[]E)(p)
		if zeroIsNull && len(v) == 0 {
			b.AppendNull()
			return 1
		}
		b.Append(true)
		return 4 + values(v)
	}
}

// dictionary appends a map, with the keys in order, so that equal rows are equal bytes. No table with many rows has one.
func dictionary(b *array.MapBuilder, t reflect.Type, zeroIsNull bool) appendFunc {
	appendKey, appendValue := appender(b.KeyBuilder(), t.Key(), false), appender(b.ItemBuilder(), t.Elem(), false)
	return func(p unsafe.Pointer) int {
		m := reflect.NewAt(t, p).Elem()
		if zeroIsNull && m.Len() == 0 {
			b.AppendNull()
			return 1
		}
		b.Append(true)
		keys := m.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		key, value := reflect.New(t.Key()), reflect.New(t.Elem())
		n := 4
		for _, k := range keys {
			key.Elem().Set(k)
			value.Elem().Set(m.MapIndex(k))
			n += appendKey(key.UnsafePointer()) + appendValue(value.UnsafePointer())
		}
		return n
	}
}
