package protocol

import (
	"compress/gzip"
	"io"

	"github.com/llmscen/llmscen/warehouse/tables"
)

// arrival reads the body of a response and knows when what it read last arrived.
type arrival struct {
	src   io.Reader
	conn  *conn // nil: the connection is shared with other streams, or not ours
	clock clock
	since tables.Instant // nothing arrived before

	bytes  int64
	batch  int64          // the number of the read that brought the last byte
	at     tables.Instant // never falls
	kernel bool           // at is the kernel's stamp
}

func (a *arrival) Read(p []byte) (int, error) {
	n, err := a.src.Read(p)
	if n > 0 {
		a.bytes += int64(n)
		a.note()
	}
	return n, err
}

// note takes the time of what was just read.
func (a *arrival) note() {
	if a.conn == nil {
		a.batch++
		a.at = max(a.at, a.clock.now())
		return
	}
	batch, stamp := a.conn.last()
	if batch == a.batch {
		return // net/http had it already
	}
	at := stamp
	if a.kernel = a.clock.accepts(stamp, a.since); !a.kernel {
		at = a.clock.now()
	}
	a.batch, a.at = batch, max(a.at, at)
}

// unzip reads what a server compressed unasked.
type unzip struct {
	src io.Reader
	zip *gzip.Reader
}

func (u *unzip) Read(p []byte) (int, error) {
	if u.zip == nil {
		zip, err := gzip.NewReader(u.src)
		if err != nil {
			return 0, err
		}
		u.zip = zip
	}
	return u.zip.Read(p)
}
