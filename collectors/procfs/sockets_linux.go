package procfs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// From linux/sock_diag.h and linux/inet_diag.h, which x/sys/unix does not have.
const (
	inetDiagInfo     = 2 // INET_DIAG_INFO: struct tcp_info
	tcpDestroyGroup  = 1 // SKNLGRP_INET_TCP_DESTROY
	inetDiagReqBytes = 56
	inetDiagMsgBytes = 72
)

// listingShare is the part of a core that listings may take: one in so many. With 262,144 buckets a listing takes about a
// millisecond, and so comes twice a second.
const listingShare = 400

// goneListings are the listings that a socket is missing from before it counts as closed: its closing would have been
// heard by then.
const goneListings = 2

// tcpSockets sums the payload bytes of all connections of one local TCP port, by the kernel's own counts
// (tcpi_bytes_received and tcpi_bytes_acked). A socket that closes is told by the kernel with its last counts
// (SKNLGRP_INET_TCP_DESTROY), so that short connections count whole.
type tcpSockets struct {
	port     uint16
	ask      int // socket that lists the sockets
	closings int // socket that hears of those that close; -1: none
	open     map[uint64]*connection
	settled  connection // sum of the connections that are closed for good
	buf      []byte
	notUntil time.Time
}

// connection is what went over one socket.
type connection struct {
	received, sent float64
	missing        int // listings in a row that it was not in
}

func openTCPSockets(port int) (*tcpSockets, error) {
	ask, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, fmt.Errorf("opening socket statistics: %w", err)
	}
	t := &tcpSockets{port: uint16(port), ask: ask, closings: -1, open: map[uint64]*connection{}, buf: make([]byte, 1<<16)}
	t.listen()
	if err := t.list(); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// listen subscribes to the sockets that close. Without it the last listing before the close must do.
func (t *tcpSockets) listen() {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return
	}
	// A burst of closing connections must fit in until it is read; whoever may not force the size gets what is allowed.
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20); err != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 8<<20)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1 << (tcpDestroyGroup - 1)}); err != nil {
		_ = unix.Close(fd)
		return
	}
	t.closings = fd
}

// read returns the bytes of all connections so far, open and closed.
//
// A listing walks the kernel's whole table of connections, which on a large machine takes milliseconds. So it is done
// only so often that it takes a hundredth of a core; between two listings the sums stand still, or grow by the
// connections that closed. The whole truth takes a listing.
func (t *tcpSockets) read(whole bool) (received, sent float64, err error) {
	if now := time.Now(); whole || !now.Before(t.notUntil) {
		before, _ := threadCPU()
		if err := t.list(); err != nil {
			return 0, 0, err
		}
		after, _ := threadCPU()
		t.notUntil = now.Add(listingShare * (after - before))
	}
	t.hear()
	if whole {
		t.hearOut()
	}
	sum := t.settled
	for _, c := range t.open {
		sum.received += c.received
		sum.sent += c.sent
	}
	return sum.received, sum.sent, nil
}

// list reads the sockets that there are now.
func (t *tcpSockets) list() error {
	for _, c := range t.open {
		c.missing++
	}
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		if err := t.dump(family); err != nil {
			return fmt.Errorf("listing TCP sockets: %w", err)
		}
	}
	for cookie, c := range t.open {
		if c.missing >= goneListings {
			t.settle(cookie, *c)
		}
	}
	return nil
}

