package lang

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/llmscen/llmscen/scenarios/diag"
)

// loadText loads one file.
func loadText(t testing.TB, text string) diag.List {
	t.Helper()
	_, found, err := Load(t.Context(), Options{Dir: write(t, map[string]string{"in.scen.hcl": text})})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// wantError wants one error with that summary.
func wantError(t testing.TB, found diag.List, summary string) diag.Diagnostic {
	t.Helper()
	if len(found) != 1 || found[0].Summary != summary {
		t.Fatalf("want %q alone, got %v", summary, found)
	}
	return found[0]
}

func TestAFileOfSeventeenMiBIsRefusedUnread(t *testing.T) {
	d := wantError(t, loadText(t, strings.Repeat("# seventeen\n", 17<<20/12)), "File that can't be read")
	if !strings.Contains(d.Detail, "in.scen.hcl has 17") {
		t.Error(d.Detail)
	}
}

func TestTextsThatWouldOverflowTheParserAreRefusedBefore(t *testing.T) {
	const n = maxFileBytes / 8
	for name, text := range map[string]string{
		"brackets":            "locals {\n a = " + strings.Repeat("[", n),
		"braces":              strings.Repeat("a {\n", n/4),
		"object braces":       "locals {\n a = " + strings.Repeat("{a=", n/3),
		"parentheses":         "locals {\n a = " + strings.Repeat("(", n),
		"calls":               "locals {\n a = " + strings.Repeat("f(", n/2),
		"templates":           "locals {\n a = " + strings.Repeat(`"${`, n/3),
		"control":             "locals {\n a = \"" + strings.Repeat("%{if true}", n/10),
		"loops in a template": "locals {\n a = <<X\n" + strings.Repeat("%{ for a in b }\n", n/16),
		"negations":           "locals {\n a = " + strings.Repeat("!", n),
		"minus signs":         "locals {\n a = " + strings.Repeat("-", n),
		"conditionals":        "locals {\n a = " + strings.Repeat("a?b:", n/4),
		"sums":                "locals {\n a = 1" + strings.Repeat("+1", n/2),
		"indexes":             "locals {\n a = a" + strings.Repeat("[b]", n/3),
		"splats":              "locals {\n a = a" + strings.Repeat("[*]", n/3),
		"old splats":          "locals {\n a = a" + strings.Repeat(".*", n/2),
		"mixed":               "locals {\n a = " + strings.Repeat("[!a?b:", n/6),
	} {
		t.Run(name, func(t *testing.T) {
			d := wantError(t, loadText(t, text), map[bool]string{true: "Nesting too deep", false: "Expression too long"}[nests(name)])
			if d.Subject == nil || d.Snippet == "" {
				t.Error("it has no place")
			}
		})
	}
}

func nests(name string) bool {
	switch name {
	case "negations", "minus signs", "conditionals", "sums", "indexes", "splats", "old splats":
		return false
	}
	return true
}

func TestFourMiBOfBracketsFromStandardInputAreRefused(t *testing.T) {
	_, found, err := Load(t.Context(), Options{Paths: []string{"-"}, Dir: t.TempDir(), Stdin: strings.NewReader(strings.Repeat("[", 4<<20))})
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, found, "File that can't be read")
}

func TestLongListsAndTextsAreNoNesting(t *testing.T) {
	long := "locals {\n  a = [" + strings.Repeat("-1, ", 20_000) + "]\n  b = <<X\n" + strings.Repeat("a ${1} b\n", 5000) + "X\n}\n"
	if found := loadText(t, hello+long); len(found) > 0 {
		t.Error(found[0])
	}
}

func TestInvalidUTF8IsToldWithItsOffset(t *testing.T) {
	d := wantError(t, loadText(t, "scenario \"s\" {}\n# \xff\n"), "Text that is not UTF-8")
	if d.Subject.Start.Line != 2 || d.Subject.Start.Byte != 18 || !strings.Contains(d.Detail, "offset 18") {
		t.Error(d, d.Subject)
	}
}

func TestAByteOrderMarkIsNoMistake(t *testing.T) {
	if found := loadText(t, "\xef\xbb\xbf"+hello); len(found) > 0 {
		t.Error(found)
	}
}

func TestAtMostAHundredMistakesAreTold(t *testing.T) {
	text := hello
	for i := range 150 {
		text += fmt.Sprintf("locals {\n  a%d = b%d\n}\n", i, i)
	}
	found := loadText(t, text)
	if len(found) != maxErrors || found[maxErrors-1].Detail != "51 more are not shown: mend these first." {
		t.Error(len(found), found[len(found)-1])
	}
}

