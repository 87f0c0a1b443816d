package local

import (
	"bytes"
	"fmt"
	"os"
	"sync"
	"time"
)

const (
	workersLook = 100 * time.Millisecond
	mostCommand = 200 // bytes of a command that is told
)

// workers are the processes by which a server serves its models. The end of one ends the requests that it worked on, while
// the server lives on and starts another: nothing else says why they failed, and why the next one had to wait.
type workers struct {
	server int

	mu    sync.Mutex
	known []worker // nil: to be looked for
}

type worker struct {
	pid     int
	started uint64
	command string
}

// find looks for them, where they are not known.
func (w *workers) find() {
	if w.known != nil {
		return
	}
	for _, pid := range descendants(w.server) {
		if started := startTime(pid); started != 0 {
			w.known = append(w.known, worker{pid, started, commandOf(pid)})
		}
	}
}

// ended is one of them that has ended, if the server lives on; all are looked for anew then.
func (w *workers) ended() (worker, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, one := range w.known {
		if startTime(one.pid) != one.started {
			w.known = nil
			return one, startTime(w.server) != 0
		}
	}
	w.find()
	return worker{}, false
}

// around does what ends workers because we want it.
func (w *workers) around(do func() error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.known = nil
	defer w.find()
	return do()
}

// watchWorkers tells when a worker ends that nobody asked to, until the server's end. What the kernel killed for lack of
// memory is told by watchMemory.
func (u *unit) watchWorkers(findings chan<- string) {
	tick := time.NewTicker(workersLook)
	defer tick.Stop()
	for kills := u.cgroup.memoryKills(); ; {
		select {
		case <-u.process.done:
			return
		case <-tick.C:
		}
		gone, ended := u.workers.ended()
		if !ended || u.process.asked.Load() {
			continue
		}
		if n := u.cgroup.memoryKills(); n > kills {
			kills = n
			continue
		}
		select {
		case findings <- fmt.Sprintf("process %d of the runtime, which lives on, ended: %s", gone.pid, gone.command):
		default: // nobody listens
		}
	}
}

// commandOf is the command line of a process; "" where it is gone.
func commandOf(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return ""
	}
	text = bytes.TrimSpace(bytes.ReplaceAll(text, []byte{0}, []byte{' '}))
	return string(text[:min(len(text), mostCommand)])
}
