package engines

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Folder is where `make engines` puts programs, below the current folder or one above it.
const Folder = ".engines/bin"

// ErrNotFound says that a program is nowhere.
var ErrNotFound = errors.New("not found")

// Locate finds a program: in Folder below dir or a folder above it, else on the PATH. The first name that is found
// anywhere is taken, so that what `make engines` built goes before what is installed under the same name.
func Locate(dir string, names ...string) (string, error) {
	for _, name := range names {
		if path := above(dir, name, true); path != "" {
			return path, nil
		}
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return filepath.Abs(path)
		}
	}
	return "", fmt.Errorf("%w: %s is neither in %s below %s or a folder above it nor on the PATH", ErrNotFound, strings.Join(names, " or "), Folder, dir)
}

// LocateFile finds a file that a program needs, in the same folders.
func LocateFile(dir, name string) (string, error) {
	if path := above(dir, name, false); path != "" {
		return path, nil
	}
	for _, d := range filepath.SplitList(os.Getenv("PATH")) {
		if path := filepath.Join(d, name); filepath.IsAbs(path) && isFile(path, false) {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w: %s is neither in %s below %s or a folder above it nor in a folder of the PATH", ErrNotFound, name, Folder, dir)
}

func above(dir, name string, program bool) string {
	for ; ; dir = filepath.Dir(dir) {
		if path := filepath.Join(dir, Folder, name); isFile(path, program) {
			return path
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}

func isFile(path string, program bool) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && (!program || info.Mode()&(fs.ModePerm&0o111) != 0)
}
