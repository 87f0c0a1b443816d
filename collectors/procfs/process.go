package procfs

import (
	"fmt"
	"path/filepath"
	"time"
)

// processSource samples one Process: by its cgroup where it has one to itself, else by its tree of processes.
type processSource struct {
	rec  *recorder
	tree *tree
	cg   *cgroup

	cpuRate   rate
	cpuTotal  counter
	stopTotal counter
	periods   float64
	throttled float64

	cores, cpu, limit, rss, workingSet, stopped, stopRatio, threads, fds *series

	cgCPU, cgMemory bool
	cpuLimit        float64
}

func newProcessSource(h *host, p Process, o Options, rec *recorder, n *networkProof) *processSource {
	exclude := map[int]bool{}
	for _, other := range o.Processes {
		if p.Target == TargetClient && other.PID != p.PID { // a runtime starts no other runtime, and no client
			exclude[other.PID] = true
		}
	}
	s := &processSource{rec: rec, tree: newTree(h, p.PID, exclude), cpuRate: rate{least: o.Every / 2}}
	if len(s.tree.members) == 0 {
		o.Note(fmt.Sprintf("The resources of the %s are not known: no process %d is there.", naming(p), p.PID))
		return s
	}
	own := ""
	if p.Cgroup != "" {
		own = filepath.Base(p.Cgroup)
	}
	s.cg = h.openCgroup(p.PID, own)
	_, s.cgCPU = s.cg.cpuSeconds()
	_, _, s.cgMemory = s.cg.memoryBytes()
	if p.Cgroup != "" && (!s.cgCPU || !s.cgMemory) {
		o.Note(fmt.Sprintf("The cgroup %s of the %s does not tell its CPU time and memory both: what it does not tell is summed over its processes.", p.Cgroup, naming(p)))
	}
	s.cpuLimit = cpuLimit(h, p.PID, s.cg)
	s.name(p)
	if p.Target == TargetRuntime {
		n.watch(h, p)
	}
	return s
}

// name makes the series, with the source of each.
func (s *processSource) name(p Process) {
	cpuSource, memSource, setSource, version := "process_tree", "process_tree", "process_tree_rss", ""
	if s.cg != nil {
		version = s.cg.version
	}
	if s.cgCPU {
		cpuSource = version
	}
	if s.cgMemory {
		memSource, setSource = version, version
	}
	of := func(name, source string) *series { return s.rec.series(name, p.Target, p.TargetID, source) }
	s.cores = of(SeriesCPUCores, cpuSource)
	s.cpu = of(SeriesCPUSeconds, cpuSource)
	s.limit = of(SeriesCPULimit, "quota_and_affinity")
	s.rss = of(SeriesMemoryRSS, memSource)
	s.workingSet = of(SeriesMemoryWorkingSet, setSource)
	s.stopped = of(SeriesThrottledSeconds, version)
	s.stopRatio = of(SeriesThrottledRatio, version)
	s.threads = of(SeriesThreads, "process_tree")
	s.fds = of(SeriesOpenFDs, "process_tree")
}

// naming is a process in a sentence.
func naming(p Process) string {
	if p.TargetID == "" {
		return p.Target
	}
	return p.Target + " " + p.TargetID
}

func (s *processSource) sample() {
	at := time.Now()
	u, alive := s.tree.read()
	if !alive {
		return
	}
	if s.cpuLimit > 0 && !s.limit.known {
		s.rec.add(s.limit, at, s.cpuLimit)
	}
	s.sampleCPU(at, u)
	s.sampleMemory(at, u)
	s.sampleThrottling(at)
	s.rec.add(s.threads, at, u.threads)
	if u.fdsKnown {
		s.rec.add(s.fds, at, u.openFDs)
	}
}

func (s *processSource) sampleCPU(at time.Time, u usage) {
	seconds, ok := u.cpu.Seconds(), true
	if s.cgCPU {
		at = time.Now()
		seconds, ok = s.cg.cpuSeconds()
	}
	if !ok {
		return
	}
	total := s.cpuTotal.next(seconds)
	s.rec.add(s.cpu, at, total)
	if cores, ok := s.cpuRate.next(at, total); ok {
		s.rec.add(s.cores, at, cores)
	}
}

func (s *processSource) sampleMemory(at time.Time, u usage) {
	rss, workingSet, ok := u.rssBytes, u.rssBytes, true
	if s.cgMemory {
		rss, workingSet, ok = s.cg.memoryBytes()
	}
	if ok {
		s.rec.add(s.rss, at, rss)
		s.rec.add(s.workingSet, at, workingSet)
	}
}

func (s *processSource) sampleThrottling(at time.Time) {
	seconds, throttled, periods, ok := s.cg.throttled()
	if !ok {
		return
	}
	first := !s.stopped.known
	s.rec.add(s.stopped, at, s.stopTotal.next(seconds))
	if passed := periods - s.periods; !first && passed > 0 {
		s.rec.add(s.stopRatio, at, min(1, max(0, throttled-s.throttled)/passed))
	}
	s.periods, s.throttled = periods, throttled
}

func (s *processSource) close() {
	s.tree.close()
	s.cg.close()
}

// cpuLimit is the most cores that a process may use; 0: not known.
func cpuLimit(h *host, pid int, g *cgroup) float64 {
	limit := 0.0
	if h.real {
		limit = float64(affinity(pid))
	}
	if g != nil && g.quota > 0 && (limit == 0 || g.quota < limit) {
		limit = g.quota
	}
	return limit
}