func TestARunOfAHundredThousandCellsLoadsAndOneMoreDoesNot(t *testing.T) {
	cells := func(n int) string {
		return strings.Replace(hello, "run \"hello\" {", fmt.Sprintf(
			"run \"hello\" {\n  matrix = { x = range(0, 1000), y = range(0, %d), z = [true] }\n  replicas = matrix.x + 1", n), 1)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	loaded, found, err := Load(t.Context(), Options{Dir: write(t, map[string]string{"in.scen.hcl": cells(100)})})
	if err != nil || len(found) > 0 {
		t.Fatal(err, found)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if n := len(loaded[0].Runs[0].Cells); n != 100_000 {
		t.Fatal(n)
	}
	// A cell is a copy of its runtime, prompts and load: some 2 KB.
	if perCell := (after.HeapAlloc - before.HeapAlloc) / 100_000; perCell > 4096 {
		t.Errorf("a cell takes %d bytes", perCell)
	}
	runtime.KeepAlive(loaded)
	wantError(t, loadText(t, cells(101)), "Too many cells")
}

func TestCellsOfAllRunsAreCountedTogether(t *testing.T) {
	run := func(name string) string {
		return "run \"" + name + "\" {\n  matrix = { x = range(0, 600), y = range(0, 100) }\n  runtime = runtime.toy\n  prompt_set = prompt_set.short\n  load = load.gentle\n}\n"
	}
	wantError(t, loadText(t, hello+run("a")+run("b")), "Too many cells")
}

func TestNestedTriesEndWithTheBudget(t *testing.T) {
	text := hello + "locals {\n  a = " + strings.Repeat("try(", 60) + "1" + strings.Repeat(", 2)", 60) + "\n}\n"
	wantError(t, loadText(t, text), "Too much to evaluate")
}

func TestTheEndOfTheContextEndsTheLoading(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := Load(ctx, Options{Dir: write(t, map[string]string{"in.scen.hcl": hello})})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestAFileFunctionReadsAtMostWhatAValueMayHold(t *testing.T) {
	dir := write(t, map[string]string{
		"in.scen.hcl": hello + "locals {\n  a = file(\"large.txt\")\n  b = file(\"bad.txt\")\n}\n",
		"bad.txt":     "\xff",
	})
	f, err := os.Create(filepath.Join(dir, "large.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Truncate(1<<30), f.Close()); err != nil {
		t.Fatal(err)
	}
	_, found, err := Load(t.Context(), Options{Dir: dir})
	if err != nil || len(found) != 2 || !strings.Contains(found[0].Detail, "1073741824 bytes") || !strings.Contains(found[1].Detail, "not UTF-8 at offset 0") {
		t.Error(err, found)
	}
}

// Each of these texts is long, and repeats what would take hours if it were compared each with each.
func TestFilesFullOfOneThingAreReadToTheirEnd(t *testing.T) {
	fill := func(format string) string {
		var b strings.Builder
		for i := 0; b.Len() < maxFileBytes/8; i++ {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	var chain strings.Builder // the last first, so that the first is the deepest
	for i := 10_000; i > 0; i-- {
		fmt.Fprintf(&chain, "a%d = local.a%d\n", i, i-1)
	}
	for name, text := range map[string]string{
		"locals":             hello + "locals {\n" + fill("a%[1]d = 1\n") + "}\n",
		"a chain of locals":  hello + "locals {\n" + chain.String() + "a0 = 1\n}\n",
		"bad references":     hello + "locals {\n" + fill("a%[1]d = local.b%[1]d\n") + "}\n",
		"bad functions":      hello + "locals {\n" + fill("a%[1]d = f%[1]d()\n") + "}\n",
		"blocks":             hello + fill("slo \"a%d\" {}\n"),
		"the same block":     hello + fill("slo \"a\" {}\n#%d\n"),
		"unknown blocks":     fill("b%d {}\n"),
		"unknown attributes": "scenario \"s\" {\n" + fill("a%d = 1\n") + "}\n",
		"faults":             strings.Replace(hello, "\"toy\" {", "\"toy\" {\n"+fill("fault \"error\" {\nratio = 0.1\nseed = %d\n}\n"), 1),
		"objectives":         hello + "slo \"s\" {\n" + fill("objective \"ttft\" {\np99 = \"%ds\"\n}\n") + "}\n",
		"matrix keys":        strings.Replace(hello, "run \"hello\" {", "run \"hello\" {\nmatrix = {\n"+fill("a%d = [1]\n")+"}\n", 1),
		"exclusions":         strings.Replace(hello, "run \"hello\" {", "run \"hello\" {\nmatrix = { a = range(0, 1000), b = [1, 2] }\nexclude = [\n"+fill("{ a = %d },\n")+"]\n", 1),
		"syntax mistakes":    fill("a%d {\n = \n}\n"),
		"for_each of blocks": hello + "locals {\nmany = flatten([for i in range(0, 100) : [for j in range(0, 100) : \"${i}-${j}\"]])\n}\n" + fill("slo \"a%d\" {\nfor_each = local.many\n}\n"),
	} {
		t.Run(name, func(t *testing.T) {
			if found := loadText(t, text); len(found) > maxErrors {
				t.Error(len(found))
			}
		})
	}
}
