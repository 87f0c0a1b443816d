package protocol

import (
	"crypto/tls"
	"net"
	"sync/atomic"

	"github.com/llmscen/llmscen/warehouse/tables"
)

// conn counts what passes over a connection and remembers when the kernel received what was read last.
//
// It hides the ReadFrom of a TCP connection on purpose: net/http would write around the count.
type conn struct {
	net.Conn
	kernel         *receiver // nil: the kernel gives no stamps
	received, sent *atomic.Int64
	reads          atomic.Int64
	stamp          atomic.Int64 // of the last byte that was read, in ns since the Unix epoch; 0: none
}

func (c *conn) Read(p []byte) (n int, err error) {
	var stamp int64
	if c.kernel == nil {
		n, err = c.Conn.Read(p)
	} else {
		n, stamp, err = c.kernel.read(p)
	}
	if n > 0 {
		c.stamp.Store(stamp)
		c.reads.Add(1)
		c.received.Add(int64(n))
	}
	return n, err
}

func (c *conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.sent.Add(int64(n))
	return n, err
}

// last is the number of the last read, and its stamp; 0 where the kernel gave none.
func (c *conn) last() (read int64, stamp tables.Instant) {
	return c.reads.Load(), tables.Instant(c.stamp.Load())
}

// underlying is the conn below TLS; nil where there is none of ours.
func underlying(c net.Conn) *conn {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	own, _ := c.(*conn)
	return own
}
