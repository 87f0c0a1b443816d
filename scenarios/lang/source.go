package lang

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// The ends of file names.
const (
	scenarioSuffix = ".scen.hcl"
	valuesSuffix   = ".scenvars.hcl"
	autoSuffix     = ".auto.scenvars.hcl"
)

// stdinName is how standard input is called in findings.
const stdinName = "standard input"

// set is the files of one scenario.
type set struct {
	dir   string // absolute: the scenario's folder
	files []*file
	auto  []*file // *.auto.scenvars.hcl
	// folder tells that all files of the folder belong to the scenario, so that its values do as well.
	folder bool
}

// file is one source file, parsed.
type file struct {
	name string // as findings call it
	base string // as digests call it: the last element
	text []byte
	body *hclsyntax.Body
	// broken: it does not parse, so what it declares is not all known.
	broken bool
	// spoiled are the blocks, by the offset of their start, that a mistake of syntax is in.
	spoiled map[int]bool
}

// spoil notes the blocks that mistakes of syntax are in: the last that begins before each.
func (f *file) spoil(diags hcl.Diagnostics) {
	f.spoiled = map[int]bool{}
	for _, d := range diags[:min(len(diags), maxErrors)] {
		if d.Subject == nil {
			continue
		}
		last := -1
		for _, b := range f.body.Blocks {
			if s := b.TypeRange.Start.Byte; s <= d.Subject.Start.Byte && s > last {
				last = s
			}
		}
		f.spoiled[last] = true
	}
}

// readSet finds and reads the files of a path; nil where there is nothing to go on with.
func readSet(o Options, base, path string, found *findings) (*set, error) {
	if path == "-" {
		return readStdin(o, base, found)
	}
	at := under(base, path)
	info, err := os.Stat(at)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		found.nowhere("No such file or folder", "There is no %s: give a *%s file, or a folder that has some.", path, scenarioSuffix)
		return nil, nil
	case err != nil:
		found.nowhere("Path that can't be read", "%s can't be read: %v.", path, errors.Unwrap(err))
		return nil, nil
	case info.IsDir():
		return readFolder(at, path, found)
	}
	s := &set{dir: filepath.Dir(at)}
	if f := readFile(at, path, found); f != nil {
		s.files = append(s.files, f)
	}
	s.readAuto(filepath.Dir(path), found)
	if len(s.files) == 0 {
		return nil, nil
	}
	return s, nil
}

func readStdin(o Options, base string, found *findings) (*set, error) {
	var text []byte
	if o.Stdin != nil {
		var err error
		if text, err = io.ReadAll(io.LimitReader(o.Stdin, maxFileBytes+1)); err != nil {
			return nil, fmt.Errorf("reading standard input: %w", err)
		}
	}
	f := parse(stdinName, text, found)
	if f == nil {
		return nil, nil
	}
	return &set{dir: base, files: []*file{f}}, nil
}

func readFolder(at, shown string, found *findings) (*set, error) {
	names, err := filesIn(at, scenarioSuffix)
	if err != nil {
		found.nowhere("Folder that can't be read", "%s can't be read: %v.", shown, errors.Unwrap(err))
		return nil, nil
	}
	if len(names) == 0 {
		found.nowhere("No scenario in the folder",
			"There is no *%s file in %s: write one with `llmscen init`, or give another path.", scenarioSuffix, shown)
		return nil, nil
	}
	s := &set{dir: at, folder: true}
	for _, name := range names {
		if f := readFile(filepath.Join(at, name), filepath.Join(shown, name), found); f != nil {
			s.files = append(s.files, f)
		}
	}
	s.readAuto(shown, found)
	if len(s.files) < len(names) {
		// What the unread files declare is not known, so references can't be checked.
		for _, f := range s.files {
			f.broken = true
		}
	}
	if len(s.files) == 0 {
		return nil, nil
	}
	return s, nil
}

// readAuto reads the *.auto.scenvars.hcl beside the scenario, in the order of their names.
func (s *set) readAuto(shown string, found *findings) {
	names, err := filesIn(s.dir, autoSuffix)
	if err != nil {
		found.nowhere("Folder that can't be read", "%s can't be read: %v.", shown, errors.Unwrap(err))
		return
	}
	for _, name := range names {
		if f := readFile(filepath.Join(s.dir, name), filepath.Join(shown, name), found); f != nil {
			s.auto = append(s.auto, f)
		}
	}
}

// filesIn lists the files of a folder whose names end so, sorted; hidden ones are left out.
func filesIn(dir, suffix string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), suffix) && !strings.HasPrefix(e.Name(), ".") && !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// under is a path seen from a folder.
func under(base, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(base, path)
}

// readFile reads and parses one file; nil where it can't be read.
func readFile(at, shown string, found *findings) *file {
	text, err := readLimited(at, maxFileBytes)
	if err != nil {
		found.nowhere("File that can't be read", "%s %v.", shown, err)
		return nil
	}
	return parse(shown, text, found)
}

// readLimited reads a regular file of at most limit bytes. Its error continues a sentence that begins with the name.
func readLimited(at string, limit int64) ([]byte, error) {
	// Asked before it is opened: opening a pipe waits for its writer.
	if info, err := os.Stat(at); err == nil && !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	f, err := os.Open(at)
	if err != nil {
		return nil, openProblem(err)
	}
	defer f.Close() // it was only read
	return readOpened(f, limit)
}

var errNotRegular = errors.New("is not a regular file")

func openProblem(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("is not there")
	}
	var p *fs.PathError
	if errors.As(err, &p) {
		return fmt.Errorf("can't be read: %w", p.Err)
	}
	return fmt.Errorf("can't be read: %w", err)
}

func readOpened(f *os.File, limit int64) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, openProblem(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, openProblem(err)
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("has %d bytes, more than the %d that are read", max(info.Size(), limit+1), limit)
	}
	return text, nil
}

// parse guards and parses a text; nil where it can't even be shown.
func parse(name string, text []byte, found *findings) *file {
	if len(text) > maxFileBytes {
		found.nowhere("File that can't be read", "%s has more than the %d bytes that are read.", name, maxFileBytes)
		return nil
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	src := found.addSource(name, text)
	f := &file{name: name, base: filepath.Base(name), text: text, body: &hclsyntax.Body{}}
	if at := invalidUTF8(text); at >= 0 {
		f.broken = true
		found.errorf(src.rangeAt(name, at, 1), "Text that is not UTF-8",
			"The byte 0x%02x at offset %d is not valid UTF-8: save the file as UTF-8.", text[at], at)
		return f
	}
	if r, summary, detail := guard(text, name); summary != "" {
		f.broken = true
		found.errorf(r, summary, "%s", detail)
		return f
	}
	parsed, diags := hclsyntax.ParseConfig(text, name, hcl.InitialPos)
	found.hcl(diags)
	f.broken = diags.HasErrors()
	if parsed != nil {
		f.body = parsed.Body.(*hclsyntax.Body)
		src.body = f.body
	}
	f.spoil(diags)
	return f
}

// rangeAt is a range of n bytes from an offset.
func (s *source) rangeAt(name string, offset, n int) hcl.Range {
	pos := func(offset int) hcl.Pos {
		p := s.position(offset)
		return hcl.Pos{Line: p.Line, Column: p.Column, Byte: offset}
	}
	return hcl.Range{Filename: name, Start: pos(offset), End: pos(min(offset+n, len(s.text)))}
}

// invalidUTF8 is the offset of the first byte that is not UTF-8; -1 where all is well.
func invalidUTF8(text []byte) int {
	if utf8.Valid(text) {
		return -1
	}
	for i := 0; ; {
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
}