// dump asks for the connections of one family at the port: all states but listening, and those that have no counts.
func (t *tcpSockets) dump(family uint8) error {
	const unwanted = 1<<6 | 1<<10 | 1<<12 // TCP_TIME_WAIT, TCP_LISTEN, TCP_NEW_SYN_RECV
	req := make([]byte, unix.SizeofNlMsghdr+inetDiagReqBytes)
	binary.NativeEndian.PutUint32(req[0:], uint32(len(req)))
	binary.NativeEndian.PutUint16(req[4:], unix.SOCK_DIAG_BY_FAMILY)
	binary.NativeEndian.PutUint16(req[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	body := req[unix.SizeofNlMsghdr:]
	body[0], body[1] = family, unix.IPPROTO_TCP
	body[2] = 1 << (inetDiagInfo - 1)
	binary.NativeEndian.PutUint32(body[4:], ^uint32(unwanted))
	binary.BigEndian.PutUint16(body[8:], t.port)
	if err := unix.Sendto(t.ask, req, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	for {
		n, _, err := unix.Recvfrom(t.ask, t.buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		done, err := t.messages(t.buf[:n], func(cookie uint64, c connection) {
			t.open[cookie] = &c
		})
		if done || err != nil {
			return err
		}
	}
}

// hear takes what closed since it last did.
func (t *tcpSockets) hear() {
	for t.closings >= 0 {
		n, _, err := unix.Recvfrom(t.closings, t.buf, 0)
		if errors.Is(err, unix.EINTR) || errors.Is(err, unix.ENOBUFS) {
			continue // ENOBUFS: some were lost, and the comparison with the client's bytes will tell
		}
		if err != nil {
			return // EAGAIN: that was all
		}
		_, _ = t.messages(t.buf[:n], t.settle)
	}
}

// hearOut waits for the last counts of the sockets that are closing: the kernel tells them a little later. It ends when
// every socket that is gone was told and nothing more comes for a moment, or after some such moments.
func (t *tcpSockets) hearOut() {
	const moment, moments = 20, 25 // ms
	for range moments {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(t.closings), Events: unix.POLLIN}}, moment)
		t.hear()
		if err == nil && n == 0 && !t.waiting() {
			return
		}
	}
}

// waiting tells whether a socket is gone whose closing was not told.
func (t *tcpSockets) waiting() bool {
	for _, c := range t.open {
		if c.missing > 0 {
			return t.closings >= 0
		}
	}
	return false
}

func (t *tcpSockets) settle(cookie uint64, c connection) {
	delete(t.open, cookie)
	t.settled.received += c.received
	t.settled.sent += c.sent
}

// messages walks netlink messages and tells each socket of the port; done: the listing is at its end.
func (t *tcpSockets) messages(b []byte, tell func(cookie uint64, c connection)) (done bool, err error) {
	for len(b) >= unix.SizeofNlMsghdr {
		size := int(binary.NativeEndian.Uint32(b))
		if size < unix.SizeofNlMsghdr || size > len(b) {
			return true, errors.New("a netlink message is cut")
		}
		body := b[unix.SizeofNlMsghdr:size]
		switch binary.NativeEndian.Uint16(b[4:]) {
		case unix.NLMSG_DONE:
			return true, nil
		case unix.NLMSG_ERROR:
			if len(body) < 4 {
				return true, errors.New("a netlink message is cut")
			}
			return true, unix.Errno(-int32(binary.NativeEndian.Uint32(body)))
		case unix.SOCK_DIAG_BY_FAMILY:
			if cookie, c, ok := t.socket(body); ok {
				tell(cookie, c)
			}
		}
		b = b[min(len(b), align(size)):]
	}
	return false, nil
}

// socket reads a struct inet_diag_msg and the struct tcp_info after it.
func (t *tcpSockets) socket(b []byte) (cookie uint64, c connection, ok bool) {
	if len(b) < inetDiagMsgBytes || binary.BigEndian.Uint16(b[4:]) != t.port {
		return 0, c, false
	}
	cookie = binary.NativeEndian.Uint64(b[44:])
	var info unix.TCPInfo
	received, acked := int(unsafe.Offsetof(info.Bytes_received)), int(unsafe.Offsetof(info.Bytes_acked))
	for b = b[inetDiagMsgBytes:]; len(b) >= unix.SizeofRtAttr; {
		size := int(binary.NativeEndian.Uint16(b))
		if size < unix.SizeofRtAttr || size > len(b) {
			return 0, c, false
		}
		value := b[unix.SizeofRtAttr:size]
		if binary.NativeEndian.Uint16(b[2:]) == inetDiagInfo && len(value) >= max(received, acked)+8 {
			c.received = float64(binary.NativeEndian.Uint64(value[received:]))
			c.sent = float64(binary.NativeEndian.Uint64(value[acked:]))
			return cookie, c, true
		}
		b = b[min(len(b), align(size)):]
	}
	return 0, c, false
}

// align rounds up to netlink's 4 bytes.
func align(n int) int { return (n + 3) &^ 3 }

func (t *tcpSockets) close() {
	_ = unix.Close(t.ask)
	if t.closings >= 0 {
		_ = unix.Close(t.closings)
	}
}
