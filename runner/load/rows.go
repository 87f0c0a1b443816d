package load

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/llmscen/llmscen/warehouse/tables"
)

// record is one attempt on its way to the sink, with the slices that its row points into.
type record struct {
	row      tables.Request
	timeline Timeline
	body     *tables.Body // nil: none is kept
}

// rows carries records to the sink on a goroutine of its own, so that a slow sink does not hold up the load before
// queueSize rows wait for it. It never drops one.
type rows struct {
	sink  Sink
	live  *Live
	queue chan *record
	pool  sync.Pool
	// waiting is how many senders wait for room in the queue, waited when the last wait ended (ns since the epoch).
	waiting, waited atomic.Int64
	fail            func(error)
	done            chan struct{}
}

const (
	queueSize = 4096
	batchSize = 256
)

// newRows starts the goroutine; fail hears the sink's first error.
func newRows(sink Sink, live *Live, fail func(error)) *rows {
	r := &rows{sink: sink, live: live, queue: make(chan *record, queueSize), fail: fail, done: make(chan struct{})}
	r.pool.New = func() any { return new(record) }
	go r.run()
	return r
}

// record gives a record to fill; put takes it back.
func (r *rows) record() *record {
	rec := r.pool.Get().(*record)
	rec.row, rec.body = tables.Request{}, nil
	rec.timeline.Reset()
	return rec
}

// put hands a record to the sink's goroutine; the time that it has to wait is counted.
func (r *rows) put(rec *record) {
	select {
	case r.queue <- rec:
		return
	default:
	}
	began := time.Now()
	r.waiting.Add(1)
	r.queue <- rec
	now := time.Now()
	r.live.blocked.Add(int64(now.Sub(began)))
	r.waited.Store(now.UnixNano())
	r.waiting.Add(-1)
}

// heldUp tells whether the sink holds up the load, or has since an instant.
func (r *rows) heldUp(since time.Time) bool {
	return r.waiting.Load() > 0 || r.waited.Load() >= since.UnixNano()
}

// close waits until the sink has everything.
func (r *rows) close() {
	close(r.queue)
	<-r.done
}

func (r *rows) run() {
	defer close(r.done)
	batch := make([]tables.Request, 0, batchSize)
	records := make([]*record, 0, batchSize)
	var bodies []tables.Body
	for rec := range r.queue {
		batch, records, bodies = batch[:0], records[:0], bodies[:0]
		for more := true; more; {
			batch, records = append(batch, rec.row), append(records, rec)
			if rec.body != nil {
				bodies = append(bodies, *rec.body)
			}
			more = false
			if len(batch) < batchSize {
				select {
				case rec, more = <-r.queue:
				default:
				}
			}
		}
		// A sink that fails may still keep rows, and those that come now are of requests that were made.
		if err := r.write(batch, bodies); err != nil {
			r.fail(err)
		}
		now := time.Now()
		for i, rec := range records {
			r.live.observe(&batch[i], now)
			r.pool.Put(rec)
		}
	}
}

func (r *rows) write(batch []tables.Request, bodies []tables.Body) error {
	err := r.sink.WriteRequests(batch)
	if err != nil {
		err = fmt.Errorf("writing requests: %w", err)
	}
	if len(bodies) > 0 {
		if e := r.sink.WriteBodies(bodies); e != nil && err == nil {
			err = fmt.Errorf("writing bodies: %w", e)
		}
	}
	return err
}

// Fill puts what an attempt's timeline and answer say into its row. The row's slices stay the timeline's.
func Fill(row *tables.Request, t *Timeline, a *Answer) {
	row.TargetID = a.TargetID
	row.ConnectStartAt, row.ConnectedAt = t.ConnectStartAt, t.ConnectedAt
	row.WroteAt, row.HeadersAt = t.WroteAt, t.HeadersAt
	row.FirstChunkAt, row.FirstTokenAt = t.FirstChunkAt, t.FirstTokenAt
	row.FirstAnswerTokenAt, row.LastTokenAt, row.DoneAt = t.FirstAnswerTokenAt, t.LastTokenAt, t.DoneAt

	// What is nil is stored as NULL: no token, one token a chunk, answers only.
	row.TokenDeltaUS, row.TokenCounts, row.ChunkKinds = nil, nil, nil
	if len(t.DeltaUS) > 0 {
		row.TokenDeltaUS = t.DeltaUS
		if !t.oneEach {
			row.TokenCounts = t.Counts
		}
		if !t.allAnswers {
			row.ChunkKinds = t.Kinds
		}
	}
	row.KernelTimestamps, row.CoalescedChunks, row.ConnReused = t.KernelTimestamps, t.Coalesced, t.ConnReused

	row.PromptTokens, row.CachedPromptTokens, row.PromptTruncated = a.PromptTokens, a.CachedTokens, a.PromptTruncated
	row.OutputTokens, row.ReasoningTokens, row.TokenSource = a.OutputTokens, a.ReasoningTokens, a.TokenSource
	row.FinishReason = a.FinishReason
	row.RequestBytes, row.ResponseBytes, row.HTTPStatus = a.RequestBytes, a.ResponseBytes, a.HTTPStatus
	row.ErrorKind, row.ErrorText = a.ErrorKind, a.ErrorText
	row.ServerQueueNS, row.ServerPrefillNS = a.ServerQueueNS, a.ServerPrefillNS
	row.ServerDecodeNS, row.ServerLoadNS = a.ServerDecodeNS, a.ServerLoadNS
}
