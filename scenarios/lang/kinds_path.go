package lang

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

func decodePath(m *module, v cty.Value, into any) error {
	s, err := asText(v)
	if err != nil {
		return err
	}
	if err := m.checkPath(s); err != nil {
		return err
	}
	*into.(*string) = filepath.Join(m.set.dir, s)
	return nil
}

// checkPath holds a path to the scenario's folder: os.Root refuses what leaves it, by .. or by a link.
func (m *module) checkPath(path string) error {
	switch {
	case path == "":
		return wrong("Empty path", "Write the path of a file below the scenario's folder.")
	case strings.ContainsRune(path, 0):
		return wrong("Not a path", "The path has a NUL byte.")
	case filepath.IsAbs(path):
		return wrong("Path outside the scenario's folder", "%q is absolute: files lie below the scenario's folder, so that it can be moved and shared.", path)
	case !filepath.IsLocal(path):
		return wrong("Path outside the scenario's folder", "%q leaves the scenario's folder: put the file below it.", path)
	}
	info, err := m.root.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return wrong("File that is not there", "There is no %q in the scenario's folder.%s", path, m.nearFile(path))
	case err != nil:
		return wrong("Path outside the scenario's folder", "%q can't be opened from the scenario's folder: %s.", path, reason(err))
	case !info.Mode().IsRegular():
		return wrong("Not a file", "%q is not a regular file.", path)
	}
	return nil
}

// reason is an error's own words, without the path that the sentence around it has.
func reason(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

// nearFile suggests a file of the same folder.
func (m *module) nearFile(path string) string {
	dir, err := m.root.Open(filepath.Dir(path))
	if err != nil {
		return ""
	}
	defer dir.Close() // it was only read
	names, err := dir.Readdirnames(1000)
	if err != nil {
		return ""
	}
	near := nearest(filepath.Base(path), names)
	if near == "" {
		return ""
	}
	return fmt.Sprintf(" Did you mean %q?", filepath.Join(filepath.Dir(path), near))
}

func decodeTokenizer(m *module, v cty.Value, into any) error {
	s, err := asText(v)
	if err != nil {
		return err
	}
	if s == "calibrate" || s == "runtime" {
		*into.(*string) = s
		return nil
	}
	if _, err := os.Stat(filepath.Join(m.set.dir, s)); err != nil && nearest(s, []string{"calibrate", "runtime"}) != "" {
		return wrong("Unknown word", "%q is not calibrate, runtime or the path of a file.%s", s, didYouMean("", s, []string{"calibrate", "runtime"}))
	}
	return decodePath(m, v, into)
}
