package protocol

import (
	"encoding/binary"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// receiver reads a socket by recvmsg, which hands out the kernel's stamp of the last byte: SO_TIMESTAMPNS_NEW, two
// 64-bit numbers, seconds and nanoseconds, on every architecture (since Linux 5.1: linux/time_types.h).
type receiver struct {
	raw    syscall.RawConn
	remote net.Addr

	mu      sync.Mutex
	receive func(fd uintptr) bool // r.recvmsg, bound once: a closure a read would be garbage for each token
	p       []byte
	control [64]byte
	part    unix.Iovec
	message unix.Msghdr
	n       int
	err     error
}

// newReceiver asks the kernel for stamps; nil where it has none to give.
func newReceiver(c net.Conn) *receiver {
	socket, ok := c.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil
	}
	var refused error
	err = raw.Control(func(fd uintptr) {
		refused = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS_NEW, 1)
	})
	if err != nil || refused != nil {
		return nil
	}
	r := &receiver{raw: raw, remote: c.RemoteAddr()}
	r.receive = r.recvmsg
	return r
}

// keepStamps holds a socket that asks for stamps, so that packets have them: the kernel begins to stamp some milliseconds
// after the first socket asks, and ends with the last one. nil: it has none to give.
func keepStamps() io.Closer {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	held := os.NewFile(uintptr(fd), "receive stamps")
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS_NEW, 1) != nil {
		held.Close()
		return nil
	}
	return held
}

// read is net.Conn's Read, and the stamp of the last byte read in ns since the Unix epoch; 0: the kernel gave none.
func (r *receiver) read(p []byte) (n int, stamp int64, err error) {
	if len(p) == 0 {
		return 0, 0, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.p = p
	err = r.raw.Read(r.receive)
	r.p, r.part, r.message.Iov = nil, unix.Iovec{}, nil
	switch {
	case err != nil:
		return 0, 0, err
	case r.err != nil:
		return 0, 0, &net.OpError{Op: "read", Net: "tcp", Addr: r.remote, Err: os.NewSyscallError("recvmsg", r.err)}
	case r.n == 0:
		return 0, 0, io.EOF
	}
	return r.n, r.stamp(), nil
}

// recvmsg tells whether it is done; the poller calls it again when the socket can be read. It makes the call itself:
// unix.Recvmsg allocates room for a sender's address at each.
func (r *receiver) recvmsg(fd uintptr) bool {
	r.part.Base = &r.p[0]
	r.part.SetLen(len(r.p))
	r.message = unix.Msghdr{Iov: &r.part, Control: &r.control[0]}
	r.message.SetIovlen(1)
	for {
		r.message.SetControllen(len(r.control))
		n, _, errno := unix.Syscall(unix.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&r.message)), 0)
		switch errno {
		case 0:
			r.n, r.err = int(n), nil
			return true
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		default:
			r.n, r.err = 0, errno
			return true
		}
	}
}

func (r *receiver) stamp() int64 {
	for rest := r.control[:r.message.Controllen]; len(rest) >= unix.SizeofCmsghdr; {
		header, data, next, err := unix.ParseOneSocketControlMessage(rest)
		if err != nil {
			return 0
		}
		if header.Level == unix.SOL_SOCKET && header.Type == unix.SO_TIMESTAMPNS_NEW && len(data) >= 16 {
			seconds := int64(binary.NativeEndian.Uint64(data))
			return seconds*1e9 + int64(binary.NativeEndian.Uint64(data[8:]))
		}
		rest = next
	}
	return 0
}
