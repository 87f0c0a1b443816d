package warehouse

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/llmscen/llmscen/warehouse/parquet"
	"github.com/llmscen/llmscen/warehouse/spool"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// ApplyWriter keeps what an apply leaves. Its methods may be called by many goroutines at once.
type ApplyWriter struct {
	w    *Warehouse
	info Apply
	lock *lock

	mu     sync.Mutex
	spool  *spool.Writer // rows of the apply itself, made when the first comes
	trials []TrialFile
}

// The names in the folder of an apply's spool.
const (
	applyFile = "apply.json"
	trialFile = "trial.json"
	lockFile  = "lock"
	spareFile = "spare"
	applySlug = "apply" // no trial has it: a slug ends in its digest
)

// Begin starts an apply, whose ID must be new here. Finish or Close it.
func (w *Warehouse) Begin(a Apply) (*ApplyWriter, error) {
	l, err := w.begin(a)
	if err != nil {
		return nil, fmt.Errorf("beginning apply %s: %w", a.ID, err)
	}
	return &ApplyWriter{w: w, info: a, lock: l}, nil
}

func (w *Warehouse) begin(a Apply) (*lock, error) {
	if err := checkID(a.ID); err != nil {
		return nil, err
	}
	if a.Scenario == "" {
		return nil, errors.New("it has no scenario")
	}
	if exists(w.applyManifest(a.ID)) {
		return nil, errors.New("there is one of that ID")
	}
	if err := spool.MakeDir(filepath.Join(w.dir, "spool")); err != nil {
		return nil, err
	}
	if err := os.Mkdir(w.spoolDir(a.ID), 0o755); err != nil { // which must be new
		return nil, err
	}
	if err := spool.SyncDir(filepath.Join(w.dir, "spool")); err != nil {
		return nil, errors.Join(err, os.RemoveAll(w.spoolDir(a.ID)))
	}
	// Locked before it tells what it is, so that Recover never takes an apply that begins for one that died.
	l, err := takeLock(filepath.Join(w.spoolDir(a.ID), lockFile))
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(w.spoolDir(a.ID)))
	}
	text, err := json.MarshalIndent(a, "", "  ")
	if err == nil {
		err = writeFile(w.spoolDir(a.ID), filepath.Join(w.spoolDir(a.ID), applyFile), text)
	}
	if err == nil {
		err = w.writeViews(w.spoolDir(a.ID))
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(w.spoolDir(a.ID)), l.release())
	}
	return l, nil
}

// ID is the apply's ID.
func (a *ApplyWriter) ID() string { return a.info.ID }

// WriteEvents keeps events that belong to the whole apply.
func (a *ApplyWriter) WriteEvents(rows []tables.Event) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.spool == nil {
		s, err := spool.Create(filepath.Join(a.w.spoolDir(a.info.ID), applySlug), "", spool.Options{MakeRoom: a.makeRoom})
		if err != nil {
			return err
		}
		a.spool = s
	}
	return a.spool.WriteEvents(rows)
}

// Finish writes the apply's manifest, after which it is finished, and removes its spool. A trial that was not sealed
// keeps its spool, and the apply stays unfinished: that is an error.
func (a *ApplyWriter) Finish() error {
	if err := a.finish(false); err != nil {
		return fmt.Errorf("finishing apply %s: %w", a.info.ID, err)
	}
	return nil
}

// Close gives the apply up as it is: what is spooled stays, for Recover. After Finish it does nothing.
func (a *ApplyWriter) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var err error
	if a.spool != nil {
		err = a.spool.Close()
	}
	return errors.Join(err, a.lock.release())
}

func (a *ApplyWriter) finish(recovered bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.makeRoom()
	if a.spool != nil {
		if err := a.spool.Close(); err != nil {
			return err
		}
	}
	left, err := a.w.spooledTrials(a.info.ID)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return fmt.Errorf("%d trials are not sealed: `llmscen recover %s` seals them", len(left), a.info.ID)
	}
	files, _, err := a.w.convert(a.info, applySlug, filepath.Join(a.w.spoolDir(a.info.ID), applySlug), func(spool.Segment) bool { return true })
	if err != nil {
		return err
	}
	slices.SortFunc(a.trials, func(x, y TrialFile) int { return strings.Compare(x.Path, y.Path) })
	m := &ApplyManifest{
		SchemaVersion: tables.SchemaVersion, Apply: a.info, FinishedAt: now(), Recovered: recovered,
		Trials: a.trials, Files: files,
	}
	text, err := encode(m)
	if err != nil {
		return err
	}
	if err := a.w.writeViews(a.w.spoolDir(a.info.ID)); err != nil {
		return err
	}
	if err := writeFile(a.w.spoolDir(a.info.ID), a.w.applyManifest(a.info.ID), text); err != nil {
		return err
	}
	if err := os.RemoveAll(a.w.spoolDir(a.info.ID)); err != nil {
		return err
	}
	_ = os.Remove(filepath.Join(a.w.dir, "spool")) // it stays where another apply is under way
	return a.lock.release()
}

