package procfs

import (
	"path/filepath"
	"time"
)

// nodeSource samples this machine.
type nodeSource struct {
	rec      *recorder
	host     *host
	stat     *file
	meminfo  *file
	pressure [3]*file
	links    *links

	least     time.Duration
	busy      float64
	steal     float64
	total     float64
	totalAt   time.Time
	stalled   [3]rate
	rxs, txs  counter
	used      *series
	stolen    *series
	available *series
	load      *series
	psi       [3]*series
	rx, tx    *series
}

func newNodeSource(h *host, o Options, rec *recorder) *nodeSource {
	of := func(name, source string) *series { return rec.series(name, TargetNode, "", source) }
	s := &nodeSource{
		rec: rec, host: h, least: o.Every / 2,
		stat:      tryOpen(filepath.Join(h.proc, "stat")),
		meminfo:   tryOpen(filepath.Join(h.proc, "meminfo")),
		links:     openLinks(filepath.Join(h.proc, "net", "dev")),
		used:      of(SeriesCPUUtilization, "stat"),
		stolen:    of(SeriesSteal, "stat"),
		available: of(SeriesMemoryAvailable, "meminfo"),
		load:      of(SeriesLoad1, "loadavg"),
		rx:        of(SeriesNetworkReceive, "interfaces"),
		tx:        of(SeriesNetworkTransmit, "interfaces"),
	}
	for i, p := range []struct{ file, name string }{{"cpu", SeriesPSICPU}, {"memory", SeriesPSIMemory}, {"io", SeriesPSIIO}} {
		s.pressure[i] = tryOpen(filepath.Join(h.proc, "pressure", p.file))
		s.psi[i] = of(p.name, "pressure")
		s.stalled[i].least = s.least
	}
	return s
}

func (s *nodeSource) sample() {
	s.sampleCPU()
	at := time.Now()
	if b, ok := s.meminfo.read(); ok {
		if kib, ok := valueOf(b, "MemAvailable:"); ok {
			s.rec.add(s.available, at, kib*1024)
		}
	}
	if load, ok := s.host.load1(); ok {
		s.rec.add(s.load, at, load)
	}
	for i, f := range s.pressure {
		s.samplePressure(i, f)
	}
	if l, ok := s.links.read(); ok {
		s.rec.add(s.rx, at, s.rxs.next(l.receivedBytes))
		s.rec.add(s.tx, at, s.txs.next(l.sentBytes))
	}
}

// sampleCPU reads the first line of /proc/stat (proc_stat(5)): user nice system idle iowait irq softirq steal, and then
// guest times that are in user's already.
func (s *nodeSource) sampleCPU() {
	at := time.Now()
	b, ok := s.stat.read()
	if !ok {
		return
	}
	var ticks [8]float64
	_, b = nextField(b) // "cpu"
	for i := range ticks {
		var word []byte
		word, b = nextField(b)
		if ticks[i], ok = parseNumber(word); !ok {
			return
		}
	}
	var total float64
	for _, t := range ticks {
		total += t
	}
	busy, steal := total-ticks[3]-ticks[4], ticks[7]
	// iowait may fall (proc_stat(5)), so a share is kept within 0 and 1. Shares are of the ticks that were counted, not
	// of the time that passed: the two differ by a tick.
	passed := total - s.total
	switch {
	case s.totalAt.IsZero() || passed < 0:
	case at.Sub(s.totalAt) < s.least || passed == 0:
		return
	default:
		s.rec.add(s.used, at, min(1, max(0, (busy-s.busy)/passed)))
		s.rec.add(s.stolen, at, min(1, max(0, (steal-s.steal)/passed)))
	}
	s.busy, s.steal, s.total, s.totalAt = busy, steal, total, at
}

// samplePressure reads the µs that some task was stalled for, from the line "some avg10=… avg60=… avg300=… total=…".
func (s *nodeSource) samplePressure(i int, f *file) {
	at := time.Now()
	b, ok := f.read()
	if !ok {
		return
	}
	us, ok := stalledUS(b)
	if !ok {
		return
	}
	if share, ok := s.stalled[i].next(at, us/1e6); ok {
		s.rec.add(s.psi[i], at, min(1, share))
	}
}

func stalledUS(b []byte) (float64, bool) {
	word, b := nextField(b)
	if string(word) != "some" {
		return 0, false
	}
	const key = "total="
	for range 4 {
		word, b = nextField(b)
		if len(word) > len(key) && string(word[:len(key)]) == key {
			return parseNumber(word[len(key):])
		}
	}
	return 0, false
}

func (s *nodeSource) close() {
	for _, f := range append([]*file{s.stat, s.meminfo, s.links.dev}, s.pressure[:]...) {
		f.close()
	}
}
