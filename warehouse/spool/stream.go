package spool

import (
	"sync"
	"time"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/llmscen/llmscen/warehouse/tables"
)

// maxPending bounds the batches that wait for the disk.
const maxPending = 4

// stream takes the rows of one table from many goroutines and hands batches to its own, which writes them.
type stream[T any] struct {
	w       *Writer
	trialID string

	mu      sync.Mutex
	room    *sync.Cond // pending got shorter, or the writer failed
	builder *Builder[T]
	pending []arrow.Record
	started bool
	closed  bool

	wake    chan struct{}
	flushes chan chan struct{}
	done    chan struct{} // closed when the goroutine has ended
}

func (s *stream[T]) init(w *Writer, trialID string) {
	s.w, s.trialID = w, trialID
	s.room = sync.NewCond(&s.mu)
	s.wake = make(chan struct{}, 1)
	s.flushes = make(chan chan struct{})
	s.done = make(chan struct{})
}

// write copies the rows into the open batch. In pieces, because one slice may be more than a batch.
func (s *stream[T]) write(rows []T) (err error) {
	for len(rows) > 0 {
		n := min(len(rows), 256)
		if e := s.writeSome(rows[:n]); e != nil {
			err = e // the rest may be kept all the same
		}
		rows = rows[n:]
	}
	return err
}

func (s *stream[T]) writeSome(rows []T) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	failed, lost := s.w.state()
	if lost {
		return failed
	}
	if !s.started {
		s.started = true
		s.builder = NewBuilder[T](s.w.opts.Allocator, s.trialID)
		go s.run()
	}
	s.builder.Append(rows)
	if s.builder.rows < s.w.opts.FlushRows && s.builder.bytes < s.w.opts.FlushBytes {
		return failed
	}
	s.pending = append(s.pending, s.builder.Record())
	select {
	case s.wake <- struct{}{}:
	default: // it is awake already
	}
	for len(s.pending) > maxPending {
		s.room.Wait()
	}
	return s.w.Err()
}

// run writes batches until the stream is closed.
func (s *stream[T]) run() {
	defer close(s.done)
	file := segments{dir: s.w.dir, table: tables.Of[T]().Name, opts: s.w.opts}
	tick := time.NewTicker(s.w.opts.FlushEvery)
	defer tick.Stop()
	for {
		var flushed chan struct{}
		all := true
		select {
		case <-s.wake:
			all = false
		case <-tick.C:
		case flushed = <-s.flushes:
		}
		closed := s.drain(&file, all)
		if flushed != nil {
			close(flushed)
		}
		if closed {
			break
		}
	}
	if err := file.seal(); err != nil {
		s.w.fail(err, true)
	}
}

// drain writes what is pending, and the open batch too where all is asked; closed: no row will follow.
func (s *stream[T]) drain(file *segments, all bool) (closed bool) {
	s.mu.Lock()
	batches := s.pending
	s.pending = nil
	closed = s.closed
	if (all || closed) && s.builder.rows > 0 {
		batches = append(batches, s.builder.Record())
	}
	if closed {
		s.builder.Release()
	}
	s.room.Broadcast()
	s.mu.Unlock()

	for _, rec := range batches {
		// Once a row could not be kept the rest is let go, so that no one waits for a disk that is full.
		if _, lost := s.w.state(); !lost {
			if kept, err := file.Write(rec); err != nil {
				s.w.fail(err, kept)
			}
		}
		rec.Release()
	}
	return closed
}

// flush returns when the rows that were written before are with the kernel.
func (s *stream[T]) flush() {
	s.mu.Lock()
	started := s.started
	s.mu.Unlock()
	if !started {
		return
	}
	flushed := make(chan struct{})
	select {
	case s.flushes <- flushed:
		<-flushed
	case <-s.done:
	}
}

func (s *stream[T]) close() {
	s.mu.Lock()
	s.closed = true
	started := s.started
	s.mu.Unlock()
	if !started {
		return
	}
	s.flush()
	<-s.done
}
