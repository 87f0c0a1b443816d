package spool

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// Segment is one file of a spool.
type Segment struct {
	Table  string
	Number int
	Path   string
}

// Open lists the segments in a folder, by table and number; a folder that is not there has none.
func Open(dir string) ([]Segment, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading a spool: %w", err)
	}
	var segments []Segment
	for _, e := range entries {
		base, ok := strings.CutSuffix(e.Name(), extension)
		if !ok {
			continue
		}
		i := strings.LastIndexByte(base, '-')
		if i < 0 {
			continue
		}
		n, err := strconv.Atoi(base[i+1:])
		if err != nil {
			continue
		}
		segments = append(segments, Segment{Table: base[:i], Number: n, Path: filepath.Join(dir, e.Name())})
	}
	return segments, nil
}

// Lost tells of the end of a segment that could not be read: its writer died while it wrote a batch.
type Lost struct {
	// Bytes after the last whole batch.
	Bytes int64
	// Cause is nil where the segment was ended as it should be, or broke off between batches.
	Cause error
}

// Batches hands over the whole batches in the order of writing; emit must not keep a record without retaining it.
// Rows after the first batch that is not whole are lost; the error is emit's, or tells that the file can't be read.
func (s Segment) Batches(mem memory.Allocator, emit func(arrow.Record) error) (Lost, error) {
	f, err := os.Open(s.Path)
	if err != nil {
		return Lost{}, fmt.Errorf("reading a segment: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Lost{}, fmt.Errorf("reading a segment: %w", err)
	}
	if info.Size() == 0 {
		return Lost{}, nil
	}
	whole := &prefix{r: bufio.NewReaderSize(f, 256<<10)}
	stream, err := ipc.NewReader(whole, ipc.WithAllocator(mem))
	if err != nil {
		return Lost{Bytes: info.Size(), Cause: err}, nil
	}
	defer stream.Release()
	good := whole.n
	for stream.Next() {
		if err := emit(stream.Record()); err != nil {
			return Lost{}, err
		}
		good = whole.n
	}
	err = stream.Err()
	if err == nil || errors.Is(err, io.EOF) {
		return Lost{}, nil
	}
	return Lost{Bytes: info.Size() - good, Cause: err}, nil
}

// prefix counts what was read.
type prefix struct {
	r io.Reader
	n int64
}

func (p *prefix) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	p.n += int64(n)
	return n, err
}
