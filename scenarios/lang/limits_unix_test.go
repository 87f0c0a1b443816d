//go:build unix

package lang

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestWhatIsNoRegularFileIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "in.scen.hcl"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "link.scen.hcl")); err != nil {
		t.Fatal(err)
	}
	_, found, err := Load(t.Context(), Options{Dir: dir, Paths: []string{"in.scen.hcl", "link.scen.hcl"}})
	if err != nil || len(found) != 2 || !strings.Contains(found[0].Detail, "not a regular file") {
		t.Error(err, found)
	}
}
