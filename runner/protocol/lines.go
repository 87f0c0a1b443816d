package protocol

import (
	"bytes"
	"errors"
	"io"
)

// maxFrame limits one frame of a stream, and an answer that is not streamed.
const maxFrame = 16 << 20

// errTooLarge ends a stream whose frame is longer than maxFrame.
var errTooLarge = errors.New("a frame of the stream is longer than 16 MiB")

// lines splits a stream into lines: at LF and CRLF, and at a lone CR where cr is set. Its buffer grows with the longest
// line up to maxFrame and is kept by reset.
type lines struct {
	src        io.Reader
	cr         bool
	buf        []byte
	start, end int // what is read and not yet taken
	scanned    int // so many bytes from start on hold no line end
	skipLF     bool
	err        error // what the source said last; what is in buf comes first
}

func (l *lines) reset(src io.Reader, cr bool) {
	if l.buf == nil {
		l.buf = make([]byte, 4096)
	}
	*l = lines{src: src, cr: cr, buf: l.buf}
}

// release lets go of the source, and of a buffer that one long line has made large.
func (l *lines) release() {
	const keep = 1 << 20
	if len(l.buf) > keep {
		l.buf = nil
	}
	l.src, l.err = nil, nil
}

// first skips a byte order mark and white space and shows the byte after them without taking it.
func (l *lines) first() (byte, error) {
	const mark = "\uFEFF"
	for {
		rest := l.buf[l.start:l.end]
		switch {
		case len(rest) < len(mark) && l.err == nil && bytes.HasPrefix([]byte(mark), rest):
			l.fill() // also where rest is empty
		case bytes.HasPrefix(rest, []byte(mark)):
			l.start += len(mark)
		case len(rest) == 0:
			return 0, l.err
		case rest[0] == ' ' || rest[0] == '\n' || rest[0] == '\r' || rest[0] == '\t':
			l.start++
		default:
			return rest[0], nil
		}
	}
}

// next is the next line without its end. It is valid until the call after. What stands before a clean end of the stream
// is a line too; before any other end it is not.
func (l *lines) next() ([]byte, error) {
	for {
		if l.skipLF && l.start < l.end {
			l.skipLF = false
			if l.buf[l.start] == '\n' {
				l.start++
			}
		}
		rest := l.buf[l.start:l.end]
		i := l.lineEnd(rest)
		if i > maxFrame || i < 0 && len(rest) > maxFrame {
			return nil, errTooLarge
		}
		if i >= 0 {
			l.scanned = 0
			l.start += i + 1
			if rest[i] == '\r' {
				l.skipLF = true
			} else if i > 0 && rest[i-1] == '\r' {
				i--
			}
			return rest[:i], nil
		}
		l.scanned = len(rest)
		if l.err != nil {
			if l.err == io.EOF && len(rest) > 0 {
				l.start, l.scanned = l.end, 0
				return bytes.TrimSuffix(rest, []byte{'\r'}), nil
			}
			return nil, l.err
		}
		l.fill()
	}
}

func (l *lines) lineEnd(rest []byte) int {
	fresh := rest[l.scanned:]
	i := bytes.IndexByte(fresh, '\n')
	if l.cr {
		before := fresh
		if i >= 0 {
			before = fresh[:i]
		}
		if j := bytes.IndexByte(before, '\r'); j >= 0 {
			i = j
		}
	}
	if i < 0 {
		return -1
	}
	return l.scanned + i
}

// fill reads once, after making room.
func (l *lines) fill() {
	switch {
	case l.start == l.end:
		l.start, l.end = 0, 0
	case l.end == len(l.buf) && l.start > 0:
		l.end = copy(l.buf, l.buf[l.start:l.end])
		l.start = 0
	case l.end == len(l.buf):
		l.buf = append(l.buf, make([]byte, len(l.buf))...)
	}
	n, err := l.src.Read(l.buf[l.end:])
	l.end += n
	l.err = err
}

// all is everything that is left, up to maxFrame.
func (l *lines) all() ([]byte, error) {
	for l.err == nil && l.end-l.start <= maxFrame {
		l.fill()
	}
	switch {
	case l.end-l.start > maxFrame:
		return nil, errTooLarge
	case l.err != io.EOF:
		return nil, l.err
	}
	return l.buf[l.start:l.end], nil
}
