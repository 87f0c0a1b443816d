package procfs

import (
	"bytes"
	"io"
	"os"
	"strconv"
)

// file is a small file of the kernel's that stays open and is read from its beginning each time. That costs a third of
// opening it anew, and a file of /proc/PID stays the one process's, also when the number is given to another.
type file struct {
	f   *os.File
	buf []byte
}

func openFile(path string) (*file, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return &file{f: f, buf: make([]byte, 1024)}, nil
}

// tryOpen is openFile where a file that is not there is simply not read: its read says false.
func tryOpen(path string) *file {
	f, err := openFile(path)
	if err != nil {
		return nil
	}
	return f
}

// read returns the whole content, valid until the next read.
func (f *file) read() ([]byte, bool) {
	if f == nil {
		return nil, false
	}
	n := 0
	for {
		m, err := f.f.ReadAt(f.buf[n:], int64(n))
		n += m
		if err == io.EOF {
			return f.buf[:n], true
		}
		if err != nil {
			return nil, false
		}
		f.buf = append(f.buf, make([]byte, len(f.buf))...)
	}
}

func (f *file) close() {
	if f != nil {
		f.f.Close()
	}
}

// number is a file's content where that is one number.
func (f *file) number() (float64, bool) {
	b, ok := f.read()
	if !ok {
		return 0, false
	}
	return parseNumber(bytes.TrimSpace(b))
}

// valueOf finds the line that begins with key and a space, and returns the number after it.
func valueOf(b []byte, key string) (float64, bool) {
	for len(b) > 0 {
		line := b
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			line, b = b[:i], b[i+1:]
		} else {
			b = nil
		}
		if len(line) > len(key) && line[len(key)] == ' ' && string(line[:len(key)]) == key {
			v, _ := nextField(line[len(key):])
			return parseNumber(v)
		}
	}
	return 0, false
}

// nextField cuts the first word off b.
func nextField(b []byte) (field, rest []byte) {
	b = bytes.TrimLeft(b, " \t")
	i := bytes.IndexAny(b, " \t\n")
	if i < 0 {
		return b, nil
	}
	return b[:i], b[i:]
}

func parseNumber(b []byte) (float64, bool) {
	v, err := strconv.ParseFloat(string(b), 64)
	return v, err == nil
}
