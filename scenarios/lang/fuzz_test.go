package lang

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// seed adds the scenarios of testdata, but for those that take a second to refuse.
func seed(f *testing.F) {
	all, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(all) == 0 {
		f.Fatal(err)
	}
	for _, name := range all {
		if strings.Contains(name, "bomb") {
			continue
		}
		a, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range a.Files {
			if filepath.Ext(file.Name) == ".hcl" {
				f.Add(file.Data)
			}
		}
	}
}

// No text makes Load panic, tell more than it may, or point outside the text.
func FuzzLoad(f *testing.F) {
	seed(f)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		loaded, found, err := Load(t.Context(), Options{Dir: dir, Paths: []string{"-"}, Stdin: bytes.NewReader(text)})
		if err != nil {
			t.Fatal(err)
		}
		if found.Errors() > maxErrors {
			t.Errorf("%d errors", found.Errors())
		}
		if found.HasErrors() != (loaded == nil) {
			t.Errorf("errors: %v, scenarios: %v", found.HasErrors(), loaded)
		}
		cells := 0
		for _, s := range loaded {
			for _, r := range s.Runs {
				cells += len(r.Cells)
			}
		}
		if cells > maxCells {
			t.Errorf("%d cells", cells)
		}
		for _, d := range found {
			if d.Subject != nil && (d.Subject.Start.Line < 1 || d.Subject.End.Byte > len(text) || d.Subject.Start.Byte > d.Subject.End.Byte) {
				t.Errorf("%+v of %d bytes", d.Subject, len(text))
			}
			_ = d.String()
		}
	})
}

// What is formatted stays as it is when it is formatted again, and loads as it did.
func FuzzFormat(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		once, found := Format("in.scen.hcl", text)
		if found.HasErrors() {
			return
		}
		twice, found := Format("in.scen.hcl", once)
		if found.HasErrors() || !bytes.Equal(once, twice) {
			t.Errorf("%v\n%q\n%q", found, once, twice)
		}
	})
}
