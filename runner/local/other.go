//go:build !linux

package local

import (
	"errors"
	"syscall"
)

// Only Linux has cgroups, death signals of parents and subreapers: elsewhere a process that loses its parent is ended
// by the end of its standard input alone, and limits do not hold, which a start says.

func processAttributes(birth) *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func becomeSubreaper() error { return nil }

func reapOrphans(int) {}

func allowedCPUs() []int { return nil }

func startTime(int) uint64 { return 0 }

func descendants(int) []int { return nil }

type cgroup struct{ lost []string }

func newCgroup(string, limits) (*cgroup, error) {
	return nil, errors.New("this system has no cgroups")
}

func (*cgroup) folder() string { return "" }

func (*cgroup) journalled() string { return "" }

func (*cgroup) enter(*syscall.SysProcAttr) error { return nil }

func (*cgroup) leave() {}

func (*cgroup) killedForMemory() string { return "" }

func (*cgroup) memoryKills() int64 { return 0 }

func cgroupOf(int) string { return "" }

func (*cgroup) remove() error { return nil }

func removeCgroups([]string) error { return nil }
