package procfs

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	prom "github.com/prometheus/procfs"
)

// host is this machine: its /proc, and where its cgroup hierarchies are mounted.
type host struct {
	root    string
	proc    string
	real    bool // the machine itself, not files of a test
	fs      prom.FS
	mounts  []*prom.MountInfo
	loadavg *file
}

func openHost(root string) (*host, error) {
	h := &host{root: root, proc: filepath.Join(root, "proc"), real: root == "/"}
	fs, err := prom.NewFS(h.proc)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", h.proc, err)
	}
	h.fs = fs
	self, err := fs.Self()
	if err != nil {
		return nil, fmt.Errorf("reading %s/self: %w", h.proc, err)
	}
	// Without mounts there are no cgroups, and processes are summed up.
	h.mounts, _ = self.MountInfo()
	h.loadavg = tryOpen(filepath.Join(h.proc, "loadavg"))
	return h, nil
}

// sample does nothing: what a host holds is read by the other sources. It is a source in order to be closed.
func (h *host) sample() {}

func (h *host) close() { h.loadavg.close() }

// ownPID is this process, in a /proc of its own: 0 in the files of a test.
func ownPID(root string) int {
	if root != "/" {
		return 0
	}
	return os.Getpid()
}

// newestPID is the last PID or TID that the kernel gave out: the last field of loadavg.
func (h *host) newestPID() (int64, bool) {
	b, ok := h.loadavg.read()
	if !ok {
		return 0, false
	}
	b = bytes.TrimSpace(b)
	v, err := strconv.ParseInt(string(b[bytes.LastIndexByte(b, ' ')+1:]), 10, 64)
	return v, err == nil
}

// load1 is the load average over one minute.
func (h *host) load1() (float64, bool) {
	b, ok := h.loadavg.read()
	if !ok {
		return 0, false
	}
	word, _ := nextField(b)
	return parseNumber(word)
}

// children lists the children of all threads of a process.
func (h *host) children(pid int) []int {
	tasks := filepath.Join(h.proc, strconv.Itoa(pid), "task")
	d, err := os.Open(tasks)
	if err != nil {
		return nil
	}
	defer d.Close()
	threads, err := d.Readdirnames(-1)
	if err != nil {
		return nil
	}
	var pids []int
	for _, t := range threads {
		b, err := os.ReadFile(filepath.Join(tasks, t, "children"))
		if err != nil {
			continue // the thread ended
		}
		for _, word := range bytes.Fields(b) {
			if pid, err := strconv.Atoi(string(word)); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}
