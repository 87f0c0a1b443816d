package local

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

func processAttributes(b birth) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: b.orphaned}
}

// becomeSubreaper makes orphans among our descendants our children.
func becomeSubreaper() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("becoming a subreaper: %w", err)
	}
	return nil
}

// allowedCPUs are the CPUs that we may run on, the lowest first.
func allowedCPUs() []int {
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) != nil {
		return nil
	}
	var cpus []int
	for cpu := range 8 * len(set) * 8 {
		if set.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	return cpus
}

// procStat is what we need of /proc/PID/stat, see proc_pid_stat(5).
type procStat struct {
	state     byte
	parent    int
	startTime uint64 // clock ticks since boot
}

func readStat(pid int) (procStat, bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return procStat{}, false
	}
	// The name stands in brackets and may have any character: what follows the last bracket counts from field 3.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 20 {
		return procStat{}, false
	}
	parent, _ := strconv.Atoi(string(fields[1]))
	start, err := strconv.ParseUint(string(fields[19]), 10, 64)
	return procStat{state: fields[0][0], parent: parent, startTime: start}, err == nil
}

// startTime tells a process from another that got its number later; 0: it is not there.
func startTime(pid int) uint64 {
	s, ok := readStat(pid)
	if !ok || s.state == 'Z' {
		return 0
	}
	return s.startTime
}

// descendants are the processes below one, itself left out.
func descendants(pid int) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	children := map[int][]int{}
	for _, e := range entries {
		if child, err := strconv.Atoi(e.Name()); err == nil {
			if s, ok := readStat(child); ok {
				children[s.parent] = append(children[s.parent], child)
			}
		}
	}
	var found []int
	for next := children[pid]; len(next) > 0; next = next[1:] {
		found = append(found, next[0])
		next = append(next, children[next[0]]...)
	}
	return found
}

// reapOrphans waits for those of our children that have ended, all but one, which has its own waiter.
func reapOrphans(except int) {
	for _, pid := range descendants(os.Getpid()) {
		if s, ok := readStat(pid); ok && s.state == 'Z' && s.parent == os.Getpid() && pid != except {
			_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
		}
	}
}
