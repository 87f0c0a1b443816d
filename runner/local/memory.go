package local

import (
	"fmt"
	"time"
)

const (
	memoryLook  = 500 * time.Millisecond
	memoryGrace = time.Second
)

// watchMemory tells when the kernel kills a child of a server for lack of memory and the server lives on, as Ollama
// does when its runner is killed: nothing else says why requests fail then. It ends with the process.
func (u *unit) watchMemory(findings chan<- string) {
	if u.cgroup == nil {
		return // the kernel counts kills by cgroup only
	}
	tick := time.NewTicker(memoryLook)
	defer tick.Stop()
	seen := u.cgroup.memoryKills()
	for {
		select {
		case <-u.process.done:
			return
		case <-tick.C:
		}
		n := u.cgroup.memoryKills()
		if n <= seen {
			continue
		}
		timer := time.NewTimer(memoryGrace)
		select {
		case <-u.process.done: // it was the server itself, or all that it is: its death is told
			timer.Stop()
			return
		case <-timer.C:
		}
		select {
		case findings <- childKilled(n-seen, u.cgroup.killedForMemory()):
		default: // nobody listens
		}
		seen = n
	}
}

func childKilled(n int64, how string) string {
	if n == 1 {
		return fmt.Sprintf("a process of the runtime, which lives on, %s.", how)
	}
	return fmt.Sprintf("%d processes of the runtime, which lives on, died: the last one %s.", n, how)
}
