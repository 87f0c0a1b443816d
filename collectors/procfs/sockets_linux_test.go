package procfs

import (
	"encoding/binary"
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// closing is the kernel's message on a connection of a port, with the counts that it had.
func closing(port uint16, cookie, received, acked uint64) []byte {
	const infoBytes = unix.SizeofTCPInfo
	b := make([]byte, unix.SizeofNlMsghdr+inetDiagMsgBytes+unix.SizeofRtAttr+infoBytes)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], unix.SOCK_DIAG_BY_FAMILY)
	body := b[unix.SizeofNlMsghdr:]
	binary.BigEndian.PutUint16(body[4:], port)
	binary.NativeEndian.PutUint64(body[44:], cookie)
	attr := body[inetDiagMsgBytes:]
	binary.NativeEndian.PutUint16(attr, unix.SizeofRtAttr+infoBytes)
	binary.NativeEndian.PutUint16(attr[2:], inetDiagInfo)
	binary.NativeEndian.PutUint64(attr[unix.SizeofRtAttr+120:], acked) // their places in linux/tcp.h
	binary.NativeEndian.PutUint64(attr[unix.SizeofRtAttr+128:], received)
	return b
}

func TestAConnectionThatClosesCountsOnceWithItsLastBytes(t *testing.T) {
	s := &tcpSockets{port: 8000, open: map[uint64]*connection{7: {received: 10, sent: 20}}}
	b := append(closing(8000, 7, 11, 22), closing(8000, 8, 100, 200)...)
	b = append(b, closing(9000, 9, 5000, 5000)...) // of another port
	if done, err := s.messages(b, s.settle); done || err != nil {
		t.Fatalf("done %v, %v", done, err)
	}
	if len(s.open) != 0 || s.settled.received != 111 || s.settled.sent != 222 {
		t.Errorf("%d are open, and %+v is settled", len(s.open), s.settled)
	}
}

func TestARefusalOfTheKernelIsAnError(t *testing.T) {
	b := make([]byte, unix.SizeofNlMsghdr+4)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], unix.NLMSG_ERROR)
	refusal := -int32(unix.EPERM)
	binary.NativeEndian.PutUint32(b[unix.SizeofNlMsghdr:], uint32(refusal))
	if done, err := new(tcpSockets).messages(b, nil); !done || !errors.Is(err, unix.EPERM) {
		t.Errorf("done %v, %v", done, err)
	}
}

func FuzzNoNetlinkMessagePanics(f *testing.F) {
	f.Add(closing(8000, 7, 11, 22))
	f.Add(closing(8000, 7, 11, 22)[:80])
	f.Fuzz(func(t *testing.T, b []byte) {
		s := &tcpSockets{port: 8000, open: map[uint64]*connection{}}
		_, _ = s.messages(b, s.settle)
	})
}
