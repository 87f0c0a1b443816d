package warehouse

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/marcboeker/go-duckdb/v2"
)

// plain turns a value of DuckDB's driver into one that JSON carries without loss; kind is the column's type.
func plain(v any, kind string) any {
	switch v := v.(type) {
	case float64:
		return float(v, 64)
	case float32:
		return float(float64(v), 32)
	case *big.Int:
		return json.Number(v.String())
	case duckdb.Decimal:
		return json.Number(decimal(v))
	case time.Time:
		return instant(v, kind)
	case duckdb.Interval:
		return interval(v)
	case duckdb.UUID:
		return v.String()
	case []byte:
		if kind == "UUID" && len(v) == 16 {
			return (*duckdb.UUID)(v).String()
		}
		return `\x` + hex.EncodeToString(v)
	case duckdb.Union:
		return plain(v.Value, "")
	case []any:
		elem := strings.TrimSuffix(kind[:max(0, strings.LastIndexByte(kind, '['))], " ")
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = plain(e, elem)
		}
		return list
	case map[string]any:
		object := make(map[string]any, len(v))
		for k, e := range v {
			object[k] = plain(e, "")
		}
		return object
	case duckdb.Map:
		object := make(map[string]any, len(v))
		for k, e := range v {
			object[fmt.Sprint(plain(k, ""))] = plain(e, "")
		}
		return object
	}
	return v
}

// float is the shortest number that is the same float; JSON has no word for the others.
func float(f float64, bits int) any {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return json.Number(strconv.FormatFloat(f, 'g', -1, bits))
}

// decimal writes all digits, those of the scale too.
func decimal(d duckdb.Decimal) string {
	digits := new(big.Int).Abs(d.Value).String()
	if scale := int(d.Scale); scale > 0 {
		if len(digits) <= scale {
			digits = strings.Repeat("0", scale+1-len(digits)) + digits
		}
		digits = digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
	}
	if d.Value.Sign() < 0 {
		return "-" + digits
	}
	return digits
}

func instant(t time.Time, kind string) string {
	switch kind {
	case "DATE":
		return t.Format(time.DateOnly)
	case "TIME":
		return t.Format("15:04:05.999999")
	case "TIMETZ":
		return t.Format("15:04:05.999999Z07:00")
	case "TIMESTAMPTZ":
		return t.UTC().Format("2006-01-02 15:04:05.999999") + "+00"
	}
	return t.UTC().Format("2006-01-02 15:04:05.999999999")
}

func interval(i duckdb.Interval) string {
	var parts []string
	if i.Months != 0 {
		parts = append(parts, fmt.Sprintf("%d months", i.Months))
	}
	if i.Days != 0 {
		parts = append(parts, fmt.Sprintf("%d days", i.Days))
	}
	if i.Micros != 0 || len(parts) == 0 {
		parts = append(parts, (time.Duration(i.Micros) * time.Microsecond).String())
	}
	return strings.Join(parts, " ")
}
