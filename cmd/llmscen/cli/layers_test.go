package cli

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/llmscen/llmscen"

// rooms is the import map: which rooms of the house each room may import. Test files may import more.
var rooms = map[string][]string{
	"scenarios":          {"scenarios/diag"},
	"scenarios/diag":     {},
	"scenarios/examples": {},
	"scenarios/lang":     {"scenarios", "scenarios/diag"},

	"warehouse/tables":      {},
	"warehouse/stats":       {},
	"warehouse/spool":       {"warehouse/tables"},
	"warehouse/parquet":     {"warehouse/tables", "warehouse/spool"},
	"warehouse/exporter":    {"warehouse/tables"},
	"warehouse/report":      {"warehouse/tables"},
	"warehouse/report/html": {"warehouse/report"},
	"warehouse":             {"scenarios", "warehouse/tables", "warehouse/stats", "warehouse/spool", "warehouse/parquet", "warehouse/report"},

	"runner":                    {"scenarios", "warehouse/tables", "runner/load", "runner/benchclient", "runner/engines", "runner/search"},
	"runner/engines":            {"scenarios"},
	"runner/load":               {"scenarios", "warehouse/tables"},
	"runner/search":             {"scenarios", "warehouse/tables", "warehouse/stats", "runner/load"},
	"runner/prompts":            {"scenarios", "warehouse/tables", "runner/load", "runner/tokenizer"},
	"runner/tokenizer":          {"runner/tokenizer/gguf"},
	"runner/tokenizer/gguf":     {},
	"runner/protocol":           {"scenarios", "warehouse/tables", "runner/load"},
	"runner/benchclient":        {"scenarios", "warehouse/tables", "runner/load", "runner/prompts", "runner/search"},
	"runner/local":              {"scenarios", "runner", "runner/engines", "runner/tokenizer/gguf", "runner/embedded", "runner/embedded/simulated", "runner/embedded/wasm"},
	"runner/embedded":           {"scenarios"},
	"runner/embedded/simulated": {"scenarios", "runner/embedded"},
	"runner/embedded/wasm":      {"runner/embedded", "runner/tokenizer", "runner/tokenizer/gguf"},

	"collectors/procfs": {"warehouse/tables"},
	"collectors/scrape": {"warehouse/tables"},

	"cmd/llmscen": {"cmd/llmscen/cli"},

	"deploy/binary":           {},
	"deploy/bench":            {"deploy/binary", "scenarios", "warehouse/tables", "runner/load", "runner/protocol", "runner/embedded", "runner/embedded/simulated"},
	"deploy/prometheus/check": {"deploy/binary"},
	"deploy/report/check":     {"warehouse/report", "warehouse/report/html"},
}

// doors is which rooms each heavy dependency may be imported from.
var doors = map[string][]string{
	"github.com/hashicorp/hcl":            {"scenarios/lang"},
	"github.com/zclconf/go-cty":           {"scenarios/lang"},
	"github.com/apache/arrow":             {"warehouse/spool", "warehouse/parquet"},
	"github.com/marcboeker/go-duckdb":     {"warehouse"},
	"github.com/prometheus/client_golang": {"warehouse/exporter"},
	"github.com/prometheus/client_model":  {"collectors/scrape"},
	"github.com/prometheus/common":        {"collectors/scrape"},
	"github.com/tetratelabs/wazero":       {"runner/embedded/wasm"},
	"k8s.io/client-go":                    {"runner/kubernetes"},
	"github.com/prometheus/procfs":        {"collectors/procfs"},
	"github.com/spf13/cobra":              {"cmd/llmscen/cli"},
}

// leaves import the standard library only.
var leaves = []string{"scenarios", "scenarios/diag", "warehouse/tables"}

// TestRoomsImportOnlyWhatTheMapAllows parses the imports itself: a test over `go list` would be answered from the test
// cache when another room's imports change.
func TestRoomsImportOnlyWhatTheMapAllows(t *testing.T) {
	root := filepath.Join("..", "..", "..")
	seen := map[string]bool{"cmd/llmscen/cli": true}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != root || d.Name() == "testdata" || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		rel, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		room := filepath.ToSlash(rel)
		seen[room] = true
		checkImports(t, room, path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for room := range rooms {
		if !seen[room] {
			t.Errorf("the map lists %s, which is gone", room)
		}
	}
}

func checkImports(t *testing.T, room, path string) {
	allowed, listed := rooms[room]
	if !listed && room != "cmd/llmscen/cli" {
		t.Errorf("%s is in no listed room: add %s to the map", path, room)
		return
	}
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	if err != nil {
		t.Error(err)
		return
	}
	for _, spec := range f.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Error(err)
			continue
		}
		if other, ours := strings.CutPrefix(name, module+"/"); ours {
			if room != "cmd/llmscen/cli" && !slices.Contains(allowed, other) {
				t.Errorf("%s imports %s, which the map does not allow", path, other)
			}
			continue
		}
		if slices.Contains(leaves, room) && strings.Contains(strings.Split(name, "/")[0], ".") {
			t.Errorf("%s imports %s: %s imports the standard library only", path, name, room)
		}
		for door, through := range doors {
			if (name == door || strings.HasPrefix(name, door+"/")) && !slices.Contains(through, room) {
				t.Errorf("%s imports %s, whose door is %s", path, name, strings.Join(through, ", "))
			}
		}
	}
}
