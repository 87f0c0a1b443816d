package examples_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/llmscen/llmscen/scenarios/examples"
	"github.com/llmscen/llmscen/scenarios/lang"
)

func TestEveryExampleLoadsWithoutFindingsFromWhatInitWrites(t *testing.T) {
	for _, e := range examples.List() {
		t.Run(e.Name, func(t *testing.T) {
			dir := t.TempDir()
			for _, f := range e.Files {
				at := filepath.Join(dir, filepath.FromSlash(f.Path))
				if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(at, []byte(f.Text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			loaded, found, err := lang.Load(t.Context(), lang.Options{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range found {
				t.Error(d)
			}
			if len(loaded) != 1 || len(loaded[0].Runs) == 0 {
				t.Error("there is nothing to run")
			}
		})
	}
}

func TestEveryExampleIsInCanonicalFormAndSaysWhatItIs(t *testing.T) {
	for _, e := range examples.List() {
		text := e.Files[0].Text
		formatted, found := lang.Format(e.Files[0].Path, []byte(text))
		if len(found) > 0 || string(formatted) != text {
			t.Errorf("%s is not in canonical form: %v\n%s", e.Name, found, formatted)
		}
		if !strings.HasPrefix(text, "# ") || !strings.ContainsAny(e.About, ".?") {
			t.Errorf("%s does not begin with a sentence about it", e.Name)
		}
	}
}

func TestTheDefaultExampleIsThere(t *testing.T) {
	if e, ok := examples.Find(examples.Default); !ok || e.Files[0].Path != "quickstart.scen.hcl" {
		t.Error(e)
	}
	if _, ok := examples.Find("none-of-that-name"); ok {
		t.Error("an example that is not there was found")
	}
}
