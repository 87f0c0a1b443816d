package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/llmscen/llmscen/warehouse/tables"
)

// Options are settings of a Writer.
type Options struct {
	// FlushEvery is the longest that a row stays in memory only; 0 means 2 s.
	FlushEvery time.Duration
	// FlushRows ends a batch; 0 means 8,192.
	FlushRows int
	// FlushBytes ends a batch too; 0 means 8 MiB.
	FlushBytes int
	// SegmentBytes ends a segment; 0 means 64 MiB.
	SegmentBytes int64
	// SegmentAge ends a segment too; 0 means 10 minutes.
	SegmentAge time.Duration
	// Compress makes smaller segments by LZ4, for some CPU time.
	Compress bool
	// MakeRoom is called when a write has failed, before it is tried once more: it gives up what was kept for a full disk.
	// Several goroutines may call it at once, and again. nil: nothing was kept.
	MakeRoom func()
	// Create makes the file of a segment, which must be new; nil means on disk.
	Create func(path string) (File, error)
	// Allocator gives the memory of batches; nil means Go's heap.
	Allocator memory.Allocator
}

func (o Options) orDefaults() Options {
	if o.FlushEvery <= 0 {
		o.FlushEvery = 2 * time.Second
	}
	if o.FlushRows <= 0 {
		o.FlushRows = 8192
	}
	if o.FlushBytes <= 0 {
		o.FlushBytes = 8 << 20
	}
	if o.SegmentBytes <= 0 {
		o.SegmentBytes = 64 << 20
	}
	if o.SegmentAge <= 0 {
		o.SegmentAge = 10 * time.Minute
	}
	if o.Create == nil {
		o.Create = func(path string) (File, error) { return os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644) }
	}
	if o.Allocator == nil {
		o.Allocator = memory.DefaultAllocator
	}
	return o
}

// ErrClosed is what a write to a closed Writer gives.
var ErrClosed = errors.New("the spool is closed")

// Writer keeps the rows of one trial.
//
// Its methods may be called by many goroutines at once. A write copies the rows and returns; encoding and writing to
// disk happen on a goroutine a table. Where the disk is slower than the rows, a write waits.
//
// The first error of the disk stays: every later write, Flush and Close returns it, and no more rows should be made. Those
// that are on their way are taken as long as there is room for them.
type Writer struct {
	dir  string
	opts Options

	requests  stream[tables.Request]
	schedules stream[tables.Arrival]
	bodies    stream[tables.Body]
	series    stream[tables.Series]
	samples   stream[tables.Sample]
	stages    stream[tables.Stage]
	targets   stream[tables.Target]
	events    stream[tables.Event]

	mu     sync.Mutex
	err    error
	lost   bool // a row could not be kept: no more are taken
	closed bool
}

// Create makes a spool for the trial in the folder, which is created; it must not hold segments yet.
func Create(dir, trialID string, opts Options) (*Writer, error) {
	if err := MakeDir(dir); err != nil {
		return nil, fmt.Errorf("creating a spool: %w", err)
	}
	if old, err := Open(dir); err != nil {
		return nil, err
	} else if len(old) > 0 {
		return nil, fmt.Errorf("creating a spool: %s holds segments already", dir)
	}
	w := &Writer{dir: dir, opts: opts.orDefaults()}
	w.requests.init(w, trialID)
	w.schedules.init(w, trialID)
	w.bodies.init(w, trialID)
	w.series.init(w, trialID)
	w.samples.init(w, trialID)
	w.stages.init(w, trialID)
	w.targets.init(w, trialID)
	w.events.init(w, trialID)
	return w, nil
}

// WriteRequests keeps rows of requests.
func (w *Writer) WriteRequests(rows []tables.Request) error { return w.requests.write(rows) }

// WriteArrivals keeps rows of schedules.
func (w *Writer) WriteArrivals(rows []tables.Arrival) error { return w.schedules.write(rows) }

// WriteBodies keeps rows of bodies.
func (w *Writer) WriteBodies(rows []tables.Body) error { return w.bodies.write(rows) }

// WriteSeries keeps rows of series.
func (w *Writer) WriteSeries(rows []tables.Series) error { return w.series.write(rows) }

// WriteSamples keeps rows of samples.
func (w *Writer) WriteSamples(rows []tables.Sample) error { return w.samples.write(rows) }

// WriteStages keeps rows of stages.
func (w *Writer) WriteStages(rows []tables.Stage) error { return w.stages.write(rows) }

// WriteTargets keeps rows of targets.
func (w *Writer) WriteTargets(rows []tables.Target) error { return w.targets.write(rows) }

// WriteEvents keeps rows of events.
func (w *Writer) WriteEvents(rows []tables.Event) error { return w.events.write(rows) }

// A part is one table's stream, whatever its rows.
type part interface {
	flush()
	close()
}

func (w *Writer) parts() []part {
	return []part{&w.requests, &w.schedules, &w.bodies, &w.series, &w.samples, &w.stages, &w.targets, &w.events}
}

// Flush returns when all rows that were written before are with the kernel.
func (w *Writer) Flush() error {
	for _, p := range w.parts() {
		p.flush()
	}
	return w.Err()
}

// Close flushes, ends the segments and makes them safe against the loss of power. No goroutine is left.
func (w *Writer) Close() error {
	w.mu.Lock()
	again := w.closed
	w.closed = true
	w.mu.Unlock()
	if again {
		return w.Err()
	}
	for _, p := range w.parts() {
		p.close()
	}
	if err := SyncDir(w.dir); err != nil {
		w.fail(err, true)
	}
	return w.Err()
}

// Err is the error that stays, or nil.
func (w *Writer) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// fail notes an error; kept: no row was lost by it.
func (w *Writer) fail(err error, kept bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
	w.lost = w.lost || !kept
}

// state is the error that stays, and whether a row was lost by it.
func (w *Writer) state() (err error, lost bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err, w.lost
}

// MakeDir makes a folder, and those above it that lack, safe against the loss of power: a file is found again only where
// its folder is. One that is there already is left as it is.
func MakeDir(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := MakeDir(parent); err != nil {
			return err
		}
	}
	// Where another process was first it may not have come to the sync; where a file has the name, using the folder fails.
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return SyncDir(parent)
}

// SyncDir makes the names in a folder safe against the loss of power.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if e := d.Close(); err == nil {
		err = e
	}
	return err
}
