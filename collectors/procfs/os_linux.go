package procfs

import (
	"time"

	"golang.org/x/sys/unix"
)

// processCPU is the CPU time that all threads of a process have used, those that ended included. It is the process's
// own clock (clock_getcpuclockid(3)), exact to the scheduler's tick at worst, where /proc/PID/stat is cut to 10 ms.
func processCPU(pid int) (time.Duration, bool) {
	const perProcessSched = 2 // CPUCLOCK_SCHED of a whole process, in the kernel's posix-timers
	return clock(int32(^pid<<3 | perProcessSched))
}

// threadCPU is the CPU time of the calling thread.
func threadCPU() (time.Duration, bool) { return clock(unix.CLOCK_THREAD_CPUTIME_ID) }

func clock(id int32) (time.Duration, bool) {
	var t unix.Timespec
	if err := unix.ClockGettime(id, &t); err != nil {
		return 0, false
	}
	return time.Duration(t.Nano()), true
}

// affinity is the number of CPUs that a process may run on; 0: not known.
func affinity(pid int) int {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(pid, &set); err != nil {
		return 0
	}
	return set.Count()
}
