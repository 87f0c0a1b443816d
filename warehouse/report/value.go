package report

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/width"

	"github.com/llmscen/llmscen/warehouse/tables"
)

// plain takes a value out of its Cell, Null or pointer: nil, bool, int64, uint64, float64, string, time.Time, or, for
// lists and maps, the value itself. NaN and infinities are not known either.
func plain(v any) any {
	switch v := v.(type) {
	case nil:
		return nil
	case Cell:
		return plain(v.Value)
	case json.Number: // all its digits
		return v
	case time.Duration:
		return v.Seconds()
	case time.Time:
		if v.IsZero() {
			return nil
		}
		return v.UTC()
	case tables.Instant:
		if v == 0 {
			return nil
		}
		return time.Unix(0, int64(v)).UTC()
	}
	r := reflect.ValueOf(v)
	if _, ok := tables.NullOf(r.Type()); ok {
		if !r.Field(1).Bool() {
			return nil
		}
		return plain(r.Field(0).Interface())
	}
	switch r.Kind() {
	case reflect.Pointer:
		if r.IsNil() {
			return nil
		}
		return plain(r.Elem().Interface())
	case reflect.Bool:
		return r.Bool()
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return r.Int()
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return r.Uint()
	case reflect.Float32, reflect.Float64:
		if f := r.Float(); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return f
		}
		return nil
	case reflect.String:
		return r.String()
	case reflect.Slice, reflect.Map:
		if r.Len() == 0 {
			return nil
		}
	}
	return v
}

// Text writes a value for a person, in a unit that suits its size; "" for what is not known.
func (k Kind) Text(v any) string {
	if c, ok := v.(Cell); ok && c.Text != "" {
		return clean(c.Text)
	}
	v = plain(v)
	if v == nil {
		return ""
	}
	if f, ok := number(v); ok {
		switch k {
		case Seconds:
			return seconds(f)
		case Bytes:
			return byteSize(f)
		case Ratio:
			return digits(100*f) + "%"
		case Number, PerSecond:
			return digits(f)
		case Count:
			return strconv.FormatFloat(f, 'f', 0, 64)
		}
	}
	switch v := v.(type) {
	case string:
		return clean(v)
	case time.Time:
		return v.Format("2006-01-02 15:04:05")
	case []string:
		return clean(strings.Join(v, "; "))
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case bool, int64, uint64, json.Number:
		return fmt.Sprint(v)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return clean(fmt.Sprint(v))
	}
	return clean(string(b))
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case int64:
		return float64(v), true
	case uint64:
		return float64(v), true
	}
	return 0, false
}

// digits keeps three digits, or all before the point.
func digits(f float64) string {
	switch a := math.Abs(f); {
	case a == 0:
		return "0"
	case a >= 99.95:
		return strconv.FormatFloat(f, 'f', 0, 64)
	case a >= 9.995:
		return strconv.FormatFloat(f, 'f', 1, 64)
	case a >= 0.9995:
		return strconv.FormatFloat(f, 'f', 2, 64)
	}
	return strconv.FormatFloat(f, 'g', 3, 64)
}

func seconds(f float64) string {
	switch a := math.Abs(f); {
	case a == 0:
		return "0s"
	case a < 0.9995e-3:
		return digits(f*1e6) + "µs"
	case a < 0.9995:
		return digits(f*1e3) + "ms"
	case a < 99.95:
		return digits(f) + "s"
	}
	return time.Duration(math.Round(f) * float64(time.Second)).String()
}

func byteSize(f float64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	i := 0
	for math.Abs(f) >= 999.5 && i < len(units)-1 {
		f /= 1024
		i++
	}
	return digits(f) + units[i]
}

// Clean is a text without line breaks, and without what moves a cursor, changes colours or turns the direction of writing.
func Clean(s string) string { return clean(s) }

// clean makes text safe for a terminal: what would move the cursor, change colours or turn the direction of writing
// is dropped, line breaks and tabs become spaces.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t', r == '\r':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// cells is how many cells of a terminal a text takes.
func cells(s string) int {
	n := 0
	for _, r := range s {
		n += runeCells(r)
	}
	return n
}

func runeCells(r rune) int {
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// cut shortens a text to n cells, with an ellipsis in place of its middle, so that its beginning and its end, which
// tell trials apart, are kept.
func cut(s string, n int) string {
	if cells(s) <= n {
		return s
	}
	runes := []rune(s)
	head, tail := 0, len(runes)
	for used, front := 1, true; ; front = !front {
		next := runes[head]
		if !front {
			next = runes[tail-1]
		}
		used += runeCells(next)
		if used > n {
			return string(runes[:head]) + "…" + string(runes[tail:])
		}
		if front {
			head++
		} else {
			tail--
		}
	}
}
