package warehouse

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/llmscen/llmscen/warehouse/tables"
)

// Recovered is an apply whose spool was sealed.
type Recovered struct {
	Apply    string `json:"apply"`
	Scenario string `json:"scenario"`
	// Trials that were sealed now; those that the apply had sealed itself are not among them.
	Trials []RecoveredTrial `json:"trials"`
}

// RecoveredTrial is a trial that was sealed from its spool.
type RecoveredTrial struct {
	TrialID string        `json:"trial_id"`
	Status  tables.Status `json:"status"`
	// Requests is how many attempts the spool held.
	Requests int64 `json:"requests"`
	// LostBytes is what lay after the last whole batch.
	LostBytes int64 `json:"lost_bytes"`
}

// Unfinished lists the applies that have a spool and no manifest: those under way too.
func (w *Warehouse) Unfinished() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(w.dir, "spool"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing unfinished applies: %w", err)
	}
	var ids []string
	for _, e := range entries {
		if e.IsDir() {
			ids = append(ids, e.Name())
		}
	}
	return ids, nil
}

// Recover seals what an apply spooled whose process died, and finishes the apply; id "" means every such apply. An apply
// that is under way is ErrBusy, or left out where all are meant. judge may be nil.
func (w *Warehouse) Recover(ctx context.Context, id string, judge JudgeFunc) ([]Recovered, error) {
	ids := []string{id}
	if id == "" {
		var err error
		if ids, err = w.Unfinished(); err != nil {
			return nil, err
		}
	} else if err := checkID(id); err != nil {
		return nil, err
	} else if !exists(w.spoolDir(id)) {
		return nil, fmt.Errorf("recovering apply %s: it has no spool: it is finished, or not of this warehouse", id)
	}
	var all []Recovered
	for _, i := range ids {
		r, err := w.recover(ctx, i, judge)
		if errors.Is(err, ErrBusy) && id == "" {
			continue
		}
		if err != nil {
			return all, fmt.Errorf("recovering apply %s: %w", i, err)
		}
		all = append(all, r)
	}
	return all, nil
}

func (w *Warehouse) recover(ctx context.Context, id string, judge JudgeFunc) (Recovered, error) {
	l, err := takeLock(filepath.Join(w.spoolDir(id), lockFile))
	if err != nil {
		return Recovered{}, err
	}
	defer l.release() //nolint:errcheck // the lock ends with the process at the latest
	r := Recovered{Apply: id, Trials: []RecoveredTrial{}}
	var info Apply
	text, err := os.ReadFile(filepath.Join(w.spoolDir(id), applyFile))
	if errors.Is(err, fs.ErrNotExist) || exists(w.applyManifest(id)) {
		// It died before its first row, or after its last act.
		return r, os.RemoveAll(w.spoolDir(id))
	}
	if err == nil {
		err = json.Unmarshal(text, &info)
	}
	if err != nil {
		return r, fmt.Errorf("reading what the apply was: %w", err)
	}
	r.Scenario = info.Scenario
	a := &ApplyWriter{w: w, info: info, lock: l}
	a.makeRoom()
	spooled, err := w.spooledTrials(id)
	if err != nil {
		return r, err
	}
	for _, dir := range spooled {
		t, err := w.recoverTrial(ctx, info, dir, judge)
		if err != nil {
			return r, err
		}
		if t != nil {
			r.Trials = append(r.Trials, *t)
		}
	}
	if a.trials, err = w.sealedTrials(id); err != nil {
		return r, err
	}
	return r, a.finish(true)
}

// recoverTrial seals one trial; nil: it was sealed, or had not begun.
func (w *Warehouse) recoverTrial(ctx context.Context, info Apply, dir string, judge JudgeFunc) (*RecoveredTrial, error) {
	text, err := os.ReadFile(filepath.Join(dir, trialFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, os.RemoveAll(dir) // the row is written before anything else
	}
	var row tables.Trial
	if err == nil {
		err = json.Unmarshal(text, &row)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the trial in %s: %w", dir, err)
	}
	if exists(w.trialManifest(info.ID, row.TrialID)) {
		return nil, os.RemoveAll(dir)
	}
	if row.Status == "" {
		row.Status = tables.StatusInterrupted
	}
	if _, err := w.sealTrial(ctx, info, dir, row, judge, true); err != nil {
		return nil, fmt.Errorf("sealing trial %s: %w", row.TrialID, explainSpace(err, w.dir, dir))
	}
	var m TrialManifest
	if _, err := readManifest(w.trialManifest(info.ID, row.TrialID), &m); err != nil {
		return nil, err
	}
	t := &RecoveredTrial{TrialID: row.TrialID, Status: row.Status, LostBytes: m.LostBytes}
	for _, f := range m.Files {
		if f.Table == "requests" {
			t.Requests += f.Rows
		}
	}
	return t, nil
}

// spooledTrials lists the folders of trials that are not sealed.
func (w *Warehouse) spooledTrials(id string) ([]string, error) {
	entries, err := os.ReadDir(w.spoolDir(id))
	if err != nil {
		return nil, err
	}
	var dirs []string
	for _, e := range entries {
		if e.IsDir() && e.Name() != applySlug {
			dirs = append(dirs, filepath.Join(w.spoolDir(id), e.Name()))
		}
	}
	return dirs, nil
}

// sealedTrials lists the trials of an apply that have a manifest.
func (w *Warehouse) sealedTrials(id string) ([]TrialFile, error) {
	dir := filepath.Join(w.dir, "manifests", id)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var trials []TrialFile
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".json") {
			continue
		}
		path := filepath.Join(dir, e.Name())
		var m TrialManifest
		text, err := readManifest(path, &m)
		if err != nil {
			return nil, err
		}
		trials = append(trials, TrialFile{TrialID: m.TrialID, Path: w.relative(path), SHA256: hexSHA256(text)})
	}
	return trials, nil
}
