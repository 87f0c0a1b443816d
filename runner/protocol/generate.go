package protocol

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// attempt is one request on its way.
type attempt struct {
	client  *Client
	ctx     context.Context
	watch   *watch
	trace   trace
	sent    atomic.Int64 // bytes of the body
	reading reading
	arrival arrival

	tokenBatch int64 // the read that brought the last token chunk
	tokenAt    tables.Instant
	guessed    bool // the time of some token chunk is not the kernel's
}

// Generate is load.Client's. Its error is an *AddressError: the runtime may not be asked at all.
//
// The timeline's DispatchedAt is set where the caller did not. Where the server does not stream, the answer has tokens
// but the timeline has none.
func (c *Client) Generate(ctx context.Context, r load.Request, t *load.Timeline) (load.Answer, error) {
	if t.DispatchedAt == 0 {
		t.DispatchedAt = c.clock.now()
	}
	a := &attempt{client: c, trace: trace{clock: c.clock}, reading: reading{timeline: t, keep: r.KeepOutput}}
	a.ctx, a.watch = newWatch(ctx, r)
	defer a.watch.stop()

	answer := load.Answer{}
	err := a.exchange(r, &answer)
	a.trace.into(t)
	if t.DoneAt == 0 {
		t.DoneAt = c.clock.now()
	}
	t.DoneAt = max(t.DoneAt, t.LastTokenAt)
	t.KernelTimestamps = a.reading.chunks > 0 && !a.guessed
	answer.RequestBytes, answer.ResponseBytes = a.sent.Load(), a.arrival.bytes
	a.reading.into(&answer)
	if c.runtime.Engine == "ollama" || c.format.newline() {
		answer.PromptTruncated = isTruncated(r.Prompt.PromptTokens, answer.PromptTokens, c.runtime.ContextTokens)
	}
	var refused *AddressError
	switch {
	case err == nil:
		return answer, nil
	case errors.As(err, &refused):
		return answer, refused
	}
	f := classify(a.ctx, err, progress{
		connected: a.trace.hasConn.Load(),
		wrote:     t.WroteAt != 0,
		headers:   t.HeadersAt != 0,
	})
	answer.ErrorKind, answer.ErrorText = f.kind, c.redact.text(f.text)
	return answer, nil
}

// exchange sends the request and reads the answer to its end.
func (a *attempt) exchange(r load.Request, answer *load.Answer) error {
	c, t := a.client, a.reading.timeline
	// Probes have numbers below zero.
	target := c.targets[uint64(r.Seq+int64(r.Attempt))%uint64(len(c.targets))]
	answer.TargetID = target.id
	body := newUpload(c.format.body(r), &a.sent)
	request := (&http.Request{
		Method:        http.MethodPost,
		URL:           target.url,
		Host:          c.host,
		Header:        c.header.Clone(),
		Body:          body,
		GetBody:       body.again,
		ContentLength: int64(len(body.whole)),
	}).WithContext(a.trace.with(a.ctx))
	request.Header.Set("X-Request-Id", RequestID(c.trialID, r.Seq, r.Attempt))
	response, err := c.transport.do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer.HTTPStatus = int32(response.StatusCode)
	a.arrival = arrival{src: response.Body, clock: c.clock, since: t.DispatchedAt, at: t.DispatchedAt}
	if response.ProtoMajor == 1 {
		a.arrival.conn = a.trace.got.Load()
	}
	a.arrival.note()
	t.HeadersAt = a.arrival.at

	var in io.Reader = &a.arrival
	if strings.EqualFold(response.Header.Get("Content-Encoding"), "gzip") {
		in = &unzip{src: in}
	}
	if response.StatusCode != http.StatusOK {
		answer.RetryAfter = retryAfter(response.Header.Get("Retry-After"), time.Now())
		return a.refusal(response.StatusCode, in)
	}
	return a.read(response, in)
}

// refusal reads what a server says with a status other than 200; the status counts also where that can't be read.
func (a *attempt) refusal(status int, in io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(in, maxRedacted))
	if err != nil && a.ctx.Err() != nil {
		return err
	}
	a.reading.timeline.DoneAt = a.arrival.at
	a.drain()
	return byStatus(status, text)
}

// read reads an answer to its end, streamed or not.
func (a *attempt) read(response *http.Response, in io.Reader) error {
	buffer := a.client.buffers.Get().(*lines)
	defer func() {
		buffer.release()
		a.client.buffers.Put(buffer)
	}()
	newline := a.client.format.newline()
	buffer.reset(in, !newline)
	first, err := buffer.first()
	if err != nil && err != io.EOF {
		return err
	}
	// What it is shows in its first byte: a Content-Type may say the wrong thing, or nothing.
	kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	single := first == '{' && kind != "text/event-stream"
	if newline {
		single = kind == "application/json" && response.ContentLength >= 0
	}
	if single {
		err = a.document(buffer)
	} else {
		err = a.stream(buffer)
	}
	if err != nil {
		return err
	}
	a.reading.timeline.DoneAt = a.arrival.at
	a.drain()
	switch {
	case !a.reading.complete:
		return &fault{tables.ErrTruncated, "the stream ended without its terminal mark"}
	case !a.reading.texts:
		return &fault{tables.ErrEmptyOutput, "the answer has no token"}
	}
	return nil
}

// document reads an answer that was not streamed.
func (a *attempt) document(buffer *lines) error {
	data, err := buffer.all()
	if err != nil {
		return err
	}
	a.reading.whole = true
	return a.client.format.decoder().document(data, &a.reading)
}

// frames gives the data of a stream's frames; false: of an error.
type frames interface{ next() ([]byte, bool, error) }

// stream reads frames until nothing follows. What has come before an error is kept.
func (a *attempt) stream(buffer *lines) error {
	var in frames = &sse{lines: buffer}
	if a.client.format.newline() {
		in = &ndjson{lines: buffer}
	}
	decoder, r := a.client.format.decoder(), &a.reading
	for !r.ended {
		data, ok, err := in.next()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case !ok:
			return inStream(data)
		}
		r.at = a.arrival.at
		r.timeline.Chunk(r.at)
		before := r.chunks
		if err := decoder.frame(data, r); err != nil {
			return err
		}
		if r.chunks > before {
			a.token(r.chunks - before)
		}
		a.watch.frame(r.chunks > 0)
	}
	return nil
}

// token notes whose time the last n chunks of tokens have.
func (a *attempt) token(n int) {
	in := &a.arrival
	if in.batch != a.tokenBatch && !(in.kernel && in.at == a.tokenAt) {
		n-- // the first of the read has the time for itself
	}
	a.reading.timeline.Coalesced += int32(n)
	a.tokenBatch, a.tokenAt = in.batch, in.at
	a.guessed = a.guessed || !in.kernel
}

// drain reads the rest of the response, so that the connection can serve again; it waits a little, not for ever.
func (a *attempt) drain() {
	const limit = 64 << 10
	a.watch.drain()
	_, _ = io.CopyN(io.Discard, &a.arrival, limit) // the answer is complete, whatever happens now
}
