package warehouse

import (
	"github.com/landlock-lsm/go-landlock/landlock"
	"golang.org/x/sys/unix"
)

// confine is the second wall as far as the kernel builds it: this process can read the warehouse and write its temporary
// files, open no connection, and grow only so far. Where the kernel lacks Landlock, DuckDB's own settings stand alone.
func confine(r sandboxRequest) error {
	err := landlock.V5.BestEffort().Restrict(
		landlock.RODirs(r.Dir).IgnoreIfMissing(),
		// DuckDB asks how much memory there is when it opens.
		landlock.ROFiles("/proc/self/cgroup", "/proc/meminfo").IgnoreIfMissing(),
		landlock.RODirs("/sys/fs/cgroup").IgnoreIfMissing(),
		landlock.RWDirs(r.Temp),
	)
	if err != nil {
		return err
	}
	// What DuckDB does not count, and this program itself, have a part of the memory as well.
	most := uint64(r.Limits.Memory) + 1<<30
	if err := unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: most, Max: most}); err != nil {
		return err
	}
	return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
}
