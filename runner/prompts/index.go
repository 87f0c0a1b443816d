package prompts

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"unicode/utf8"

	"github.com/llmscen/llmscen/scenarios"
)

// index is where the records of a file begin. The file is read once, piece by piece, to find them and to check that it
// is text; it is never held: a record costs four bytes.
type index struct {
	file   *os.File
	size   int64
	chunks []chunk
	count  int64
	longer int64 // than any record
}

// chunk is the places of records from row on, relative to base.
type chunk struct {
	row, base int64
	offsets   []uint32
}

const chunkRows = 1 << 16

// format says how records follow each other.
type format struct {
	quotes  bool // a line break between double quotes is none (RFC 4180)
	maxSize scenarios.Bytes
}

// openIndex reads a file through. Blank lines are no records, a byte order mark at the start is skipped.
func openIndex(path string, f format) (*index, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	x := &index{file: file, longer: int64(f.maxSize) + 1}
	s := scan{index: x, format: f, line: 1, recordLine: 1}
	if err := s.run(); err != nil {
		file.Close()
		return nil, fmt.Errorf("%s %w", path, err)
	}
	if x.count == 0 {
		file.Close()
		return nil, fmt.Errorf("%s has no prompt", path)
	}
	return x, nil
}

func (x *index) add(at int64) {
	n := len(x.chunks)
	if n == 0 || len(x.chunks[n-1].offsets) == chunkRows || at-x.chunks[n-1].base > 1<<32-1 {
		x.chunks = append(x.chunks, chunk{row: x.count, base: at})
		n++
	}
	c := &x.chunks[n-1]
	c.offsets = append(c.offsets, uint32(at-c.base))
	x.count++
}

func (x *index) offset(i int64) int64 {
	if i >= x.count {
		return x.size
	}
	n := sort.Search(len(x.chunks), func(n int) bool { return x.chunks[n].row > i }) - 1
	c := x.chunks[n]
	return c.base + int64(c.offsets[i-c.row])
}

// record is the bytes of record i, up to the next one.
func (x *index) record(i int64) ([]byte, error) {
	from := x.offset(i)
	// Blank lines follow a record up to the next one; more of them than a record may have need not be read.
	b := make([]byte, min(x.offset(i+1)-from, x.longer+1))
	if _, err := x.file.ReadAt(b, from); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading %s: %w", x.file.Name(), err)
	}
	return b, nil
}

// place names a record for a person.
func (x *index) place(i int64) string {
	line, err := lineAt(io.NewSectionReader(x.file, 0, x.offset(i)))
	if err != nil {
		return fmt.Sprintf("%s byte %d", x.file.Name(), x.offset(i))
	}
	return fmt.Sprintf("%s line %d", x.file.Name(), line)
}

func lineAt(before io.Reader) (int64, error) {
	line := int64(1)
	buffer := make([]byte, 1<<16)
	for {
		n, err := before.Read(buffer)
		line += int64(bytes.Count(buffer[:n], []byte{'\n'}))
		if err == io.EOF {
			return line, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// scan is one reading of a file.
type scan struct {
	*index
	format
	at         int64 // of the next byte
	line       int64 // from 1
	recordLine int64
	record     int64 // where the record under way began, past blanks
	begun      bool  // something other than blanks was in it
	quoted     bool
	partial    []byte // the start of a character whose end has not been read
}

func (s *scan) run() error {
	buffer := make([]byte, 1<<18)
	first := true
	for {
		n, err := s.file.ReadAt(buffer, s.size)
		b := buffer[:n]
		s.size += int64(n)
		if first {
			first = false
			if rest, ok := bytes.CutPrefix(b, []byte("\xef\xbb\xbf")); ok {
				b, s.at = rest, 3
			}
		}
		if err := s.take(b); err != nil {
			return err
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("can't be read: %w", err)
		}
	}
	if len(s.partial) > 0 {
		return s.notText(s.at - int64(len(s.partial)))
	}
	if s.quoted {
		return fmt.Errorf("line %d: a quote is not closed", s.recordLine)
	}
	s.end()
	return nil
}

// take goes through one piece of the file, a line of it at a time.
func (s *scan) take(b []byte) error {
	if err := s.checkText(b); err != nil {
		return err
	}
	for len(b) > 0 {
		n := bytes.IndexByte(b, '\n')
		part := b
		if n >= 0 {
			part = b[:n]
		}
		if !s.begun {
			if blank := len(part) - len(bytes.TrimLeft(part, " \t\r")); blank < len(part) {
				s.begun, s.record, s.recordLine = true, s.at+int64(blank), s.line
			}
		}
		if s.quotes && bytes.Count(part, []byte{'"'})%2 == 1 {
			s.quoted = !s.quoted
		}
		s.at += int64(len(part))
		if s.begun && s.at-s.record > int64(s.maxSize)+1 { // a carriage return is not counted
			return fmt.Errorf("line %d: it is longer than %v", s.recordLine, s.maxSize)
		}
		if n < 0 {
			return nil
		}
		s.at++
		s.line++
		b = b[n+1:]
		if !s.quoted {
			s.end()
		}
	}
	return nil
}

// end ends the record under way.
func (s *scan) end() {
	if s.begun {
		s.add(s.record)
	}
	s.begun = false
}

// checkText refuses what is not UTF-8, also in a character that two pieces share.
func (s *scan) checkText(b []byte) error {
	at := s.at
	if len(s.partial) > 0 {
		begin := at - int64(len(s.partial))
		for len(b) > 0 && !utf8.FullRune(s.partial) {
			s.partial = append(s.partial, b[0])
			b, at = b[1:], at+1
		}
		if !utf8.FullRune(s.partial) {
			return nil
		}
		if r, size := utf8.DecodeRune(s.partial); r == utf8.RuneError && size < 2 {
			return s.notText(begin)
		}
		s.partial = s.partial[:0]
	}
	whole := len(b)
	for i := 1; i < utf8.UTFMax && i <= len(b); i++ {
		if c := b[len(b)-i]; utf8.RuneStart(c) {
			if !utf8.FullRune(b[len(b)-i:]) {
				whole = len(b) - i
			}
			break
		}
	}
	if !utf8.Valid(b[:whole]) {
		for i := 0; ; {
			r, size := utf8.DecodeRune(b[i:whole])
			if r == utf8.RuneError && size < 2 {
				s.line += int64(bytes.Count(b[:i], []byte{'\n'}))
				return s.notText(at + int64(i))
			}
			i += size
		}
	}
	s.partial = append(s.partial, b[whole:]...)
	return nil
}

func (s *scan) notText(at int64) error {
	return fmt.Errorf("line %d: byte %d of the file is not UTF-8", s.line, at)
}
