package local

import (
	"bytes"
	"strings"
	"sync"
)

const (
	tailLines     = 50
	tailLineBytes = 1024
)

// tail keeps the last lines that are written to it; long ones are cut.
type tail struct {
	mu    sync.Mutex
	lines []string
	part  []byte // of the line that is not at its end yet
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(p)
	for {
		line, rest, ended := bytes.Cut(p, []byte{'\n'})
		t.part = append(t.part, line[:min(len(line), tailLineBytes-len(t.part))]...)
		if !ended {
			return n, nil
		}
		t.lines = append(t.lines, string(t.part))
		if len(t.lines) > tailLines {
			t.lines = append(t.lines[:0], t.lines[1:]...)
		}
		t.part, p = t.part[:0], rest
	}
}

// String is the lines, without control characters, which might do things to a terminal.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := t.lines
	if len(t.part) > 0 {
		lines = append(lines[:len(lines):len(lines)], string(t.part))
	}
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && (r < ' ' || r >= 0x7f && r < 0xa0) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(strings.Join(lines, "\n"), "�"))
}
