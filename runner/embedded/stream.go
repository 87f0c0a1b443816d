package embedded

import (
	"errors"
	"net"
	"net/http"
	"time"
)

// wire is how one API writes one answer.
type wire struct {
	contentType string // of a stream
	role        []byte // the frame that tells the role by itself; nil: there is none
	// chunk appends the frame of a piece of text.
	chunk func(b []byte, c Chunk) []byte
	// end appends what follows the last piece, the terminal mark included.
	end func(b []byte, a account) []byte
	// failure appends an error object as it appears inside a stream, and what follows it.
	failure func(b []byte, message string) []byte
	// garbled is a frame that does not parse, and what follows it.
	garbled string
	// whole appends the answer as one document.
	whole func(b []byte, a account) []byte
}

// account is all that is said of an answer at its end.
type account struct {
	Result
	Answer    []byte // of a document; empty in a stream
	Reasoning []byte
	Took      time.Duration
}

// errFault ends a generation whose stream is to be hurt.
var errFault = errors.New("the stream ends with a fault")

// stream is one answer on its way out.
type stream struct {
	h         *Handler
	w         http.ResponseWriter
	rc        *http.ResponseController
	wire      wire
	streaming bool
	received  time.Time
	outcome   string

	begun, headed, roleSent, gone bool
	fault                         Fault
	buf                           []byte
	answer, reasoning             []byte  // of a document
	sentAt                        []int64 // ns since the Unix epoch
	tokens                        []int32 // nil: one each
	tokensSent                    int32
}

// emit sends a chunk as soon as it is there: one chunk, one flush.
func (s *stream) emit(c Chunk) error {
	if !s.begun {
		s.begun = true
		s.h.counts.waiting.Add(-1)
		s.h.counts.active.Add(1)
	}
	switch {
	case c.Fault != NoFault:
		s.fault = c.Fault
		return errFault
	case c.Kind == Begun:
		if !s.streaming || s.wire.role == nil || s.h.o.RoleChunk != "early" {
			return nil
		}
		s.roleSent = true
		return s.write(s.wire.role)
	case !s.streaming:
		if c.Kind == Reasoning {
			s.reasoning = append(s.reasoning, c.Text...)
		} else {
			s.answer = append(s.answer, c.Text...)
		}
		s.tokensSent += int32(c.Tokens)
		return nil
	}
	s.buf = s.buf[:0]
	if s.wire.role != nil && !s.roleSent {
		s.roleSent = true
		s.buf = append(s.buf, s.wire.role...)
	}
	s.buf = s.wire.chunk(s.buf, c)
	s.stamp(int32(c.Tokens))
	return s.write(s.buf)
}

// stamp notes that tokens are about to be handed to the kernel: before the call, because on a loopback the receiver's
// stamp may be earlier than the call's return.
func (s *stream) stamp(tokens int32) {
	if s.streaming {
		s.tokensSent += tokens
	}
	s.h.counts.tokensSent.Add(int64(tokens))
	if s.h.sent == nil {
		return
	}
	if tokens != 1 && s.tokens == nil {
		s.tokens = make([]int32, len(s.sentAt), cap(s.sentAt)+1)
		for i := range s.tokens {
			s.tokens[i] = 1
		}
	}
	if s.tokens != nil {
		s.tokens = append(s.tokens, tokens)
	}
	s.sentAt = append(s.sentAt, time.Now().UnixNano())
}

// write sends frames of a stream, and its headers before them.
func (s *stream) write(frames []byte) error {
	if !s.headed {
		s.headed = true
		s.w.Header().Set("Content-Type", s.wire.contentType)
		s.w.WriteHeader(http.StatusOK)
	}
	_, err := s.w.Write(frames)
	if err == nil {
		err = s.rc.Flush()
	}
	s.gone = s.gone || err != nil
	return err
}

// document sends an answer that is not a stream.
func (s *stream) document(body []byte) {
	s.stamp(s.tokensSent)
	s.w.Header().Set("Content-Type", jsonType)
	_, err := s.w.Write(body)
	s.gone = err != nil
}

// conclude writes the end of the answer, whatever it is.
func (s *stream) conclude(r *http.Request, result Result, err error, refuse refuser) {
	switch {
	case s.fault != NoFault:
		s.outcome = string(s.fault)
		s.concludeFault(result, refuse)
	case r.Context().Err() != nil || s.gone:
		s.outcome = "cancelled"
	case err == nil:
		s.outcome = "ok"
		if s.streaming {
			_ = s.write(s.wire.end(s.buf[:0], s.account(result)))
		} else {
			s.document(s.wire.whole(nil, s.account(result)))
		}
		if s.gone {
			s.outcome = "cancelled"
		}
	case s.headed:
		s.outcome = "failed"
		_ = s.write(s.wire.failure(s.buf[:0], refusal(err).Message))
	default:
		s.outcome = "refused"
		refuse(s.w, err)
	}
}

func (s *stream) account(r Result) account {
	return account{Result: r, Answer: s.answer, Reasoning: s.reasoning, Took: time.Since(s.received)}
}

// concludeFault writes what is wrong; a write that fails has nobody to tell.
func (s *stream) concludeFault(result Result, refuse refuser) {
	const message = "an error was asked for by the scenario"
	switch {
	case s.fault == InStreamError && s.streaming:
		_ = s.write(s.wire.failure(s.buf[:0], message))
	case s.fault == InStreamError:
		refuse(s.w, errors.New(message))
	case s.fault == Garble && s.streaming:
		_ = s.write([]byte(s.wire.garbled))
	case s.fault == Garble:
		s.document([]byte(`{"choices":[{"index":0,"mess`))
	case s.fault == Truncate && s.streaming:
		_ = s.write(nil)
	case s.fault == Truncate:
		whole := s.wire.whole(nil, s.account(result))
		s.document(whole[:len(whole)/2])
	}
}

// hurt resets the connection where that was asked for. It comes last: nothing can be said afterwards.
func (s *stream) hurt() {
	if s.fault != Reset {
		return
	}
	conn, _, err := s.rc.Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // the nearest to a reset that such a writer has
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // so that Close sends RST and not FIN
	}
	_ = conn.Close()
}

// leave takes the request out of the gauges.
func (s *stream) leave() {
	if s.begun {
		s.h.counts.active.Add(-1)
	} else {
		s.h.counts.waiting.Add(-1)
	}
}
