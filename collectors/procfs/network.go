package procfs

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// There is no network counter per process. What stands in for it is either the interfaces of the process's own network
// namespace or the kernel's counts of the sockets of its port, and neither is believed before the client's own bytes
// confirm it. So a runtime's readings are held back until the end; then both directions are compared, each for itself.

// tolerance is how far the runtimes' bytes may be from the client's.
const tolerance = 0.02

// networkProof holds the network readings of all runtimes.
type networkProof struct {
	o                        Options
	rec                      *recorder
	runtimes                 []*runtimeNetwork
	complete                 bool // every runtime is watched
	began                    bool
	firstReceived, firstSent int64 // the client's bytes at the first sample
}

// runtimeNetwork is one runtime's bytes.
type runtimeNetwork struct {
	process Process
	source  string
	read    func(whole bool) (received, sent float64, err error)
	late    bool // what is read may miss bytes that a later reading has
	closed  func()
	began   bool
	base    point // of the first reading: what came before it is not this trial's
	last    point
	kept    history
}

func newNetworkProof(o Options, rec *recorder) *networkProof {
	return &networkProof{o: o, rec: rec, complete: true}
}

// watch begins to read a runtime's bytes, and says so where it can't.
func (n *networkProof) watch(h *host, p Process) {
	refuse := func(why string) {
		n.complete = false
		n.o.Note(fmt.Sprintf("The network bytes of the %s are not known: %s.", naming(p), why))
	}
	if n.o.ClientBytes == nil {
		refuse("the client does not count its own, which would prove them")
		return
	}
	r := &runtimeNetwork{process: p}
	own, ok := h.ownNetwork(p.PID)
	switch {
	case !ok:
		refuse("its network namespace can't be seen")
		return
	case own:
		l := openLinks(filepath.Join(h.proc, strconv.Itoa(p.PID), "net", "dev"))
		r.source, r.closed = "netns", l.dev.close
		r.read = func(bool) (float64, float64, error) {
			t, ok := l.read()
			if !ok {
				return 0, 0, os.ErrNotExist
			}
			received, sent := t.payload()
			return received, sent, nil
		}
	case p.ListenPort == 0:
		refuse("it shares this machine's network and its port was not told")
		return
	default:
		sockets, err := openTCPSockets(p.ListenPort)
		if err != nil {
			refuse(err.Error())
			return
		}
		r.source, r.read, r.closed, r.late = "tcp_info", sockets.read, sockets.close, true
	}
	n.runtimes = append(n.runtimes, r)
}

// ownNetwork tells whether a process is in another network namespace than this one; false: it can't be told.
func (h *host) ownNetwork(pid int) (own, ok bool) {
	here, err := os.Readlink(filepath.Join(h.proc, "self", "ns", "net"))
	if err != nil {
		return false, false
	}
	there, err := os.Readlink(filepath.Join(h.proc, strconv.Itoa(pid), "ns", "net"))
	return err == nil && here != there, err == nil
}

// sample reads all runtimes; whole says that it may cost what it costs, as the last time it must.
func (n *networkProof) sample(whole bool) {
	if len(n.runtimes) == 0 {
		return
	}
	if !n.began {
		n.began = true
		n.firstReceived, n.firstSent = n.o.ClientBytes()
	}
	for _, r := range n.runtimes {
		r.sample(whole)
	}
}

func (r *runtimeNetwork) sample(whole bool) {
	at := time.Now()
	received, sent, err := r.read(whole)
	if err != nil {
		return // the end compares the bytes, and finds what is missing
	}
	p := point{at: at, received: received, sent: sent}
	if !r.began {
		r.began, r.base = true, p
	}
	p.received, p.sent = max(r.last.received, p.received-r.base.received), max(r.last.sent, p.sent-r.base.sent)
	r.last = p
	r.kept.add(p)
}

// finish compares and writes.
func (n *networkProof) finish() {
	if len(n.runtimes) == 0 {
		return
	}
	n.await()
	in, out := n.compared()
	n.prove(SeriesNetworkReceive, in, func(p point) float64 { return p.received })
	n.prove(SeriesNetworkTransmit, out, func(p point) float64 { return p.sent })
}

