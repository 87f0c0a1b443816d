package lang

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"
	"pgregory.net/rapid"

	"github.com/llmscen/llmscen/scenarios"
)

// anyMatrix is a matrix of small numbers, as its keys in their order and their values.
func anyMatrix(t *rapid.T) (keys []string, values map[string][]int) {
	keys = rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z][a-z0-9_]{0,4}[a-z0-9]`), 1, 4, rapid.ID).Draw(t, "keys")
	values = map[string][]int{}
	for _, k := range keys {
		values[k] = rapid.SliceOfNDistinct(rapid.IntRange(-20, 20), 1, 4, rapid.ID).Draw(t, k)
	}
	return keys, values
}

func list(v []int) string { return strings.ReplaceAll(fmt.Sprint(v), " ", ", ") }

func loadInput(t *rapid.T, dir, text string) ([]*scenarios.Scenario, error) {
	loaded, found, err := Load(t.Context(), Options{Dir: dir, Paths: []string{"-"}, Stdin: strings.NewReader(text)})
	if err == nil && found.HasErrors() {
		err = fmt.Errorf("%v", found)
	}
	return loaded, err
}

func TestAMatrixHasEachCombinationOnceWithoutThoseExcluded(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		keys, values := anyMatrix(t)
		var rows []string
		total := 1
		for _, k := range keys {
			rows = append(rows, fmt.Sprintf("    %s = %s", k, list(values[k])))
			total *= len(values[k])
		}
		excluded := map[string]int{}
		for _, k := range keys {
			if len(values[k]) > 1 && rapid.Bool().Draw(t, "exclude "+k) {
				excluded[k] = values[k][0]
			}
		}
		exclude, out := "[]", 0
		if len(excluded) > 0 {
			var parts []string
			out = total
			for k, v := range excluded {
				parts = append(parts, fmt.Sprintf("%s = %d", k, v))
				out /= len(values[k])
			}
			exclude = "[{ " + strings.Join(parts, ", ") + " }]"
		}
		text := strings.Replace(hello, "run \"hello\" {", "run \"hello\" {\n  matrix = {\n"+strings.Join(rows, "\n")+"\n  }\n  exclude = "+exclude, 1)
		loaded, err := loadInput(t, dir, text)
		if err != nil {
			t.Fatal(err, text)
		}
		cells := loaded[0].Runs[0].Cells
		if len(cells) != total-out {
			t.Fatalf("%d cells, want %d − %d", len(cells), total, out)
		}
		seen := map[string]bool{}
		for _, c := range cells {
			name := fmt.Sprint(c.Values)
			if seen[name] {
				t.Fatalf("%s is there twice", name)
			}
			seen[name] = true
			hit := len(excluded) > 0
			for k, v := range c.Numbers {
				if !slices.Contains(values[k], int(v)) || c.Values[k] != fmt.Sprint(v) {
					t.Fatalf("%s = %v is none of %v", k, v, values[k])
				}
				if want, ok := excluded[k]; ok && want != int(v) {
					hit = false
				}
			}
			if hit {
				t.Fatalf("%s was excluded", name)
			}
		}
	})
}

func TestTheLastKeyOfAMatrixTurnsFastest(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		keys, values := anyMatrix(t)
		var rows []string
		for _, k := range keys {
			rows = append(rows, fmt.Sprintf("    %s = %s", k, list(values[k])))
		}
		loaded, err := loadInput(t, dir, strings.Replace(hello, "run \"hello\" {", "run \"hello\" {\n  matrix = {\n"+strings.Join(rows, "\n")+"\n  }", 1))
		if err != nil {
			t.Fatal(err)
		}
		place := func(c scenarios.Cell) int {
			n := 0
			for _, k := range keys {
				n = n*len(values[k]) + slices.Index(values[k], int(c.Numbers[k]))
			}
			return n
		}
		for i, c := range loaded[0].Runs[0].Cells {
			if place(c) != i {
				t.Fatalf("cell %d is %v", i, c.Values)
			}
		}
	})
}

func TestForEachMakesOneInstanceForEachKey(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.MapOfN(rapid.StringMatching(`[^\pC"$%\\]{1,20}`), rapid.IntRange(1, 1000), 1, 8).Draw(t, "values")
		var rows []string
		for k, v := range values {
			rows = append(rows, fmt.Sprintf("    %s = %d", quoted(k), v))
		}
		text := strings.Replace(hello, "load \"constant_rate\" \"gentle\" {\n  rate_per_second = 5", "load \"constant_rate\" \"gentle\" {\n  for_each = {\n"+strings.Join(rows, "\n")+"\n  }\n  rate_per_second = each.value", 1)
		text = strings.Replace(text, "run \"hello\" {\n", "run \"hello\" {\n  matrix = { l = keys(load.gentle) }\n", 1)
		text = strings.Replace(text, "= load.gentle\n}", "= load.gentle[matrix.l]\n}", 1)
		loaded, err := loadInput(t, dir, text)
		if err != nil {
			t.Fatal(err, text)
		}
		got := map[string]int{}
		for _, c := range loaded[0].Runs[0].Cells {
			got[c.Values["l"]] = int(c.Load.RatePerSecond)
			if c.Load.Addr != "load.gentle["+quoted(c.Values["l"])+"]" {
				t.Fatal(c.Load.Addr)
			}
		}
		want := map[string]int{}
		for k, v := range values {
			want[cty.NormalizeString(k)] = v // HCL keeps texts in NFC
		}
		if !maps.Equal(got, want) {
			t.Fatalf("%v, want %v", got, want)
		}
	})
}

func TestLinspaceMeetsItsEndsAndIsEven(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		from, to := rapid.IntRange(1, 1000).Draw(t, "from"), rapid.IntRange(1001, 5000).Draw(t, "to")
		n := rapid.IntRange(2, 50).Draw(t, "n")
		text := strings.Replace(hello, "run \"hello\" {", fmt.Sprintf("run \"hello\" {\n  matrix = { x = linspace(%d, %d, %d) }", from, to, n), 1)
		loaded, err := loadInput(t, dir, text)
		if err != nil {
			t.Fatal(err)
		}
		cells := loaded[0].Runs[0].Cells
		if len(cells) != n || cells[0].Numbers["x"] != float64(from) || cells[n-1].Numbers["x"] != float64(to) {
			t.Fatal(cells)
		}
		step := float64(to-from) / float64(n-1)
		for i, c := range cells {
			if want := float64(from) + step*float64(i); math.Abs(c.Numbers["x"]-want) > 1e-9*want {
				t.Fatalf("%d: %v, want %v", i, c.Numbers["x"], want)
			}
		}
	})
}