// Trial starts the rows of a trial. The row tells what is known of it already: it is what Recover finds. Seal or Close it.
func (a *ApplyWriter) Trial(row tables.Trial) (*TrialWriter, error) {
	if err := a.setRoomAside(); err != nil {
		return nil, fmt.Errorf("beginning trial %s: %w", row.TrialID, err)
	}
	dir := filepath.Join(a.w.spoolDir(a.info.ID), Slug(row.TrialID))
	s, err := spool.Create(dir, row.TrialID, spool.Options{MakeRoom: a.makeRoom})
	if err != nil {
		return nil, fmt.Errorf("beginning trial %s: %w", row.TrialID, err)
	}
	t := &TrialWriter{Writer: s, apply: a, dir: dir}
	if err := t.note(row); err != nil {
		return nil, errors.Join(fmt.Errorf("beginning trial %s: %w", row.TrialID, err), s.Close())
	}
	return t, nil
}

// TrialWriter keeps the rows of one trial: the embedded Writer takes them.
type TrialWriter struct {
	*spool.Writer
	apply *ApplyWriter
	dir   string
}

// Conclusion is what is known of a trial at its end.
type Conclusion struct {
	Trial tables.Trial
	// Stages replace those that were spooled; none: the spooled ones stand.
	Stages    []tables.Stage
	Verdicts  []tables.Verdict
	Summaries []tables.Summary
	// Events are added to those that were spooled.
	Events []tables.Event
}

// A JudgeFunc concludes a trial from its row and a database whose tables hold the trial's parts and nothing else.
// The tables trials, stages, verdicts, summaries and request_resources are still empty there.
type JudgeFunc func(ctx context.Context, db *sql.DB, row tables.Trial) (Conclusion, error)

// Seal makes the rows permanent: Parquet parts, the judgement over them, the manifest last; then the spool is removed.
// A nil judge concludes nothing. Where Seal fails the spool stays, and Recover can seal it later. It fails too where the
// spool could not be written: what it took is sealed if that can be done.
func (t *TrialWriter) Seal(ctx context.Context, row tables.Trial, judge JudgeFunc) error {
	if err := t.seal(ctx, row, judge); err != nil {
		return fmt.Errorf("sealing trial %s: %w", row.TrialID, err)
	}
	return nil
}