// await reads anew until the client confirms the bytes, or often enough: on a busy machine the kernel tells of sockets
// that closed a good while later, also of those that were in no listing, which nobody misses.
func (n *networkProof) await() {
	const readings = 100 // each waits for 20 ms or more
	for range readings {
		in, out := n.compared()
		if !n.complete || in.agree() && out.agree() {
			return
		}
		late := false
		for _, r := range n.runtimes {
			if r.late {
				late = true
				r.sample(true)
			}
		}
		if !late {
			return
		}
	}
}

// comparison is one direction's bytes, as the runtimes' sockets or interfaces and as the client counted them.
type comparison struct{ got, want float64 }

func (c comparison) agree() bool { return math.Abs(c.got-c.want) <= tolerance*c.want }

// compared are the bytes that the runtimes received and sent.
func (n *networkProof) compared() (in, out comparison) {
	received, sent := n.o.ClientBytes()
	in.want, out.want = float64(sent-n.firstSent), float64(received-n.firstReceived)
	for _, r := range n.runtimes {
		in.got += r.last.received
		out.got += r.last.sent
	}
	return in, out
}

// prove writes one direction of all runtimes if the client's count confirms it.
func (n *networkProof) prove(name string, c comparison, value func(point) float64) {
	if !n.complete {
		return // the client's bytes are those of all runtimes, and one of them is not watched
	}
	if !c.agree() {
		n.o.Note(fmt.Sprintf("%s of the runtime is not known: its sockets or interfaces counted %.0f bytes, the client %.0f, and they may differ by %.0f %%.", name, c.got, c.want, 100*tolerance))
		return
	}
	for _, r := range n.runtimes {
		s := n.rec.series(name, r.process.Target, r.process.TargetID, r.source)
		for _, p := range r.kept.points(r.last) {
			n.rec.add(s, p.at, value(p))
		}
	}
}

func (n *networkProof) close() {
	for _, r := range n.runtimes {
		r.closed()
	}
}

// point is the bytes of one reading.
type point struct {
	at             time.Time
	received, sent float64
}

// maxPoints bounds a history: an hour at ten a second, 1.4 MiB.
const maxPoints = 36_000

// history keeps counter readings in bounded memory: when it is full, it forgets every second one and from then on takes
// half as many. Counters lose resolution by that, and no bytes.
type history struct {
	held   []point
	stride int // takes every stride-th reading
	skip   int
}

func (h *history) add(p point) {
	if h.skip > 0 {
		h.skip--
		return
	}
	h.stride = max(h.stride, 1)
	if len(h.held) == maxPoints {
		for i := range maxPoints / 2 {
			h.held[i] = h.held[2*i]
		}
		h.held = h.held[:maxPoints/2]
		h.stride *= 2
	}
	h.held = append(h.held, p)
	h.skip = h.stride - 1
}

// points are the kept readings, and the last one in any case.
func (h *history) points(last point) []point {
	if n := len(h.held); n > 0 && h.held[n-1].at.Before(last.at) {
		return append(h.held, last)
	}
	return h.held
}

// clientNetwork is what the client's connections count themselves.
type clientNetwork struct {
	rec    *recorder
	bytes  func() (received, sent int64)
	rx, tx *series
}

func newClientNetwork(o Options, rec *recorder) *clientNetwork {
	return &clientNetwork{
		rec: rec, bytes: o.ClientBytes,
		rx: rec.series(SeriesNetworkReceive, TargetClient, o.clientID(), "client"),
		tx: rec.series(SeriesNetworkTransmit, TargetClient, o.clientID(), "client"),
	}
}

func (c *clientNetwork) sample() {
	at := time.Now()
	received, sent := c.bytes()
	c.rec.add(c.rx, at, float64(received))
	c.rec.add(c.tx, at, float64(sent))
}

func (c *clientNetwork) close() {}
