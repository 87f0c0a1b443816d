package spool

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/llmscen/llmscen/warehouse/tables"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// samples gives n samples from the number first on.
func samples(first, n int) []tables.Sample {
	rows := make([]tables.Sample, n)
	for i := range rows {
		rows[i] = tables.Sample{TrialID: "t", SeriesID: 1, At: tables.Instant(first + i + 1), Value: float64(first + i)}
	}
	return rows
}

// values reads the value column of the samples in a spool, and how many bytes were lost.
func values(t testing.TB, dir string) (got []float64, lost int64) {
	t.Helper()
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	segments, err := Open(dir)
	must(t, err)
	for _, s := range segments {
		if s.Table != "samples" {
			continue
		}
		l, err := s.Batches(mem, func(rec arrow.Record) error {
			got = append(got, rec.Column(3).(*array.Float64).Float64Values()...)
			return nil
		})
		must(t, err)
		lost += l.Bytes
	}
	return got, lost
}

func TestRowsOfManyWritersAreAllKept(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	for _, compress := range []bool{false, true} {
		dir := t.TempDir()
		w, err := Create(dir, "t", Options{FlushRows: 100, SegmentBytes: 10_000, Compress: compress, Allocator: mem})
		must(t, err)
		var writers sync.WaitGroup
		for i := range 8 {
			writers.Go(func() {
				for k := range 50 {
					if err := w.WriteSamples(samples(1000*i+20*k, 20)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		writers.Wait()
		must(t, w.Close())
		must(t, w.Close()) // once more does no harm
		if err := w.WriteSamples(samples(0, 1)); !errors.Is(err, ErrClosed) {
			t.Errorf("writing after the end gave %v", err)
		}
		got, lost := values(t, dir)
		distinct := map[float64]bool{}
		for _, v := range got {
			distinct[v] = true
		}
		if len(got) != 8000 || len(distinct) != 8000 || lost != 0 {
			t.Errorf("%d values, %d distinct, %d bytes lost; want 8000 and none", len(got), len(distinct), lost)
		}
		segments, err := Open(dir)
		must(t, err)
		if len(segments) < 5 {
			t.Errorf("%d segments of 10 kB, want more", len(segments))
		}
	}
}

// memFile is a segment in memory.
type memFile struct {
	mu   sync.Mutex
	text bytes.Buffer
	room int // bytes that it can take; negative: any
}

func (f *memFile) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.room < 0 {
		return f.text.Write(b)
	}
	n := min(len(b), f.room)
	f.room -= n
	f.text.Write(b[:n])
	if n < len(b) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

func (f *memFile) size() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.text.Len()
}

func (f *memFile) Sync() error  { return nil }
func (f *memFile) Close() error { return nil }

func (f *memFile) Truncate(size int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.text.Truncate(int(size))
	return nil
}

func TestARowIsWithTheKernelAfterTwoSecondsUnasked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &memFile{room: -1}
		w, err := Create(t.TempDir(), "t", Options{Create: func(string) (File, error) { return f, nil }})
		must(t, err)
		must(t, w.WriteSamples(samples(0, 3)))
		synctest.Wait()
		if f.size() != 0 {
			t.Error("three rows were written at once")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		written := f.size()
		if written == 0 {
			t.Error("after 2 s nothing is written")
		}
		time.Sleep(time.Minute)
		if f.size() != written {
			t.Error("without rows something was written")
		}
		must(t, w.Close())
	})
}

func TestSegmentsRotateByAge(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w, err := Create(dir, "t", Options{})
		must(t, err)
		for i := range 4 { // the third finds its segment 12 minutes old
			must(t, w.WriteSamples(samples(i, 1)))
			must(t, w.Flush())
			time.Sleep(6 * time.Minute)
		}
		must(t, w.Close())
	})
	if segments, err := Open(dir); err != nil || len(segments) != 2 {
		t.Errorf("%d segments, %v; want 2", len(segments), err)
	}
	if got, _ := values(t, dir); len(got) != 4 {
		t.Errorf("%d values, want 4", len(got))
	}
}

func TestAFullDiskStaysAnErrorAndBlocksNoOne(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	f := &memFile{room: 20_000}
	w, err := Create(t.TempDir(), "t", Options{FlushRows: 100, Allocator: mem, Create: func(string) (File, error) { return f, nil }})
	must(t, err)
	for range 1000 {
		if err = w.WriteSamples(samples(0, 50)); err != nil {
			break
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("writing gave %v", err)
	}
	for name, err := range map[string]error{
		"another table": w.WriteEvents([]tables.Event{{Kind: "x", Message: "y"}}), "Flush": w.Flush(), "Close": w.Close(), "Err": w.Err(),
	} {
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s gave %v", name, err)
		}
	}
}

// disk is a disk of which a part was set aside; a segment that it has no room for is cut, and its room is not given back.
type disk struct {
	mu   sync.Mutex
	room int
}

func (d *disk) create(path string) (File, error) {
	f, err := os.Create(path)
	return &diskFile{f, d}, err
}

type diskFile struct {
	*os.File
	disk *disk
}

