package local

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A hierarchy of version 2 whose controllers are elsewhere, or not ours to give, still holds processes together.
func TestACgroupOfVersion2HoldsItsProcessesAndSaysWhatItLacks(t *testing.T) {
	all, err := hierarchies()
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range all {
		if !h.v2 {
			continue
		}
		g, err := newCgroupV2("llmscen-test-"+strconv.Itoa(os.Getpid()), limits{cpus: 0.5}, h)
		if errors.Is(err, os.ErrPermission) || errors.Is(err, unix.EROFS) {
			return // not ours to make; that this is told is tested with the driver
		}
		if err != nil {
			t.Fatal(err)
		}
		if lost := strings.Join(g.lost, "; "); (g.Memory == "") != strings.Contains(lost, "its memory is counted over its processes") {
			t.Errorf("%+v", g)
		}
		p, err := begin(exec.Command(os.Args[0], "be-daemon"), birth{name: "It", cgroup: g, orphaned: syscall.SIGKILL})
		if err != nil {
			t.Fatal(errors.Join(err, g.remove()))
		}
		procs, err := os.ReadFile(filepath.Join(g.folder(), "cgroup.procs"))
		if err != nil || strings.TrimSpace(string(procs)) != strconv.Itoa(p.pid) {
			t.Errorf("in it is %q and not %d (%v)", procs, p.pid, err)
		}
		if err := g.remove(); err != nil { // kills it, too
			t.Error(err)
		}
		if got := p.death(); !strings.HasPrefix(got, "It was ended by signal 9 (killed), ") {
			t.Error(got)
		}
		return
	}
}
