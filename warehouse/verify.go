package warehouse

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/llmscen/llmscen/warehouse/tables"
)

// Verification is what Verify found.
type Verification struct {
	Applies  int       `json:"applies"`
	Trials   int       `json:"trials"`
	Files    int       `json:"files"`
	Bytes    int64     `json:"bytes"`
	Problems []Problem `json:"problems"`
}

// Problem is a file that is not what its manifest says, or a figure that is not what its rows say.
type Problem struct {
	Apply   string `json:"apply"`
	TrialID string `json:"trial_id,omitempty"`
	// Path is below the warehouse.
	Path    string `json:"path"`
	Trouble string `json:"trouble"`
}

// VerifyOptions are settings of Verify.
type VerifyOptions struct {
	// Quarantine renames a file whose digest is wrong to <name>.quarantine, so that no query reads it.
	Quarantine bool
	// Recompute judges each trial again from its rows, told what its seal concluded; the figures are compared. nil leaves
	// that out.
	Recompute func(ctx context.Context, db *sql.DB, stored Conclusion) (Conclusion, error)
}

// Verify holds every file of an apply against the manifests, id "" means of all applies. What is wrong is in the
// Verification; the error is for what kept it from looking.
func (w *Warehouse) Verify(ctx context.Context, id string, opts VerifyOptions) (*Verification, error) {
	ids := []string{id}
	var err error
	if id == "" {
		if ids, err = w.applyIDs(); err != nil {
			return nil, fmt.Errorf("verifying: %w", err)
		}
	} else if !exists(w.applyManifest(id)) && !exists(filepath.Join(w.dir, "manifests", id)) {
		return nil, fmt.Errorf("verifying apply %s: it has no manifest here", id)
	}
	v := &verifying{w: w, opts: opts, known: map[string]bool{}}
	v.Problems = []Problem{}
	for _, id := range ids {
		if err := v.apply(ctx, id); err != nil {
			return nil, fmt.Errorf("verifying apply %s: %w", id, err)
		}
	}
	return &v.Verification, nil
}

type verifying struct {
	Verification
	w     *Warehouse
	opts  VerifyOptions
	known map[string]bool // paths that a manifest names
}

func (v *verifying) found(apply, trialID, path, trouble string) {
	v.Problems = append(v.Problems, Problem{apply, trialID, path, trouble})
}

func (v *verifying) apply(ctx context.Context, id string) error {
	w := v.w
	v.Applies++
	whole, err := v.applyManifest(id)
	if err != nil {
		return err
	}
	manifests, err := filepath.Glob(filepath.Join(globEscape(w.dir), "manifests", globEscape(id), "*.json"))
	if err != nil {
		return err
	}
	for _, path := range manifests {
		var m TrialManifest
		if _, err := readManifest(path, &m); err != nil {
			v.found(id, "", w.relative(path), err.Error())
			whole = false
			continue
		}
		if err := v.trial(ctx, m); err != nil {
			return err
		}
	}
	if !whole || exists(w.spoolDir(id)) {
		return nil // which files nobody names can't be told; a trial that is being sealed has no manifest yet
	}
	return v.strays(id)
}

// applyManifest checks the manifest of the apply itself, where it is finished; whole: nothing of what it says is in doubt.
func (v *verifying) applyManifest(id string) (whole bool, err error) {
	path := v.w.applyManifest(id)
	if !exists(path) {
		return true, nil
	}
	var m ApplyManifest
	if _, err := readManifest(path, &m); err != nil {
		v.found(id, "", v.w.relative(path), err.Error())
		return false, nil
	}
	for _, t := range m.Trials {
		if text, err := os.ReadFile(filepath.Join(v.w.dir, filepath.FromSlash(t.Path))); err != nil {
			v.found(id, t.TrialID, t.Path, "the trial's manifest can't be read: "+err.Error())
		} else if hexSHA256(text) != t.SHA256 {
			v.found(id, t.TrialID, t.Path, "the trial's manifest was changed")
		}
	}
	for _, f := range m.Files {
		if err := v.file(id, "", f); err != nil {
			return false, err
		}
	}
	return true, nil
}

func (v *verifying) trial(ctx context.Context, m TrialManifest) error {
	v.Trials++
	before := len(v.Problems)
	for _, f := range m.Files {
		if err := v.file(m.Apply, m.TrialID, f); err != nil {
			return err
		}
	}
	if v.opts.Recompute == nil || len(v.Problems) > before {
		return nil
	}
	return v.recompute(ctx, m)
}

// file holds one file against what its manifest says.
func (v *verifying) file(apply, trialID string, f File) error {
	path := filepath.Join(v.w.dir, filepath.FromSlash(f.Path))
	v.known[path] = true
	digest, size, err := digestOf(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		trouble := "it is gone"
		if exists(path + quarantined) {
			trouble = "it is in quarantine"
		}
		v.found(apply, trialID, f.Path, trouble)
		return nil
	case err != nil:
		return err
	}
	v.Files++
	v.Bytes += size
	if digest == f.SHA256 && size == f.Bytes {
		return nil
	}
	trouble := fmt.Sprintf("its digest is wrong: it was changed after it was written (%d bytes, were %d)", size, f.Bytes)
	if v.opts.Quarantine {
		if err := os.Rename(path, path+quarantined); err != nil {
			return err
		}
		trouble += "; it is in quarantine now"
	}
	v.found(apply, trialID, f.Path, trouble)
	return nil
}

