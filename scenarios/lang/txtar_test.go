package lang

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write the wanted output into the txtar files")

// TestScenariosGiveExactlyWhatIsWanted loads each testdata/*/*.txtar. Its comment may have lines such as
//
//	path: FILE        a path to load, else the folder
//	var: NAME=VALUE   env: NAME=VALUE   var-file: FILE   link: FILE -> TARGET
//
// and the section want holds the findings, or else the scenario without what is zero.
func TestScenariosGiveExactlyWhatIsWanted(t *testing.T) {
	all, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(all) == 0 {
		t.Fatal(err, all)
	}
	for _, name := range all {
		t.Run(strings.TrimSuffix(strings.TrimPrefix(name, "testdata/"), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := loadArchive(t, a)
			for range 3 { // maps have no order, and what is told must have one
				if again := loadArchive(t, a); again != got {
					t.Fatalf("got:\n%s\nand then:\n%s", got, again)
				}
			}
			isWrong := strings.HasPrefix(got, "Error:")
			if wantWrong := strings.Contains(name, "wrong"); isWrong != wantWrong {
				t.Errorf("errors: %v, and the folder says %v", isWrong, wantWrong)
			}
			want := &a.Files[len(a.Files)-1]
			if want.Name != "want" {
				a.Files = append(a.Files, txtar.File{Name: "want"})
				want = &a.Files[len(a.Files)-1]
			}
			if got == string(want.Data) {
				return
			}
			if *update {
				want.Data = []byte(got)
				if err := os.WriteFile(name, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			t.Errorf("got:\n%s\nwant:\n%s", got, want.Data)
		})
	}
}

// loadArchive loads the scenario of an archive and shows what came of it.
func loadArchive(t *testing.T, a *txtar.Archive) string {
	t.Helper()
	files := map[string]string{}
	for _, f := range a.Files {
		if f.Name != "want" {
			files[f.Name] = string(f.Data)
		}
	}
	dir := write(t, files)
	env := map[string]string{}
	o := Options{Dir: dir, Vars: map[string]string{}, Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}
	for line := range strings.Lines(string(a.Comment)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		name, text, _ := strings.Cut(value, "=")
		switch key {
		case "path":
			o.Paths = append(o.Paths, value)
		case "var":
			o.Vars[name] = text
		case "env":
			env[name] = text
		case "var-file":
			o.VarFiles = append(o.VarFiles, value)
		case "link":
			link, target, _ := strings.Cut(value, " -> ")
			if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
				t.Fatal(err)
			}
		}
	}
	loaded, found, err := Load(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := found.Text(&b, false); err != nil {
		t.Fatal(err)
	}
	for _, s := range loaded {
		s.Sources, s.SHA256 = nil, ""
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var v any
		if err := json.Unmarshal(text, &v); err != nil {
			t.Fatal(err)
		}
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(withoutZero(v)); err != nil {
			t.Fatal(err)
		}
	}
	return strings.ReplaceAll(b.String(), dir, "DIR")
}

// withoutZero drops what is zero from a JSON value, for an output that shows what matters.
func withoutZero(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if e = withoutZero(e); e == nil {
				delete(v, k)
			} else {
				v[k] = e
			}
		}
		if len(v) == 0 {
			return nil
		}
	case []any:
		for i := range v {
			v[i] = withoutZero(v[i])
		}
		if len(v) == 0 {
			return nil
		}
	case string:
		if v == "" {
			return nil
		}
	case float64:
		if v == 0 {
			return nil
		}
	case bool:
		if !v {
			return nil
		}
	}
	return v
}
