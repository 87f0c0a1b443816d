//go:build !linux

package procfs

import (
	"errors"
	"time"
)

func processCPU(int) (time.Duration, bool) { return 0, false }

func threadCPU() (time.Duration, bool) { return 0, false }

func affinity(int) int { return 0 }

// tcpSockets are the kernel's counts of the sockets of a port, which only Linux tells.
type tcpSockets struct{}

func openTCPSockets(int) (*tcpSockets, error) {
	return nil, errors.New("socket statistics are read on Linux only")
}

func (*tcpSockets) read(bool) (received, sent float64, err error) { return 0, 0, errors.ErrUnsupported }

func (*tcpSockets) close() {}