const quarantined = ".quarantine"

// strays finds files that no manifest of the apply names; what was found broken is told already.
func (v *verifying) strays(id string) error {
	files, err := filepath.Glob(filepath.Join(globEscape(v.w.dir), "*", "scenario=*", "apply="+globEscape(hiveEscape(id)), "*.parquet"))
	if err != nil {
		return err
	}
	for _, path := range files {
		if !v.known[path] {
			v.found(id, "", v.w.relative(path), "no manifest names it")
		}
	}
	return nil
}

// derived are the tables that a seal computes from the others.
var derived = []string{"trials", "stages", "summaries", "verdicts", "request_resources"}

func (v *verifying) recompute(ctx context.Context, m TrialManifest) error {
	stored, err := openViews(ctx, allViews(v.w.theseFiles(m.Files)))
	if err != nil {
		return err
	}
	defer stored.Close()
	trials, err := Rows[tables.Trial](ctx, stored, "SELECT * FROM trials")
	if err != nil || len(trials) != 1 {
		return errors.Join(err, fmt.Errorf("trial %s has %d rows in trials", m.TrialID, len(trials)))
	}
	concluded := Conclusion{Trial: trials[0]}
	if concluded.Stages, err = Rows[tables.Stage](ctx, stored, "SELECT * FROM stages ORDER BY stage"); err != nil {
		return err
	}
	if concluded.Verdicts, err = Rows[tables.Verdict](ctx, stored, "SELECT * FROM verdicts"); err != nil {
		return err
	}
	if concluded.Summaries, err = Rows[tables.Summary](ctx, stored, "SELECT * FROM summaries"); err != nil {
		return err
	}
	measured := slices.DeleteFunc(slices.Clone(m.Files), func(f File) bool { return slices.Contains(derived, f.Table) })
	db, err := openViews(ctx, allViews(v.w.theseFiles(measured)))
	if err != nil {
		return err
	}
	defer db.Close()
	c, err := v.opts.Recompute(ctx, db, concluded)
	if err != nil {
		return err
	}
	for _, trouble := range differences(concluded.Summaries, c.Summaries) {
		v.found(m.Apply, m.TrialID, "summaries", trouble)
	}
	return nil
}

// differences tells where figures that were stored are not those that were computed again.
func differences(stored, again []tables.Summary) []string {
	key := func(s tables.Summary) string {
		stage := ""
		if s.Stage.Valid {
			stage = fmt.Sprintf(" of stage %d", s.Stage.V)
		}
		return s.Metric + " " + s.Stat + stage
	}
	byKey := map[string]tables.Summary{}
	for _, s := range again {
		byKey[key(s)] = s
	}
	var all []string
	for _, s := range stored {
		a, ok := byKey[key(s)]
		delete(byKey, key(s))
		if !ok || a.Value.Valid != s.Value.Valid || a.N != s.N || !near(a.Value.V, s.Value.V) {
			all = append(all, fmt.Sprintf("%s was stored as %v of %d, its rows give %v of %d", key(s), show(s.Value), s.N, show(a.Value), a.N))
		}
	}
	for k := range byKey {
		all = append(all, k+" was not stored")
	}
	slices.Sort(all)
	return all
}

func show(n tables.Null[float64]) string {
	if !n.Valid {
		return "NULL"
	}
	return fmt.Sprint(n.V)
}

// near allows for sums in another order.
func near(a, b float64) bool {
	return a == b || math.Abs(a-b) <= 1e-9*max(math.Abs(a), math.Abs(b)) || math.IsNaN(a) && math.IsNaN(b)
}

// applyIDs lists the applies that have a manifest of their own or of a trial.
func (w *Warehouse) applyIDs() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(w.dir, "manifests"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, e := range entries {
		id, isManifest := strings.CutSuffix(e.Name(), ".json")
		if e.IsDir() || isManifest {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// Warnings tells, without reading the files, which are gone, cut or in quarantine: a query over them is not over all rows.
func (w *Warehouse) Warnings() ([]string, error) {
	manifests, err := filepath.Glob(filepath.Join(globEscape(w.dir), "manifests", "*", "*.json"))
	if err != nil {
		return nil, err
	}
	var all []string
	for _, path := range manifests {
		var m TrialManifest
		if _, err := readManifest(path, &m); err != nil {
			all = append(all, err.Error())
			continue
		}
		for _, f := range m.Files {
			info, err := os.Stat(filepath.Join(w.dir, filepath.FromSlash(f.Path)))
			if err != nil {
				all = append(all, fmt.Sprintf("%s is missing: `llmscen verify %s`", f.Path, m.Apply))
			} else if info.Size() != f.Bytes {
				all = append(all, fmt.Sprintf("%s was changed: `llmscen verify %s`", f.Path, m.Apply))
			}
		}
	}
	return all, nil
}

func digestOf(path string) (digest string, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	size, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), size, err
}
