package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// cgroup is a cgroup that we made: one folder, or with version 1 one in each hierarchy, all of the same name. Its
// methods may be called on nil, which is no cgroup.
type cgroup struct {
	V2   bool
	Dirs []string
	// Homes are the folders that our own process is in, of each of Dirs.
	Homes  []string
	Memory string // the folder of Dirs that counts memory; "": none does

	limits limits
	lost   []string // what could not be had, a clause each
	fd     *os.File // version 2, while a child is born
}

const cpuPeriod = 100 * time.Millisecond // the kernel's default

// wanted are the controllers of version 1 that are used.
var wanted = []string{"cpu", "cpuacct", "cpuset", "memory"}

// newCgroup makes a cgroup below our own (with version 2 as near to it as controllers can be had) and sets its limits.
func newCgroup(name string, l limits) (*cgroup, error) {
	all, err := hierarchies()
	if err != nil {
		return nil, err
	}
	var v1 []hierarchy
	var v2 *hierarchy
	for _, h := range all {
		switch {
		case h.v2:
			v2 = &h
		case slices.ContainsFunc(h.controllers, func(c string) bool { return slices.Contains(wanted, c) }):
			v1 = append(v1, h)
		}
	}
	switch {
	case len(v1) > 0:
		return newCgroupV1(name, l, v1)
	case v2 != nil:
		return newCgroupV2(name, l, *v2)
	default:
		return nil, errors.New("no cgroup hierarchy is mounted")
	}
}

func newCgroupV1(name string, l limits, all []hierarchy) (*cgroup, error) {
	g := &cgroup{limits: l}
	for _, h := range all {
		dir := filepath.Join(h.own, name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			return nil, errors.Join(err, g.remove())
		}
		g.Dirs, g.Homes = append(g.Dirs, dir), append(g.Homes, h.own)
		if slices.Contains(h.controllers, "memory") {
			g.Memory = dir
		}
		if err := g.limitV1(h, dir); err != nil {
			return nil, errors.Join(err, g.remove())
		}
	}
	return g, nil
}

