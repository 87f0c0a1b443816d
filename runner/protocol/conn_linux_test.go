package protocol

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// sender writes tokens one by one and notes when it began to write each.
type sender struct {
	mu   sync.Mutex
	sent map[string][]tables.Instant
}

func (s *sender) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "text/event-stream")
	var sent []tables.Instant
	for range 16 {
		sent = append(sent, tables.Instant(time.Now().UnixNano()))
		_, _ = io.WriteString(w, oneWord)
		w.(http.Flusher).Flush()
	}
	_, _ = io.WriteString(w, finish)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent[r.Header.Get("X-Request-Id")] = sent
}

// A stamp lies between the sending and the reading, with and without TLS; the reading's time is Generate's return at
// the latest.
func TestKernelStampsLieBetweenSendingAndReading(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("TLS %v", secure), func(t *testing.T) {
			s := &sender{sent: map[string][]tables.Instant{}}
			server := httptest.NewUnstartedServer(s)
			if secure {
				server.StartTLS()
			} else {
				server.Start()
			}
			defer server.Close()
			client := dial(t, scenarios.Runtime{TLS: scenarios.TLS{InsecureSkipVerify: true}}, server.URL)
			pair(t) // the kernel stamps from now on
			for seq := range int64(8) {
				var l load.Timeline
				l.Reset()
				answer, err := client.Generate(t.Context(), load.Request{Seq: seq, Prompt: hello}, &l)
				if err != nil || answer.ErrorKind != "" || len(l.DeltaUS) != 16 {
					t.Fatalf("got %v, %+v", err, answer)
				}
				if !l.KernelTimestamps {
					t.Fatal("the kernel's stamps were not taken")
				}
				returned := tables.Instant(time.Now().UnixNano())
				s.mu.Lock()
				sent := s.sent[RequestID("trial", seq, 0)]
				s.mu.Unlock()
				at := l.FirstChunkAt
				for i, delta := range l.DeltaUS {
					at += tables.Instant(delta) * 1000
					// Deltas are rounded to µs.
					if at < sent[i]-1000 || at > returned+1000 {
						t.Errorf("token %d of %d: sent at %d, stamped %d, read before %d", i, seq, sent[i], at, returned)
					}
				}
				if l.HeadersAt > l.FirstChunkAt || l.DoneAt < l.LastTokenAt || l.DoneAt > returned || l.Coalesced > 15 {
					t.Errorf("times are out of order: %+v", l)
				}
			}
		})
	}
}

func TestUserSpaceTimesLeaveStampsAside(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(words))
	defer server.Close()
	client, err := New(Options{Runtime: scenarios.Runtime{Protocol: "openai"}, Targets: []Target{{URL: server.URL}}, UserSpaceTimes: true})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if answer, l := ask(t, client); answer.ErrorKind != "" || l.KernelTimestamps || l.FirstTokenAt == 0 {
		t.Errorf("got %+v", l)
	}
}

// pair is both ends of a TCP connection, the first one read with stamps, which the kernel makes when it returns.
func pair(t testing.TB) (near *conn, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan net.Conn)
	go func() {
		c, _ := l.Accept()
		accepted <- c
	}()
	c, err := newTestTransport(t).connect(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far = <-accepted
	t.Cleanup(func() { c.Close(); far.Close() })
	near = c.(*conn)
	if near.kernel == nil {
		t.Fatal("the kernel gives no stamps")
	}
	awaitStamps(t, near, far)
	return near, far
}

func newTestTransport(t testing.TB) *transport {
	t.Helper()
	tr, err := newTransport(scenarios.Runtime{}, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.close)
	return tr
}

// awaitStamps sends itself bytes until one has a stamp, as long as the test may run.
func awaitStamps(t testing.TB, near *conn, far net.Conn) {
	t.Helper()
	for p := []byte("x"); ; {
		if _, err := far.Write(p); err != nil {
			t.Fatal(err)
		}
		if _, err := near.Read(p); err != nil {
			t.Fatal(err)
		}
		if _, stamp := near.last(); stamp != 0 {
			return
		}
	}
}

func TestAStampedConnectionReadsAsAnyOther(t *testing.T) {
	near, far := pair(t)
	if n, err := near.Read(nil); n != 0 || err != nil {
		t.Errorf("reading nothing gives %d, %v", n, err)
	}
	if _, err := far.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 3)
	for _, want := range []string{"hel", "lo"} {
		n, err := near.Read(p)
		if read, stamp := near.last(); err != nil || string(p[:n]) != want || stamp == 0 || read == 0 {
			t.Errorf("got %q, %v, stamp %d", p[:n], err, stamp)
		}
	}
	_ = near.SetReadDeadline(time.Unix(1, 0))
	if _, err := near.Read(p); !isTimeout(err) || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("past its deadline: %v", err)
	}
	_ = near.SetReadDeadline(time.Time{})
	_, stamp := near.last()
	far.Close()
	if n, err := near.Read(p); n != 0 || err != io.EOF {
		t.Errorf("at the end: %d, %v", n, err)
	}
	if _, after := near.last(); after != stamp {
		t.Error("the end has taken the last byte's stamp")
	}
	near.Close()
	if _, err := near.Read(p); !errors.Is(err, net.ErrClosed) {
		t.Errorf("when closed: %v", err)
	}
}

func TestAResetConnectionSaysSo(t *testing.T) {
	near, far := pair(t)
	_ = far.(*net.TCPConn).SetLinger(0)
	far.Close()
	if _, err := near.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v", err)
	}
}

func TestWhatIsNoSocketIsReadWithoutStamps(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	if newReceiver(near) != nil {
		t.Error("a pipe has stamps")
	}
}

func TestReadingAStampedConnectionAllocatesNothing(t *testing.T) {
	near, far := pair(t)
	p := []byte("x")
	if n := testing.AllocsPerRun(100, func() {
		_, _ = far.Write(p)
		_, _ = near.Read(p)
	}); n > 0 {
		t.Errorf("%v allocations a read", n)
	}
}