func (t *TrialWriter) seal(ctx context.Context, row tables.Trial, judge JudgeFunc) error {
	a := t.apply
	failed := t.Writer.Close()
	if failed != nil {
		row.ValidityReasons = append(slices.Clone(row.ValidityReasons), failed.Error())
	}
	a.makeRoom() // no row comes any more, and the seal may need it
	if err := t.note(row); err != nil {
		return explainSpace(err, a.w.dir, t.dir)
	}
	m, err := a.w.sealTrial(ctx, a.info, t.dir, row, judge, false)
	if err != nil {
		return explainSpace(err, a.w.dir, t.dir)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.trials = append(a.trials, m)
	return explainSpace(failed, a.w.dir, "")
}

// note keeps the trial's row beside its spool.
func (t *TrialWriter) note(row tables.Trial) error {
	text, err := json.MarshalIndent(row, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(t.dir, filepath.Join(t.dir, trialFile), text)
}

// sealTrial turns the spool in dir into parts and a manifest, and removes it. It can be done again after it failed or was
// cut off at any moment: the same spool gives the same names.
func (w *Warehouse) sealTrial(ctx context.Context, a Apply, dir string, row tables.Trial, judge JudgeFunc, recovered bool) (TrialFile, error) {
	if err := w.removeParts(a, Slug(row.TrialID)); err != nil {
		return TrialFile{}, err
	}
	m, err := w.makeParts(ctx, a, dir, row, judge, recovered)
	if err != nil && !exists(w.trialManifest(a.ID, row.TrialID)) {
		// No query should find some of the rows, and the disk may be full.
		err = errors.Join(err, w.removeParts(a, Slug(row.TrialID)))
	}
	return m, err
}

func (w *Warehouse) makeParts(ctx context.Context, a Apply, dir string, row tables.Trial, judge JudgeFunc, recovered bool) (TrialFile, error) {
	slug := Slug(row.TrialID)
	isStage := func(s spool.Segment) bool { return s.Table == "stages" }
	files, lost, err := w.convert(a, slug, dir, func(s spool.Segment) bool { return !isStage(s) })
	if err != nil {
		return TrialFile{}, err
	}
	c, resources, err := w.conclude(ctx, a, row, files, judge)
	if err != nil {
		return TrialFile{}, err
	}
	files = append(files, resources...)
	if len(c.Stages) == 0 {
		stages, more, err := w.convert(a, slug, dir, isStage)
		if err != nil {
			return TrialFile{}, err
		}
		files, lost = append(files, stages...), lost+more
	}
	for _, write := range []func() (File, error){
		func() (File, error) { return writePart(w, a, row.TrialID, 0, c.Stages) },
		func() (File, error) { return writePart(w, a, row.TrialID, 0, c.Verdicts) },
		func() (File, error) { return writePart(w, a, row.TrialID, 0, c.Summaries) },
		func() (File, error) {
			return writePart(w, a, row.TrialID, w.freePart("events", a, slug, files), c.Events)
		},
		func() (File, error) { return writePart(w, a, row.TrialID, 0, []tables.Trial{c.Trial}) },
	} {
		f, err := write()
		if err != nil {
			return TrialFile{}, err
		}
		if f.Rows > 0 {
			files = append(files, f)
		}
	}
	if err := w.writeViews(dir); err != nil {
		return TrialFile{}, err
	}
	m := &TrialManifest{
		SchemaVersion: tables.SchemaVersion, Apply: a.ID, Scenario: a.Scenario, TrialID: row.TrialID,
		SealedAt: now(), Recovered: recovered, LostBytes: lost, Files: files,
	}
	text, err := encode(m)
	if err != nil {
		return TrialFile{}, err
	}
	path := w.trialManifest(a.ID, row.TrialID)
	if err := writeFile(dir, path, text); err != nil {
		return TrialFile{}, err
	}
	if err := os.RemoveAll(dir); err != nil {
		return TrialFile{}, err
	}
	return TrialFile{TrialID: row.TrialID, Path: w.relative(path), SHA256: hexSHA256(text)}, nil
}

// conclude lets the trial be judged by its parts, and joins its requests with their resources.
func (w *Warehouse) conclude(ctx context.Context, a Apply, row tables.Trial, files []File, judge JudgeFunc) (Conclusion, []File, error) {
	db, err := openViews(ctx, allViews(w.theseFiles(files)))
	if err != nil {
		return Conclusion{}, nil, err
	}
	defer db.Close()
	c := Conclusion{Trial: row}
	if judge != nil {
		if c, err = judge(ctx, db, row); err != nil {
			return Conclusion{}, nil, err
		}
	}
	joined, err := w.joinResources(ctx, db, a, row.TrialID)
	if err != nil {
		return Conclusion{}, nil, fmt.Errorf("joining requests with resources: %w", err)
	}
	if joined.Rows == 0 {
		return c, nil, nil
	}
	return c, []File{joined}, nil
}

// removeParts removes what a seal that was cut off left of a trial.
func (w *Warehouse) removeParts(a Apply, slug string) error {
	for _, table := range tableNames() {
		left, err := filepath.Glob(filepath.Join(globEscape(w.partition(table, a.Scenario, a.ID)), slug+"-part-*"))
		if err != nil {
			return err
		}
		for _, path := range left {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// convert writes a part for each segment of a spool that is wanted; lost counts the bytes after the last whole batches.
func (w *Warehouse) convert(a Apply, slug, dir string, wanted func(spool.Segment) bool) (files []File, lost int64, err error) {
	segments, err := spool.Open(dir)
	if err != nil {
		return nil, 0, err
	}
	for _, s := range segments {
		if !wanted(s) {
			continue
		}
		path := w.partPath(s.Table, a, slug, s.Number)
		f, ends, err := parquet.Convert([]spool.Segment{s}, path, parquet.Options{})
		if err != nil {
			return nil, 0, err
		}
		for _, l := range ends {
			lost += l.Bytes
		}
		if f.Rows > 0 {
			files = append(files, w.file(s.Table, f))
		}
	}
	return files, lost, nil
}

func writePart[T any](w *Warehouse, a Apply, trialID string, number int, rows []T) (File, error) {
	table := tables.Of[T]().Name
	f, err := parquet.Write(w.partPath(table, a, Slug(trialID), number), trialID, rows, parquet.Options{})
	return w.file(table, f), err
}

// freePart is the first number that no part of a trial's table has.
func (w *Warehouse) freePart(table string, a Apply, slug string, files []File) int {
	for number := 0; ; number++ {
		path := w.relative(w.partPath(table, a, slug, number))
		if !slices.ContainsFunc(files, func(f File) bool { return f.Path == path }) {
			return number
		}
	}
}

func (w *Warehouse) partPath(table string, a Apply, slug string, number int) string {
	return filepath.Join(w.partition(table, a.Scenario, a.ID), fmt.Sprintf("%s-part-%04d.parquet", slug, number))
}

func (w *Warehouse) file(table string, f parquet.File) File {
	return File{Table: table, Path: w.relative(f.Path), Rows: f.Rows, Bytes: f.Bytes, SHA256: f.SHA256}
}

func now() tables.Instant { return tables.Instant(time.Now().UnixNano()) }
