package procfs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	prom "github.com/prometheus/procfs"
)

// cgroup is the cgroup of a process, in one hierarchy (v2) or in one for each controller (v1). A file that is not there
// is not read.
type cgroup struct {
	version  string // cgroup_v1 or cgroup_v2
	cpu      *file  // v1 cpuacct.usage, v2 cpu.stat
	memory   *file  // v1 memory.usage_in_bytes, v2 memory.current
	memStat  *file
	throttle *file // cpu.stat
	quota    float64
}

// openCgroup opens the cgroup of a process that is named like own, the base of the cgroup that it has for itself: its
// path may differ from hierarchy to hierarchy, its name doesn't. Where own is "", CPU and memory are not the process's
// alone and are left out, and only the throttling of the cgroup around it is read.
func (h *host) openCgroup(pid int, own string) *cgroup {
	p, err := h.fs.Proc(pid)
	if err != nil {
		return nil
	}
	paths, err := p.Cgroups()
	if err != nil {
		return nil
	}
	g := &cgroup{}
	for _, path := range paths {
		v2 := len(path.Controllers) == 0
		dir := h.cgroupDir(path, v2)
		switch {
		case dir == "":
		case !v2:
			g.openV1(dir, cutAt(dir, own), path.Controllers)
		case g.version == "": // the v2 hierarchy comes last, and beside v1 it has no controllers
			g.openV2(dir, cutAt(dir, own))
		}
	}
	if g.cpu == nil && g.memory == nil && g.throttle == nil {
		return nil
	}
	return g
}

func (g *cgroup) openV2(dir, own string) {
	if own != "" {
		if g.memory = tryOpen(filepath.Join(own, "memory.current")); g.memory != nil {
			g.memStat = tryOpen(filepath.Join(own, "memory.stat"))
		}
		g.cpu = tryOpen(filepath.Join(own, "cpu.stat"))
		dir = own
	}
	g.version = "cgroup_v2"
	g.throttle = tryOpen(filepath.Join(dir, "cpu.stat"))
	if b, err := os.ReadFile(filepath.Join(dir, "cpu.max")); err == nil {
		if f := strings.Fields(string(b)); len(f) == 2 {
			g.quota = quotient(f[0], f[1])
		}
	}
}

func (g *cgroup) openV1(dir, own string, controllers []string) {
	if slices.ContainsFunc(controllers, func(c string) bool { return c == "cpu" || c == "cpuacct" || c == "memory" }) {
		g.version = "cgroup_v1"
	}
	if slices.Contains(controllers, "cpuacct") && own != "" {
		g.cpu = tryOpen(filepath.Join(own, "cpuacct.usage"))
	}
	if slices.Contains(controllers, "memory") && own != "" {
		g.memory = tryOpen(filepath.Join(own, "memory.usage_in_bytes"))
		g.memStat = tryOpen(filepath.Join(own, "memory.stat"))
	}
	if slices.Contains(controllers, "cpu") {
		if own != "" {
			dir = own
		}
		g.throttle = tryOpen(filepath.Join(dir, "cpu.stat"))
		quota, _ := os.ReadFile(filepath.Join(dir, "cpu.cfs_quota_us"))
		period, _ := os.ReadFile(filepath.Join(dir, "cpu.cfs_period_us"))
		g.quota = quotient(strings.TrimSpace(string(quota)), strings.TrimSpace(string(period)))
	}
}

// quotient is quota by period in cores; 0 where there is no quota ("max" in v2, -1 in v1).
func quotient(quota, period string) float64 {
	q, ok := parseNumber([]byte(quota))
	p, ok2 := parseNumber([]byte(period))
	if !ok || !ok2 || q <= 0 || p <= 0 {
		return 0
	}
	return q / p
}

// cgroupDir is where a process's place in a hierarchy is mounted; "": it is not.
func (h *host) cgroupDir(g prom.Cgroup, v2 bool) string {
	for _, m := range h.mounts {
		switch {
		case v2 && m.FSType != "cgroup2":
			continue
		case !v2 && m.FSType != "cgroup":
			continue
		}
		if !v2 {
			if _, ok := m.SuperOptions[g.Controllers[0]]; !ok {
				continue
			}
		}
		// In a container without a cgroup namespace only its own part of the hierarchy is mounted.
		rel := g.Path
		if m.Root != "/" {
			if rel != m.Root && !strings.HasPrefix(rel, m.Root+"/") {
				continue
			}
			rel = strings.TrimPrefix(rel, m.Root)
		}
		return filepath.Join(h.root, m.MountPoint, rel)
	}
	return ""
}

// cutAt cuts a path after the element name; "": there is none.
func cutAt(path, name string) string {
	if name == "" {
		return ""
	}
	for dir := path; len(dir) > 1; dir = filepath.Dir(dir) {
		if filepath.Base(dir) == name {
			return dir
		}
	}
	return ""
}

// cpuSeconds is the CPU time used by all that ever ran in the cgroup.
func (g *cgroup) cpuSeconds() (float64, bool) {
	if g == nil || g.cpu == nil {
		return 0, false
	}
	if g.version == "cgroup_v1" {
		ns, ok := g.cpu.number()
		return ns / 1e9, ok
	}
	b, ok := g.cpu.read()
	if !ok {
		return 0, false
	}
	us, ok := valueOf(b, "usage_usec")
	return us / 1e6, ok
}

// memoryBytes is the anonymous memory and the working set: usage less the file pages that were not used lately.
func (g *cgroup) memoryBytes() (rss, workingSet float64, ok bool) {
	if g == nil {
		return 0, 0, false
	}
	usage, ok := g.memory.number()
	if !ok {
		return 0, 0, false
	}
	b, ok := g.memStat.read()
	if !ok {
		return 0, 0, false
	}
	anon, inactive := "anon", "inactive_file"
	if g.version == "cgroup_v1" {
		anon, inactive = "total_rss", "total_inactive_file"
	}
	rss, ok = valueOf(b, anon)
	idle, ok2 := valueOf(b, inactive)
	return rss, max(0, usage-idle), ok && ok2
}

// throttled tells how long and in how many of its periods the quota stopped the cgroup; false: it has no quota to
// tell of.
func (g *cgroup) throttled() (seconds, throttled, periods float64, ok bool) {
	if g == nil {
		return 0, 0, 0, false
	}
	b, ok := g.throttle.read()
	if !ok {
		return 0, 0, 0, false
	}
	periods, ok = valueOf(b, "nr_periods")
	throttled, ok2 := valueOf(b, "nr_throttled")
	key, unit := "throttled_usec", 1e6
	if g.version == "cgroup_v1" {
		key, unit = "throttled_time", 1e9
	}
	stopped, ok3 := valueOf(b, key)
	return stopped / unit, throttled, periods, ok && ok2 && ok3
}

func (g *cgroup) close() {
	if g == nil {
		return
	}
	for _, f := range []*file{g.cpu, g.memory, g.memStat, g.throttle} {
		f.close()
	}
}