func (f *diskFile) Write(b []byte) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	n, err := f.File.Write(b[:min(len(b), f.disk.room)])
	f.disk.room -= n
	if n < len(b) && err == nil {
		err = &os.PathError{Op: "write", Path: f.Name(), Err: syscall.ENOSPC}
	}
	return n, err
}

// What lies in memory when the disk is full, and the rows that are still on their way, take what was set aside.
func TestAFullDiskCostsNoRowWhereRoomWasSetAside(t *testing.T) {
	for room := range 40 {
		mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
		dir, d := t.TempDir(), &disk{room: 1000 * room}
		asked := 0
		w, err := Create(dir, "t", Options{FlushRows: 100, Allocator: mem, Create: d.create, MakeRoom: func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			if asked++; asked == 1 {
				d.room = 100_000
			}
		}})
		must(t, err)
		for i := range 30 {
			_ = w.WriteSamples(samples(50*i, 50)) // it tells of the full disk as soon as it is known
		}
		err = w.Close()
		if want := "samples-0000.arrows: no space left on device"; !errors.Is(err, syscall.ENOSPC) || !strings.HasSuffix(err.Error(), want) {
			t.Fatalf("with %d bytes of room it ended with %v, want …%s", 1000*room, err, want)
		}
		got, lost := values(t, dir)
		if len(got) != 1500 || lost != 0 || asked != 1 {
			t.Errorf("with %d bytes of room %d rows were kept of 1500, %d bytes lost, room was asked for %d times", 1000*room, len(got), lost, asked)
		}
		for i, v := range got {
			if v != float64(i) {
				t.Fatalf("with %d bytes of room row %d is %v", 1000*room, i, v)
			}
		}
		mem.AssertSize(t, 0)
	}
}

// Cut at any byte, a segment gives the batches that are whole before it, and never fewer rows when there is more of it.
func TestASegmentCutAnywhereGivesItsWholeBatches(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir, "t", Options{})
	must(t, err)
	for i := range 5 {
		must(t, w.WriteSamples(samples(10*i, 10)))
		must(t, w.Flush())
	}
	must(t, w.Close())
	path := filepath.Join(dir, "samples-0000.arrows")
	text, err := os.ReadFile(path)
	must(t, err)
	before := 0
	for n := range len(text) + 1 {
		must(t, os.WriteFile(path, text[:n], 0o644))
		got, lost := values(t, dir)
		if len(got)%10 != 0 || len(got) < before || int(lost) > n {
			t.Fatalf("cut at %d of %d: %d rows after %d, %d bytes lost", n, len(text), len(got), before, lost)
		}
		before = len(got)
	}
	if before != 50 {
		t.Errorf("the whole segment gives %d rows, want 50", before)
	}
}

func TestFoldersAreMadeWithThoseAboveThem(t *testing.T) {
	dir := t.TempDir()
	deep := filepath.Join(dir, "a", "b", "c")
	var makers sync.WaitGroup
	for range 8 {
		makers.Go(func() {
			if err := MakeDir(deep); err != nil {
				t.Error(err)
			}
		})
	}
	makers.Wait()
	must(t, os.WriteFile(filepath.Join(deep, "file"), nil, 0o644))
	if err := MakeDir(filepath.Join(deep, "file", "d")); err == nil {
		t.Error("a folder was made below a file")
	}
	t.Chdir(dir)
	must(t, MakeDir("e"))
	must(t, MakeDir("."))
}

func TestASpoolIsNotWrittenOver(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir, "t", Options{})
	must(t, err)
	must(t, w.WriteSamples(samples(0, 1)))
	must(t, w.Close())
	if _, err := Create(dir, "t", Options{}); err == nil {
		t.Error("a spool with segments was begun again")
	}
	if segments, err := Open(filepath.Join(dir, "nothing")); err != nil || segments != nil {
		t.Errorf("a folder that is not there gave %v, %v", segments, err)
	}
}

func TestLongTextsEndABatchEarly(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	b := NewBuilder[tables.Body](mem, "t")
	defer b.Release()
	b.Append([]tables.Body{{TrialID: "t", Prompt: string(make([]byte, 1<<20))}})
	if b.bytes < 1<<20 {
		t.Errorf("a text of 1 MiB counts as %d bytes", b.bytes)
	}
	rec := b.Record()
	defer rec.Release()
	if b.bytes != 0 || b.rows != 0 {
		t.Errorf("after a record: %d bytes, %d rows", b.bytes, b.rows)
	}
}

func BenchmarkWriteRequests(b *testing.B) {
	w, err := Create(b.TempDir(), "t", Options{})
	must(b, err)
	rows := make([]tables.Request, 64)
	for i := range rows {
		rows[i] = tables.Request{TrialID: "t", Seq: int64(i), Phase: tables.PhaseMeasure, TokenDeltaUS: make([]int32, 100), PromptSHA256: fmt.Sprintf("%064d", i)}
	}
	b.ReportAllocs()
	for b.Loop() {
		must(b, w.WriteRequests(rows))
	}
	must(b, w.Close())
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(rows)), "ns/row")
}
