package protocol

import (
	"io"
	"sync/atomic"
)

// upload is a request's body; it counts what the transport takes of it, perhaps from another goroutine.
type upload struct {
	rest  []byte
	whole []byte
	taken *atomic.Int64
}

func newUpload(body []byte, taken *atomic.Int64) *upload {
	taken.Store(0)
	return &upload{rest: body, whole: body, taken: taken}
}

func (u *upload) Read(p []byte) (int, error) {
	if len(u.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, u.rest)
	u.rest = u.rest[n:]
	u.taken.Add(int64(n))
	return n, nil
}

func (u *upload) Close() error { return nil }

// again is http.Request's GetBody.
func (u *upload) again() (io.ReadCloser, error) { return newUpload(u.whole, u.taken), nil }
