package procfs

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// userTick is the unit of the times in /proc/PID/stat: USER_HZ is 100 on every architecture that Go runs on.
const userTick = 10 * time.Millisecond

// tree is a process and its descendants. One that was once found in it stays in it, whoever its parent becomes.
type tree struct {
	host    *host
	exclude map[int]bool // processes that are a tree of their own
	// countWaited counts the time of children that were waited for, as the kernel adds it to their parent, so that one
	// that came and went between two samples is not lost. It can't tell the children apart, so a tree from which others
	// are cut does without.
	countWaited bool
	members     []*member // parents before their children
	known       map[int]bool
	seenFork    int64
	owed        time.Duration // of members that were gone at the last reading and that no parent had taken yet
	dead        time.Duration // of members that are gone and that no parent in the tree waited for
	cpu         time.Duration
}

// usage is what a tree uses at one instant.
type usage struct {
	cpu      time.Duration // since the beginning of each process
	rssBytes float64
	threads  float64
	openFDs  float64
	fdsKnown bool
}

func newTree(h *host, pid int, exclude map[int]bool) *tree {
	t := &tree{host: h, exclude: exclude, countWaited: len(exclude) == 0, known: map[int]bool{}, seenFork: -1}
	t.join(pid, 0)
	return t
}

// join takes a process into the tree, if it is (still) a child of parent; parent 0 is any.
func (t *tree) join(pid, parent int) {
	if t.known[pid] || t.exclude[pid] {
		return
	}
	m, err := openMember(t.host, pid)
	if err != nil {
		return
	}
	if !m.read(t.countWaited) || parent != 0 && m.parent != parent {
		m.close()
		return
	}
	t.known[pid] = true
	t.members = append(t.members, m)
}

// discover looks for children that are new. There are none if no process or thread was made since it last looked.
func (t *tree) discover() {
	newest, ok := t.host.newestPID()
	if ok && newest == t.seenFork {
		return
	}
	t.seenFork = newest
	for i := 0; i < len(t.members); i++ { // join appends: grandchildren are found in the same pass
		m := t.members[i]
		for _, child := range t.host.children(m.pid) {
			t.join(child, m.pid)
		}
	}
}

// read sums up the tree; false: no process of it is left.
//
// The time of a member that ended is in its parent's time for waited children, from this reading on or from the next:
// parents are read first, and one may wait for its child just after it was read. (With children first, a child could
// be counted by itself and by its parent both.) Until then the tree owes that time, and what no parent took is dead.
func (t *tree) read() (usage, bool) {
	t.discover()
	sum := usage{fdsKnown: true}
	var lost, absorbed time.Duration
	left := t.members[:0]
	for _, m := range t.members {
		before, waited := m.own+m.waited, m.waited
		if !m.read(t.countWaited) {
			lost += before
			delete(t.known, m.pid)
			m.close()
			continue
		}
		left = append(left, m)
		absorbed += m.waited - waited
		sum.cpu += m.own + m.waited
		sum.rssBytes += m.rssBytes
		sum.threads += m.threads
		fds, ok := m.openFDs()
		sum.openFDs += fds
		sum.fdsKnown = sum.fdsKnown && ok
	}
	t.members = left
	// A parent's user and system time for its children are each cut to ticks: so much missing is rounding.
	if missing := t.owed - absorbed; missing > 2*userTick {
		t.dead += missing
	}
	t.owed = max(0, lost-max(0, absorbed-t.owed))
	t.cpu = max(t.cpu, sum.cpu+t.owed+t.dead)
	sum.cpu = t.cpu
	return sum, len(t.members) > 0
}

func (t *tree) close() {
	for _, m := range t.members {
		m.close()
	}
}

// member is one process of a tree.
type member struct {
	pid      int
	parent   int
	stat     *file
	fds      string
	clock    bool          // the process's own clock can be read: nanoseconds instead of ticks
	own      time.Duration // CPU time of all its threads
	waited   time.Duration // CPU time of its children that it waited for
	rssBytes float64
	threads  float64
}

func openMember(h *host, pid int) (*member, error) {
	dir := filepath.Join(h.proc, strconv.Itoa(pid))
	stat, err := openFile(filepath.Join(dir, "stat"))
	if err != nil {
		return nil, err
	}
	m := &member{pid: pid, stat: stat, fds: filepath.Join(dir, "fd")}
	_, m.clock = processCPU(pid)
	m.clock = m.clock && h.real
	return m, nil
}

// read reads the process anew; false: it is gone.
func (m *member) read(countWaited bool) bool {
	// The clock is asked before the file: if the file can still be read, the clock was this process's.
	own, fine := time.Duration(0), false
	if m.clock {
		own, fine = processCPU(m.pid)
	}
	b, ok := m.stat.read()
	if !ok {
		return false
	}
	f, ok := parseStat(b)
	if !ok {
		return false
	}
	if !fine {
		own = f.user + f.system
	}
	m.parent = f.parent
	m.own = max(m.own, own)
	if countWaited {
		m.waited = f.waitedUser + f.waitedSystem
	}
	m.threads = f.threads
	m.rssBytes = f.rssPages * float64(os.Getpagesize())
	return true
}

// openFDs counts the open descriptors; false: they may not be seen. Since Linux 6.2 their number is the folder's size.
func (m *member) openFDs() (float64, bool) {
	info, err := os.Stat(m.fds)
	if err != nil {
		return 0, false
	}
	if info.Size() > 0 {
		return float64(info.Size()), true
	}
	d, err := os.Open(m.fds)
	if err != nil {
		return 0, false
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	return float64(len(names)), err == nil
}

func (m *member) close() { m.stat.close() }

// stat is what is read of /proc/PID/stat (proc_pid_stat(5)).
type stat struct {
	parent                                 int
	user, system, waitedUser, waitedSystem time.Duration
	threads, rssPages                      float64
}

func parseStat(b []byte) (stat, bool) {
	// The name, in brackets, may hold spaces and brackets.
	i := bytes.LastIndexByte(b, ')')
	if i < 0 {
		return stat{}, false
	}
	b = b[i+1:]
	var s stat
	var word []byte
	for field := 3; field <= 24; field++ { // numbered as in the manual page
		if word, b = nextField(b); field == 3 {
			continue // the state is a letter
		}
		v, ok := parseNumber(word)
		if !ok {
			return stat{}, false
		}
		switch field {
		case 4:
			s.parent = int(v)
		case 14:
			s.user = time.Duration(v) * userTick
		case 15:
			s.system = time.Duration(v) * userTick
		case 16:
			s.waitedUser = time.Duration(v) * userTick
		case 17:
			s.waitedSystem = time.Duration(v) * userTick
		case 20:
			s.threads = v
		case 24:
			s.rssPages = v
		}
	}
	return s, true
}
