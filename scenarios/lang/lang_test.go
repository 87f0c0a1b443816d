package lang

import (
	"os"
	"path/filepath"
	"testing"
)

// write makes a folder of files.
func write(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const hello = `
scenario "hello" {}
runtime "simulated" "toy" {
  time_to_first_token = "40ms"
  tokens_per_second   = 80
}
prompt_set "synthetic" "short" {
  prompts = 50
}
load "constant_rate" "gentle" {
  rate_per_second = 5
  over            = "10s"
}
run "hello" {
  runtime    = runtime.toy
  prompt_set = prompt_set.short
  load       = load.gentle
}
`

func TestTheSmallestScenarioLoads(t *testing.T) {
	dir := write(t, map[string]string{"hello.scen.hcl": hello})
	loaded, found, err := Load(t.Context(), Options{Dir: dir})
	if err != nil || len(found) > 0 {
		t.Fatal(err, found)
	}
	run := loaded[0].Runs[0]
	if run.Name != "hello" || len(run.Cells) != 1 || run.Cells[0].Load.RatePerSecond != 5 {
		t.Errorf("%+v", run)
	}
}
