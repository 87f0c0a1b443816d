// Package warehouse keeps the rows of applies in files and answers questions about them.
//
// A warehouse is a folder. Parquet files with manifests are the truth; DuckDB reads them through views, and nothing is
// written into a database while an apply runs. The tables are those of package tables, under
// <table>/scenario=<name>/apply=<id>/<trial>-part-<n>.parquet.
//
// While an apply runs its rows lie in spool/<apply>. The seal of a trial turns them into Parquet, lets the trial be
// judged by SQL over these files, and writes manifests/<apply>/<trial>.json with the digest of each. The last act of an
// apply is manifests/<apply>.json; an apply without it is unfinished, and Recover seals what its spool holds.
package warehouse

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/llmscen/llmscen/warehouse/tables"
)

// Warehouse is a folder of results. Its methods may be called by many goroutines and processes at once.
type Warehouse struct {
	dir string
}

// Open gives the warehouse in the folder, which need not exist yet: an empty warehouse has no rows.
func Open(path string) (*Warehouse, error) {
	if strings.Contains(path, "://") {
		return nil, fmt.Errorf("opening warehouse %s: only folders can be opened, not object stores", path)
	}
	dir, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("opening warehouse %s: %w", path, err)
	}
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return nil, fmt.Errorf("opening warehouse %s: it is not a folder", path)
	}
	return &Warehouse{dir: dir}, nil
}

// Path is the warehouse's folder, absolute.
func (w *Warehouse) Path() string { return w.dir }

func (w *Warehouse) spoolDir(apply string) string { return filepath.Join(w.dir, "spool", apply) }

func (w *Warehouse) applyManifest(apply string) string {
	return filepath.Join(w.dir, "manifests", apply+".json")
}

func (w *Warehouse) trialManifest(apply, trialID string) string {
	return filepath.Join(w.dir, "manifests", apply, Slug(trialID)+".json")
}

// partition is the folder of an apply's files of one table.
func (w *Warehouse) partition(table, scenario, apply string) string {
	return filepath.Join(w.dir, table, "scenario="+hiveEscape(scenario), "apply="+hiveEscape(apply))
}

// relative is a path below the warehouse as manifests tell it.
func (w *Warehouse) relative(path string) string {
	rel, err := filepath.Rel(w.dir, path)
	if err != nil {
		return path
	}
	return filepath.ToSlash(rel)
}

// Slug names the files of a trial: what can be read of its ID, and eight hex digits that tell it from all others. It never
// begins with what makes a file hidden to other tools, which is "_" too.
func Slug(trialID string) string {
	var b strings.Builder
	gap := false
	for _, r := range trialID {
		if r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && r != '.' {
			gap = b.Len() > 0
			continue
		}
		if gap {
			b.WriteByte('-')
			gap = false
		}
		b.WriteRune(r)
		if b.Len() >= 60 {
			break
		}
	}
	digest := sha256.Sum256([]byte(trialID))
	if b.Len() > 0 {
		b.WriteByte('-')
	}
	return strings.TrimLeft(b.String(), "._") + hex.EncodeToString(digest[:4])
}

// hiveEscape writes a value of a partition so that every reader gives it back: as %XX, but for what is plain everywhere.
func hiveEscape(value string) string {
	var b strings.Builder
	for _, c := range []byte(value) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// checkID refuses an apply's ID that is no plain name of a file.
func checkID(id string) error {
	if id == "" || id[0] == '.' || id != hiveEscape(id) {
		return fmt.Errorf("%q can't be the ID of an apply: only letters, digits, '-', '_' and '.'", id)
	}
	return nil
}

// tableNames are the names of all tables.
func tableNames() []string {
	var names []string
	for _, t := range tables.All() {
		names = append(names, t.Name)
	}
	return names
}
