package warehouse

import (
	"math"
	"path/filepath"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/llmscen/llmscen/warehouse/parquet"
	"github.com/llmscen/llmscen/warehouse/tables"
)

func TestRandomRowsOfEveryTableAreReadBack(t *testing.T) {
	t.Run("requests", readBack[tables.Request])
	t.Run("bodies", readBack[tables.Body])
	t.Run("schedules", readBack[tables.Arrival])
	t.Run("series", readBack[tables.Series])
	t.Run("samples", readBack[tables.Sample])
	t.Run("request_resources", readBack[tables.RequestResource])
	t.Run("trials", readBack[tables.Trial])
	t.Run("stages", readBack[tables.Stage])
	t.Run("targets", readBack[tables.Target])
	t.Run("events", readBack[tables.Event])
	t.Run("verdicts", readBack[tables.Verdict])
	t.Run("summaries", readBack[tables.Summary])
}

// readBack writes rows with any values, NULLs among them, and reads them as the table of the warehouse.
func readBack[T any](t *testing.T) {
	finite := rapid.Float64().Filter(func(f float64) bool { return !math.IsNaN(f) })
	generator := rapid.MakeCustom[T](rapid.MakeConfig{Types: map[reflect.Type]*rapid.Generator[any]{
		reflect.TypeFor[float64](): finite.AsAny(),
	}})
	w := openTest(t)
	table := tables.Of[T]()
	rows := make([]T, 200)
	for i := range rows {
		rows[i] = generator.Example(i)
		normalize(reflect.ValueOf(&rows[i]).Elem())
	}
	f, err := parquet.Write(filepath.Join(w.partition(table.Name, "chat", "a1"), "x-part-0000.parquet"), "t", rows, parquet.Options{})
	must(t, err)
	db, err := openViews(t.Context(), baseViews(w.theseFiles([]File{w.file(table.Name, f)})))
	must(t, err)
	defer db.Close()
	got, err := Rows[T](t.Context(), db, "SELECT * FROM "+ident(table.Name))
	must(t, err)
	if len(got) != len(rows) {
		t.Fatalf("%d rows, want %d", len(got), len(rows))
	}
	for i := range got {
		normalize(reflect.ValueOf(&got[i]).Elem())
		if !reflect.DeepEqual(got[i], rows[i]) {
			t.Fatalf("row %d is\n%+v, want\n%+v", i, got[i], rows[i])
		}
	}
}

// normalize makes equal what the warehouse can't tell apart: an empty list and none, the value behind a NULL; and
// gives the one JSON column a document.
func normalize(row reflect.Value) {
	for i := range row.NumField() {
		f := row.Field(i)
		if _, ok := tables.NullOf(f.Type()); ok && !f.Field(1).Bool() || (f.Kind() == reflect.Slice || f.Kind() == reflect.Map) && f.Len() == 0 {
			f.SetZero()
		}
		if row.Type().Field(i).Name == "Fingerprint" && f.String() != "" {
			f.SetString(`{"cores":2}`)
		}
	}
}
