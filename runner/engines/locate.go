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

// Folder and ModelsFolder are where `make engines` puts programs and models, below the current folder or one above it.
const (
	Folder       = ".engines/bin"
	ModelsFolder = ".engines/models"
)

// ErrNotFound says that a program is nowhere.
var ErrNotFound = errors.New("not found")

// Locate finds a program: in Folder below dir or a folder above it, else on the PATH. The first name that is found
// anywhere is taken, so that what `make engines` built goes before what is installed under the same name.
func Locate(dir string, names ...string) (string, error) {
	for _, name := range names {
		if path := above(dir, filepath.Join(Folder, name), true); path != "" {
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
	if path := above(dir, filepath.Join(Folder, name), false); path != "" {
		return path, nil
	}
	for _, d := range filepath.SplitList(os.Getenv("PATH")) {
		if path := filepath.Join(d, name); filepath.IsAbs(path) && isFile(path, false) {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w: %s is neither in %s below %s or a folder above it nor in a folder of the PATH", ErrNotFound, name, Folder, dir)
}

// LocateModel finds the GGUF of a model that `make engines` made, by the model's name: in ModelsFolder below dir or a
// folder above it. "": there is none.
func LocateModel(dir, name string) string {
	if name == "" || name != filepath.Base(name) {
		return "" // another hub's name, as in org/model
	}
	return above(dir, filepath.Join(ModelsFolder, name+".gguf"), false)
}

// above finds a file by its path below dir or a folder above it; "": there is none.
func above(dir, path string, program bool) string {
	for ; ; dir = filepath.Dir(dir) {
		if path := filepath.Join(dir, path); isFile(path, program) {
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
