package spool

import (
	"bufio"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/ipc"
)

// File is what a segment is written to.
type File interface {
	io.WriteCloser
	Sync() error
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
	opened time.Time
}

// Write appends the record; afterwards it is with the kernel, and outlives this process.
func (s *segments) Write(rec arrow.Record) error {
	if s.stream == nil {
		if err := s.open(rec.Schema()); err != nil {
			return err
		}
	}
	if err := s.stream.Write(rec); err != nil {
		return fmt.Errorf("writing %s: %w", s.path(), err)
	}
	if err := s.buf.Flush(); err != nil {
		return fmt.Errorf("writing %s: %w", s.path(), err)
	}
	if s.bytes >= s.opts.SegmentBytes || time.Since(s.opened) >= s.opts.SegmentAge {
		return s.seal()
	}
	return nil
}

func (s *segments) path() string {
	return filepath.Join(s.dir, fmt.Sprintf("%s-%04d%s", s.table, s.number, extension))
}

func (s *segments) open(schema *arrow.Schema) error {
	f, err := s.opts.Create(s.path())
	if err != nil {
		return fmt.Errorf("creating a segment: %w", err)
	}
	s.file, s.bytes, s.opened = f, 0, time.Now()
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
	err := s.stream.Close()
	if e := s.buf.Flush(); err == nil {
		err = e
	}
	if e := s.file.Sync(); err == nil {
		err = e
	}
	if e := s.file.Close(); err == nil {
		err = e
	}
	path := s.path()
	s.stream, s.number = nil, s.number+1
	if err != nil {
		return fmt.Errorf("ending %s: %w", path, err)
	}
	return nil
}

type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}
