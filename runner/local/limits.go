package local

import (
	"fmt"
	"slices"

	"github.com/llmscen/llmscen/runner"
	"github.com/llmscen/llmscen/scenarios"
)

// limitsOf is the smaller of what the runtime and its pool allow.
func limitsOf(dep runner.Deployment) limits {
	l := limits{cpus: dep.Runtime.Resources.CPUs, memory: dep.Runtime.Resources.Memory}
	if p := dep.NodePool; p != nil {
		if p.CPUs > 0 && (l.cpus == 0 || p.CPUs < l.cpus) {
			l.cpus = p.CPUs
		}
		if p.Memory > 0 && (l.memory == 0 || p.Memory < l.memory) {
			l.memory = p.Memory
		}
	}
	return l
}

// limits of a cgroup; zero is none.
type limits struct {
	cpus   float64
	memory scenarios.Bytes
	pinned []int // CPUs; empty: a quota limits, not a set
}

// pin gives whole CPUs as a set of their own, where there are enough that are not taken: a set never throttles, so that
// a process that may use one CPU is slow for lack of CPU and not for a quota that ran out. The highest numbers come
// first, as interrupts are often served by the lowest.
func (l *limits) pin(taken []int) {
	if l.cpus < 1 || l.cpus != float64(int(l.cpus)) {
		return
	}
	var free []int
	for _, cpu := range slices.Backward(allowedCPUs()) {
		if !slices.Contains(taken, cpu) {
			free = append(free, cpu)
		}
	}
	if n := int(l.cpus); n <= len(free) {
		l.pinned = free[:n]
		slices.Sort(l.pinned)
	}
}

// lost says which limits do not hold without a cgroup.
func (l limits) lost() string {
	switch {
	case l.cpus > 0 && l.memory > 0:
		return fmt.Sprintf("its limits of %g CPUs and %s do not hold, ", l.cpus, l.memory)
	case l.cpus > 0:
		return fmt.Sprintf("its limit of %g CPUs does not hold, ", l.cpus)
	case l.memory > 0:
		return fmt.Sprintf("its limit of %s does not hold, ", l.memory)
	default:
		return ""
	}
}
