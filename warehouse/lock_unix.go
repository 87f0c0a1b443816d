//go:build unix

package warehouse

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// lock says that a process works on an apply; the kernel takes it back when the process dies.
type lock struct {
	file *os.File
}

// ErrBusy means that another process works on the apply.
var ErrBusy = errors.New("it is under way")

func takeLock(path string) (*lock, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, ErrBusy
		}
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return &lock{f}, nil
}

// release gives the lock back; once is enough, twice does no harm.
func (l *lock) release() error {
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err
}

// freeBytes is the room on the disk that holds path.
func freeBytes(path string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return 0, err
	}
	return int64(s.Bavail) * int64(s.Bsize), nil //nolint:unconvert // the type differs between systems
}

func noSpace(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }
