package procfs

import (
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/llmscen/llmscen/warehouse/tables"
)

// counted counts the bytes of its connections as the client does.
type counted struct{ received, sent atomic.Int64 }

func (c *counted) bytes() (int64, int64) { return c.received.Load(), c.sent.Load() }

func (c *counted) transport(keepAlive bool) *http.Transport {
	return &http.Transport{DisableKeepAlives: !keepAlive, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		return countedConn{conn, c}, err
	}}
}

type countedConn struct {
	net.Conn
	c *counted
}

func (c countedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.c.received.Add(int64(n))
	return n, err
}

func (c countedConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.c.sent.Add(int64(n))
	return n, err
}

// stream answers a request with chunks, as a runtime does.
func stream(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	for i := range 40 {
		fmt.Fprintf(w, "data: {\"token\": %d}\n\n", i)
		w.(http.Flusher).Flush()
	}
}

func TestTheBytesOfARuntimesSocketsAreThoseOfTheClient(t *testing.T) {
	for _, keepAlive := range []bool{true, false} {
		t.Run(fmt.Sprintf("kept alive %v", keepAlive), func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(stream))
			defer server.Close()
			other := httptest.NewServer(http.HandlerFunc(stream)) // whose bytes are not the runtime's
			defer other.Close()
			port := server.Listener.Addr().(*net.TCPAddr).Port
			var client, stranger counted
			sink := newMemory(t)
			c := New(Options{
				Every: 5 * time.Millisecond, Note: sink.note, ClientBytes: client.bytes,
				Processes: []Process{{Target: TargetRuntime, PID: os.Getpid(), ListenPort: port}},
			})
			transport := client.transport(keepAlive)
			defer transport.CloseIdleConnections()
			before, err := openTCPSockets(port)
			if err != nil {
				t.Fatal(err)
			}
			defer before.close()
			ask(t, transport, server.URL, 3) // before the trial: not its bytes
			first, _ := client.bytes()
			// The kernel tells of a closed socket when it comes to it. It shall have done so before the trial.
			for sent := 0.0; sent < float64(first); {
				if _, sent, err = before.read(true); err != nil {
					t.Fatal(err)
				}
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			started := make(chan struct{})
			go func() { done <- c.Collect(ctx, announcing{sink, started, new(sync.Once)}) }()
			<-started
			ask(t, transport, server.URL, 100)
			ask(t, stranger.transport(false), other.URL, 10)
			transport.CloseIdleConnections()
			cancel()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			received, _ := client.bytes()
			got := sink.values["runtime network_transmit_bytes_total"]
			if len(got) == 0 {
				t.Fatalf("the series was not written: %q", sink.notes)
			}
			if want := float64(received - first); got[0] != 0 || math.Abs(got[len(got)-1]-want) > want*tolerance {
				t.Errorf("the sockets counted %v to %v bytes, the client %v", got[0], got[len(got)-1], want)
			}
			if len(sink.values["runtime network_receive_bytes_total"]) == 0 || !slices.IsSorted(got) {
				t.Error("the other direction is missing, or a counter fell")
			}
			if s := sink.source(TargetRuntime, SeriesNetworkTransmit); s != "tcp_info" {
				t.Errorf("the bytes are from %s", s)
			}
		})
	}
}

// announcing says when the first samples were written.
type announcing struct {
	*memory
	started chan struct{}
	once    *sync.Once
}

func (a announcing) WriteSamples(rows []tables.Sample) error {
	a.once.Do(func() { close(a.started) })
	return a.memory.WriteSamples(rows)
}

func ask(t *testing.T, transport *http.Transport, url string, times int) {
	t.Helper()
	client := &http.Client{Transport: transport}
	for range times {
		resp, err := client.Post(url, "text/plain", strings.NewReader(strings.Repeat("prompt ", 50)))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
}

func TestBytesThatTheClientDoesNotConfirmAreNotWritten(t *testing.T) {
	m := newMachine(t, "node.txtar", "container.txtar")
	m.link("proc/4242/ns/net", "net:[2]")
	var calls int
	sink := m.collect(Options{
		Processes: []Process{{Target: TargetRuntime, TargetID: "chat-0", PID: 4242}},
		ClientBytes: func() (int64, int64) { // the client received 3 % more than was sent to it
			calls++
			if calls < 3 {
				return 0, 0
			}
			return 1_030, 1_019
		},
	}, func() {
		// 2,320 bytes in 20 packets are 1,000 bytes of payload, in both directions.
		m.replace("proc/4242/net/dev", "10000     10    0    0    0     0          0         0   10000     10", "12320     30    0    0    0     0          0         0   12320     30")
	})
	sink.wantValues("runtime network_transmit_bytes_total")
	sink.wantValues("runtime network_receive_bytes_total", 0, 1000, 1000)
	if s := sink.source(TargetRuntime, SeriesNetworkReceive); s != "netns" {
		t.Errorf("the bytes are from %s", s)
	}
	want := "network_transmit_bytes_total of the runtime is not known: its sockets or interfaces counted 1000 bytes, the client 1030, and they may differ by 2 %."
	if !slices.Contains(sink.notes, want) {
		t.Errorf("got the notes %q", sink.notes)
	}
}

func TestARuntimeWhoseBytesCanNotBeReadIsANote(t *testing.T) {
	none := func() (int64, int64) { return 0, 0 }
	for _, c := range []struct {
		why     string
		network string
		bytes   func() (int64, int64)
	}{
		{"the client does not count its own, which would prove them", "net:[1]", nil},
		{"it shares this machine's network and its port was not told", "net:[1]", none},
		{"its network namespace can't be seen", "", none},
	} {
		m := newMachine(t, "node.txtar", "container.txtar")
		if c.network != "" {
			m.link("proc/4242/ns/net", c.network)
		}
		sink := m.collect(Options{ClientBytes: c.bytes, Processes: []Process{{Target: TargetRuntime, TargetID: "chat-0", PID: 4242}}})
		if want := "The network bytes of the runtime chat-0 are not known: " + c.why + "."; !slices.Contains(sink.notes, want) {
			t.Errorf("got the notes %q, want %q", sink.notes, want)
		}
		sink.wantValues("runtime network_receive_bytes_total")
	}
}

func TestAHistoryForgetsReadingsAndNoBytes(t *testing.T) {
	var h history
	const n = 5 * maxPoints
	at := time.Unix(0, 0)
	var last point
	for i := range n {
		last = point{at: at.Add(time.Duration(i) * time.Millisecond), received: float64(i)}
		h.add(last)
	}
	kept := h.points(last)
	if len(kept) > maxPoints || cap(h.held) > 2*maxPoints {
		t.Errorf("%d points are kept", len(kept))
	}
	if kept[0].received != 0 || kept[len(kept)-1] != last {
		t.Errorf("it goes from %v to %v", kept[0], kept[len(kept)-1])
	}
	for i := 2; i < len(kept)-1; i++ {
		if kept[i].at.Sub(kept[i-1].at) != kept[1].at.Sub(kept[0].at) {
			t.Fatalf("the distance changes at point %d", i)
		}
	}
}
