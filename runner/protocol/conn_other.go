//go:build !linux

package protocol

import (
	"errors"
	"io"
	"net"
)

// receiver would read the kernel's stamps; only Linux gives them.
type receiver struct{}

func newReceiver(net.Conn) *receiver { return nil }

func keepStamps() io.Closer { return nil }

func (*receiver) read([]byte) (n int, stamp int64, err error) { return 0, 0, errors.ErrUnsupported }