func (g *cgroup) limitV1(h hierarchy, dir string) error {
	has := func(c string) bool { return slices.Contains(h.controllers, c) }
	if has("cpuset") { // it takes no process before both are set
		for _, file := range []string{"cpuset.mems", "cpuset.cpus"} {
			value, err := os.ReadFile(filepath.Join(h.own, file))
			if err != nil {
				return err
			}
			if file == "cpuset.cpus" && len(g.limits.pinned) > 0 {
				value = []byte(cpuList(g.limits.pinned))
			}
			if err := writeControl(dir, file, strings.TrimSpace(string(value))); err != nil {
				return err
			}
		}
	}
	if has("cpu") && g.limits.quota() > 0 {
		if err := writeControl(dir, "cpu.cfs_period_us", strconv.FormatInt(cpuPeriod.Microseconds(), 10)); err != nil {
			return err
		}
		if err := writeControl(dir, "cpu.cfs_quota_us", strconv.FormatInt(g.limits.quota(), 10)); err != nil {
			return err
		}
	}
	if has("memory") && g.limits.memory > 0 {
		limit := strconv.FormatInt(int64(g.limits.memory), 10)
		if err := writeControl(dir, "memory.limit_in_bytes", limit); err != nil {
			return err
		}
		// Memory and swap together, where the kernel counts swap.
		if err := writeControl(dir, "memory.memsw.limit_in_bytes", limit); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// newCgroupV2 looks for a place from our own cgroup upwards: a cgroup that has processes gives no controllers to its
// children, so that a sibling of ours is often the nearest. Where no place has them, the plain cgroup that is left still
// counts CPU time and can be killed as one.
func newCgroupV2(name string, l limits, h hierarchy) (*cgroup, error) {
	var first error
	for parent := h.own; ; parent = filepath.Dir(parent) {
		g, err := cgroupV2In(parent, name, l, h)
		if err == nil && len(g.lost) == 0 {
			return g, nil
		}
		if err == nil {
			err = errors.Join(errors.New(strings.Join(g.lost, "; ")), g.remove())
		}
		if first == nil {
			first = err
		}
		if parent == h.mount || !strings.HasPrefix(parent, h.mount) {
			break
		}
	}
	g, err := cgroupV2In(h.own, name, l, h)
	if err != nil {
		return nil, first
	}
	return g, nil
}

func cgroupV2In(parent, name string, l limits, h hierarchy) (*cgroup, error) {
	for _, controller := range []string{"+cpu", "+memory", "+cpuset"} {
		_ = writeControl(parent, "cgroup.subtree_control", controller) // what came of it is seen below
	}
	dir := filepath.Join(parent, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	g := &cgroup{V2: true, Dirs: []string{dir}, Homes: []string{h.own}, limits: l}
	set := func(what, file, value string) {
		if err := writeControl(dir, file, value); err != nil {
			g.lost = append(g.lost, fmt.Sprintf("%s (%v)", what, err))
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "memory.current")); err == nil {
		g.Memory = dir
	} else {
		g.lost = append(g.lost, "its memory is counted over its processes")
	}
	if len(l.pinned) > 0 {
		set("it is not limited to CPUs of its own", "cpuset.cpus", cpuList(l.pinned))
	}
	if q := l.quota(); q > 0 {
		set(fmt.Sprintf("its limit of %g CPUs does not hold", l.cpus), "cpu.max", fmt.Sprintf("%d %d", q, cpuPeriod.Microseconds()))
	}
	if l.memory > 0 {
		set(fmt.Sprintf("its limit of %s does not hold", l.memory), "memory.max", strconv.FormatInt(int64(l.memory), 10))
		_ = writeControl(dir, "memory.swap.max", "0") // a kernel without swap accounting has none
	}
	return g, nil
}

// quota is the CPU time in µs of a period; 0: none is needed.
func (l limits) quota() int64 {
	if l.cpus <= 0 || len(l.pinned) > 0 {
		return 0
	}
	return max(int64(l.cpus*float64(cpuPeriod.Microseconds())), 1000) // the kernel takes no less
}

func cpuList(cpus []int) string {
	var b []string
	for _, c := range cpus {
		b = append(b, strconv.Itoa(c))
	}
	return strings.Join(b, ",")
}

// folder is the one that is told as the cgroup's.
func (g *cgroup) folder() string {
	if g.Memory != "" {
		return g.Memory
	}
	return g.Dirs[0]
}

// journalled is all folders in one text.
func (g *cgroup) journalled() string { return strings.Join(g.Dirs, string(os.PathListSeparator)) }

// enter makes the next child of this thread be born in the cgroup; leave undoes it. With version 2 the kernel does it
// at the fork; with version 1 the thread itself goes in, and what it forks is where it is.
func (g *cgroup) enter(a *syscall.SysProcAttr) error {
	if g == nil {
		return nil
	}
	if g.V2 {
		f, err := os.Open(g.Dirs[0])
		if err != nil {
			return err
		}
		g.fd = f
		a.UseCgroupFD, a.CgroupFD = true, int(f.Fd())
		return nil
	}
	tid := strconv.Itoa(unix.Gettid())
	for _, dir := range g.Dirs {
		if err := writeControl(dir, "tasks", tid); err != nil {
			g.leave()
			return fmt.Errorf("entering the cgroup %s: %w", dir, err)
		}
	}
	return nil
}

func (g *cgroup) leave() {
	switch {
	case g == nil:
	case g.V2:
		_ = g.fd.Close()
	default:
		tid := strconv.Itoa(unix.Gettid())
		for _, home := range g.Homes {
			_ = writeControl(home, "tasks", tid) // the thread ends soon, wherever it is
		}
	}
}

// memoryKills is how many processes in the cgroup the kernel has killed for lack of memory.
func (g *cgroup) memoryKills() int64 {
	if g == nil || g.Memory == "" {
		return 0
	}
	events := "memory.oom_control"
	if g.V2 {
		events = "memory.events"
	}
	n, _ := control(g.Memory, events, "oom_kill") // a kernel that does not count them can't tell
	return n
}

// killedForMemory says that the kernel killed something in the cgroup for lack of memory, as a predicate; "": it didn't.
func (g *cgroup) killedForMemory() string {
	if g.memoryKills() == 0 {
		return ""
	}
	peak := "memory.max_usage_in_bytes"
	if g.V2 {
		peak = "memory.peak"
	}
	used := ""
	if n, err := control(g.Memory, peak, ""); err == nil {
		used = fmt.Sprintf(" (it had used up to %.1f MiB)", float64(n)/(1<<20))
	}
	if g.limits.memory == 0 {
		return "was killed by the kernel for lack of memory" + used
	}
	return fmt.Sprintf("was killed by the kernel at its memory limit of %s%s", g.limits.memory, used)
}

// control reads a number from a control file: the one behind a key, or the only one.
func control(dir, file, key string) (int64, error) {
	text, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return 0, err
	}
	if key == "" {
		return strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, key+" "); ok {
			return strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		}
	}
	return 0, fmt.Errorf("%s has no %s", file, key)
}

// remove kills what is left in the cgroup and removes it.
func (g *cgroup) remove() error {
	if g == nil {
		return nil
	}
	return removeCgroups(g.Dirs)
}

// removeCgroups kills what is in cgroups and removes their folders; those that are gone are no error.
func removeCgroups(dirs []string) error {
	var failed error
	for _, dir := range dirs {
		failed = errors.Join(failed, removeCgroup(dir))
	}
	return failed
}

func removeCgroup(dir string) error {
	const tries = 200 // of 10 ms: a killed process stays until it has given back its memory
	var err error
	for range tries {
		if err = os.Remove(dir); err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if writeControl(dir, "cgroup.kill", "1") != nil { // version 2, since Linux 5.14
			text, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs")) // gone is as good as empty
			for line := range strings.Lines(string(text)) {
				if pid, err := strconv.Atoi(strings.TrimSpace(line)); err == nil && pid > 0 {
					_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended by itself
				}
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("removing a cgroup: %w", err)
}
