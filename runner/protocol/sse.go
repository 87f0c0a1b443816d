package protocol

import (
	"bytes"
	"io"
)

// sse reads server-sent events as WHATWG's HTML standard has them (9.2.5 and 9.2.6), and lines in the manner of servers
// that drop an error into a stream: a bare JSON object is an event's data, and so is what follows `error:`.
type sse struct {
	lines  *lines
	data   []byte
	failed bool // the event is named error
}

// next is the data of the next event; false: an error event. It is valid until the call after.
func (s *sse) next() (data []byte, ok bool, err error) {
	s.data, s.failed = s.data[:0], false
	for {
		line, err := s.lines.next()
		switch {
		case err == io.EOF && len(s.data) > 0:
			return s.data, !s.failed, nil // the lines end again at the next call
		case err != nil:
			return nil, false, err
		case len(line) > 0:
			if err := s.take(line); err != nil {
				return nil, false, err
			}
		case len(s.data) > 0:
			return s.data, !s.failed, nil
		default:
			s.failed = false
		}
	}
}

func (s *sse) take(line []byte) error {
	if line[0] == '{' {
		return s.add(line)
	}
	name, value, _ := bytes.Cut(line, []byte{':'})
	if len(value) > 0 && value[0] == ' ' {
		value = value[1:]
	}
	switch string(name) {
	case "data":
		return s.add(value)
	case "error":
		s.failed = true
		return s.add(value)
	case "event":
		s.failed = string(value) == "error"
	default:
		// A comment has no name; a field that is not known is ignored, but what is no field at all is not skipped.
		if !isFieldName(name) {
			return garbled(line)
		}
	}
	return nil
}

// add joins the lines of an event's data.
func (s *sse) add(value []byte) error {
	if len(s.data)+len(value) >= maxFrame {
		return errTooLarge
	}
	if len(s.data) > 0 {
		s.data = append(s.data, '\n')
	}
	s.data = append(s.data, value...)
	return nil
}

func isFieldName(name []byte) bool {
	for _, b := range name {
		if b|0x20 < 'a' || b|0x20 > 'z' {
			if b != '-' && b != '_' {
				return false
			}
		}
	}
	return true
}
