package warehouse

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// allocate makes the file take n bytes of the disk.
func allocate(f *os.File, n int64) error {
	err := error(unix.EINTR)
	for err == unix.EINTR { //nolint:errorlint // it comes as it is
		err = unix.Fallocate(int(f.Fd()), 0, 0, n)
	}
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return writeNoise(f, n)
	}
	return err
}
