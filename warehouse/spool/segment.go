package spool

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/ipc"
)

// File is what a segment is written to.
type File interface {
	io.WriteCloser
	Sync() error
	Truncate(size int64) error
}

// segments writes the record batches of one table, one segment after the other.
type segments struct {
	dir   string
	table string
	opts  Options

	number int
	file   File
	buf    *bufio.Writer
	stream *ipc.Writer
	bytes  int64
	whole  int64 // bytes up to the end of the last whole batch
	opened time.Time
}

// Write appends the record; where it was kept it is with the kernel, and outlives this process. A write that fails is
// tried once more, in a new segment and with the room that was kept for it: a full disk costs no row. Its error is
// returned all the same.
func (s *segments) Write(rec arrow.Record) (kept bool, err error) {
	if err = s.append(rec); err != nil {
		s.abandon()
		if s.opts.MakeRoom != nil {
			s.opts.MakeRoom()
		}
		return s.append(rec) == nil, err
	}
	if s.bytes >= s.opts.SegmentBytes || time.Since(s.opened) >= s.opts.SegmentAge {
		err = s.seal()
	}
	return true, err
}

func (s *segments) append(rec arrow.Record) error {
	if s.stream == nil {
		if err := s.open(rec.Schema()); err != nil {
			return err
		}
	}
	err := s.stream.Write(rec)
	if err == nil {
		err = s.buf.Flush()
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", s.path(), cause(err))
	}
	s.whole = s.bytes
	return nil
}

// abandon ends a segment that could not be written on, after its last whole batch.
func (s *segments) abandon() {
	if s.stream == nil {
		return
	}
	_ = s.stream.Close() // it may not write, and what it writes is cut
	// What fails here is found when the segment is read: its whole batches count, and nothing behind them.
	_ = s.file.Truncate(s.whole)
	_ = s.file.Sync()
	_ = s.file.Close()
	s.stream, s.number = nil, s.number+1
}

// cause is the error of a file without the file's name, where it has one.
func cause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

func (s *segments) path() string {
	return filepath.Join(s.dir, fmt.Sprintf("%s-%04d%s", s.table, s.number, extension))
}

func (s *segments) open(schema *arrow.Schema) error {
	f, err := s.opts.Create(s.path())
	if err != nil {
		return fmt.Errorf("creating a segment: %w", err)
	}
	s.file, s.bytes, s.whole, s.opened = f, 0, 0, time.Now()
	// A buffer, so that a batch of many small pieces is few writes.
	s.buf = bufio.NewWriterSize(io.MultiWriter(f, (*counter)(&s.bytes)), 256<<10)
	options := []ipc.Option{ipc.WithSchema(schema), ipc.WithAllocator(s.opts.Allocator)}
	if s.opts.Compress {
		options = append(options, ipc.WithLZ4())
	}
	s.stream = ipc.NewWriter(s.buf, options...)
	return nil
}

// seal ends the segment and makes it safe against the loss of power.
func (s *segments) seal() error {
	if s.stream == nil {
		return nil
	}
	_ = s.stream.Close()
	_ = s.buf.Flush() // the mark of its end is no row, and is not missed
	err := s.file.Sync()
	if e := s.file.Close(); err == nil {
		err = e
	}
	path := s.path()
	s.stream, s.number = nil, s.number+1
	if err != nil {
		return fmt.Errorf("ending %s: %w", path, cause(err))
	}
	return nil
}

type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}
