package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/llmscen/llmscen/runner"
)

// Leftovers are those of the processes in a journal of which something is left: the process itself (not another that
// got its number), its cgroup, or its container.
func Leftovers(started []runner.Entry) []runner.Entry {
	var left []runner.Entry
	for _, e := range started {
		if alive(e) || len(cgroupsLeft(e)) > 0 || containerOf(e).exists() {
			left = append(left, e)
		}
	}
	return left
}

// Kill ends what is left of a process, its descendants, its cgroup and its container, and returns when it is gone.
func Kill(e runner.Entry) error {
	const tries = 500 // of 10 ms
	for i := 0; alive(e); i++ {
		if i == tries {
			return fmt.Errorf("killing process %d: it does not end", e.PID)
		}
		for _, pid := range append(descendants(e.PID), e.PID) {
			if err := syscall.Kill(pid, syscall.SIGKILL); errors.Is(err, syscall.EPERM) {
				return fmt.Errorf("killing process %d: %w", pid, err)
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	return errors.Join(containerOf(e).remove(), removeCgroups(cgroupsLeft(e)))
}

func alive(e runner.Entry) bool {
	start := startTime(e.PID)
	return e.PID > 1 && start != 0 && start == e.StartTime
}

// cgroupsLeft are the folders of an entry's cgroup that are there. A journal is a file that might have been written to:
// only folders with a name of ours count.
func cgroupsLeft(e runner.Entry) []string {
	return slices.DeleteFunc(filepath.SplitList(e.Cgroup), func(dir string) bool {
		ours, _ := filepath.Match("llmscen-*", filepath.Base(dir))
		_, err := os.Stat(dir)
		return !ours || err != nil
	})
}
