package procfs

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test binary is its own load: LLMSCEN_TEST_LOAD makes it a process that does what its standard input says.
const loadEnv = "LLMSCEN_TEST_LOAD"

func TestMain(m *testing.M) {
	switch os.Getenv(loadEnv) {
	case "":
		os.Exit(m.Run())
	case "burn":
		burn()
	case "serve":
		obey()
	}
}

// burn uses 150 ms of CPU time.
func burn() {
	for x := 1.0; usedBy(syscall.RUSAGE_SELF) < 150*time.Millisecond; x++ {
		math.Sqrt(x)
	}
}

// obey carries out a command a line, and answers a line each.
func obey() {
	in := bufio.NewScanner(os.Stdin)
	var kept *exec.Cmd
	var keptIn io.Closer
	for in.Scan() {
		switch in.Text() {
		case "burn": // itself
			for until, x := usedBy(syscall.RUSAGE_SELF)+150*time.Millisecond, 1.0; usedBy(syscall.RUSAGE_SELF) < until; x++ {
				math.Sqrt(x)
			}
		case "child": // a child that ends and is waited for
			_ = self("burn").Run()
		case "keep a child": // that has burnt
			child := self("serve")
			childIn, _ := child.StdinPipe() // what fails here ends in no answer
			childOut, _ := child.StdoutPipe()
			if err := child.Start(); err != nil {
				return
			}
			fmt.Fprintln(childIn, "burn")
			bufio.NewScanner(childOut).Scan()
			kept, keptIn = child, childIn
		case "let it go":
			keptIn.Close()
			_ = kept.Wait()
		case "hand on": // to a child, which obeys from now on
			child := self("serve")
			child.Stdin, child.Stdout = os.Stdin, os.Stdout
			if err := child.Start(); err == nil {
				fmt.Println(child.Process.Pid)
				_ = child.Wait()
			}
			return
		}
		fmt.Println(int64(usedBy(syscall.RUSAGE_SELF) + usedBy(syscall.RUSAGE_CHILDREN)))
	}
}

func usedBy(who int) time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(who, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func self(role string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), loadEnv+"="+role)
	return cmd
}

// load is a process of the test that obeys.
type load struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func startLoad(t *testing.T) *load {
	t.Helper()
	cmd := self("serve")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	l := &load{t: t, cmd: cmd, in: in, out: bufio.NewScanner(out)}
	t.Cleanup(l.end)
	return l
}

// do sends a command and returns the number that answers it.
func (l *load) do(command string) int64 {
	l.t.Helper()
	if _, err := fmt.Fprintln(l.in, command); err != nil {
		l.t.Fatal(err)
	}
	if !l.out.Scan() {
		l.t.Fatalf("no answer to %q", command)
	}
	n, err := strconv.ParseInt(l.out.Text(), 10, 64)
	if err != nil {
		l.t.Fatal(err)
	}
	return n
}

func (l *load) end() {
	l.in.Close()
	_ = l.cmd.Wait()
}

func thisMachine(t *testing.T) *host {
	t.Helper()
	h, err := openHost("/")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.close)
	return h
}

// wantNear compares CPU times: the kernel counts a running thread to its last tick, and may round twice.
func wantNear(t *testing.T, what string, got, want time.Duration) {
	t.Helper()
	if off := (got - want).Abs(); off > want/20+2*userTick {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestTheCPUTimeOfAProcessIsWhatItsOwnAccountSays(t *testing.T) {
	l := startLoad(t)
	tree := newTree(thisMachine(t), l.cmd.Process.Pid, nil)
	defer tree.close()
	want := time.Duration(l.do("burn"))
	got, alive := tree.read()
	if !alive {
		t.Fatal("the process is not there")
	}
	wantNear(t, "CPU time", got.cpu, want)
	if got.rssBytes < 1<<20 || got.threads < 2 || got.openFDs < 3 || !got.fdsKnown {
		t.Errorf("the rest of its usage is %+v", got)
	}
}

func TestTheCPUTimeOfAChildThatEndedStays(t *testing.T) {
	for _, cut := range []struct {
		name    string
		exclude map[int]bool
	}{
		{"counted by its parent", nil},
		{"kept from its last reading", map[int]bool{-1: true}},
	} {
		t.Run(cut.name, func(t *testing.T) {
			l := startLoad(t)
			tree := newTree(thisMachine(t), l.cmd.Process.Pid, cut.exclude)
			defer tree.close()
			var last time.Duration
			read := func() {
				u, _ := tree.read()
				if u.cpu < last {
					t.Errorf("the CPU time fell from %v to %v", last, u.cpu)
				}
				last = u.cpu
			}
			// Read all the while, so that the child is seen at many points of its life, and once when it has burnt.
			do := func(command string) (used time.Duration) {
				stop, stopped := make(chan struct{}), make(chan struct{})
				go func() {
					defer close(stopped)
					for {
						read()
						select {
						case <-stop:
							return
						default:
							runtime.Gosched()
						}
					}
				}()
				used = time.Duration(l.do(command))
				close(stop)
				<-stopped
				read()
				return used
			}
			do("keep a child")
			want := do("let it go")
			wantNear(t, "CPU time", last, want)
			if len(tree.members) != 1 {
				t.Errorf("%d processes are left in the tree", len(tree.members))
			}
		})
	}
}

func TestAChildThatCameAndWentBetweenTwoReadingsIsCounted(t *testing.T) {
	l := startLoad(t)
	tree := newTree(thisMachine(t), l.cmd.Process.Pid, nil)
	defer tree.close()
	want := time.Duration(l.do("child"))
	u, _ := tree.read()
	wantNear(t, "CPU time", u.cpu, want)
}

func TestAProcessWhoseParentEndedStaysInTheTree(t *testing.T) {
	parent := startLoad(t)
	tree := newTree(thisMachine(t), parent.cmd.Process.Pid, nil)
	defer tree.close()
	orphan := int(parent.do("hand on"))
	before, _ := tree.read()
	if !tree.known[orphan] {
		t.Fatal("the child is not in the tree")
	}
	if err := parent.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_, _ = parent.cmd.Process.Wait()
	want := time.Duration(parent.do("burn"))
	u, alive := tree.read()
	if !alive || len(tree.members) != 1 || tree.members[0].pid != orphan {
		t.Fatalf("%d processes are in the tree", len(tree.members))
	}
	if least := max(before.cpu, want-2*userTick); u.cpu < least {
		t.Errorf("got %v of CPU time, want %v at least", u.cpu, least)
	}
}

func TestTheClientsTreeLeavesTheRuntimeOut(t *testing.T) {
	l := startLoad(t)
	h := thisMachine(t)
	all := newTree(h, os.Getpid(), nil)
	defer all.close()
	client := newTree(h, os.Getpid(), map[int]bool{l.cmd.Process.Pid: true})
	defer client.close()
	with, _ := all.read()
	without, _ := client.read()
	if !all.known[l.cmd.Process.Pid] || client.known[l.cmd.Process.Pid] {
		t.Errorf("the child is in the whole tree: %v, in the client's: %v", all.known[l.cmd.Process.Pid], client.known[l.cmd.Process.Pid])
	}
	if with.threads <= without.threads {
		t.Errorf("%v threads with the child, %v without", with.threads, without.threads)
	}
}

func TestACollectorMeasuresARealProcess(t *testing.T) {
	l := startLoad(t)
	sink := newMemory(t)
	own := l.ownCgroup()
	c := New(Options{Node: true, Every: 10 * time.Millisecond, Note: sink.note, Processes: []Process{
		{Target: TargetRuntime, PID: l.cmd.Process.Pid, Cgroup: own},
		{Target: TargetClient, PID: os.Getpid()},
	}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	before := time.Duration(l.do("nothing"))
	go func() { done <- c.Collect(ctx, sink) }()
	after := time.Duration(l.do("burn"))
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	cpu := sink.values["runtime cpu_seconds_total"]
	got := time.Duration((cpu[len(cpu)-1] - cpu[0]) * 1e9)
	// The collector may begin a little into the burning, never before it.
	if got > after-before+2*userTick {
		t.Errorf("the collector saw %v of CPU time, and the process used %v", got, after-before)
	}
	source := sink.source(TargetRuntime, SeriesCPUSeconds)
	if want := map[bool]string{true: "cgroup_", false: "process_tree"}[own != ""]; !strings.HasPrefix(source, want) {
		t.Errorf("the CPU time is from %s, want %s", source, want)
	}
	for _, key := range []string{"runtime memory_working_set_bytes", "runtime threads", "client memory_rss_bytes", "client collector_cpu_seconds_total", "node memory_available_bytes"} {
		if v := sink.values[key]; len(v) == 0 || v[len(v)-1] <= 0 {
			t.Errorf("%s: %v", key, v)
		}
	}
}

// ownCgroup puts the process into cgroups of its own where this test may make some, and returns one's folder; "": it
// may not.
func (l *load) ownCgroup() string {
	pid := strconv.Itoa(l.cmd.Process.Pid)
	var first string
	for _, hierarchy := range []string{"cpuacct", "memory", ""} {
		mount := filepath.Join("/sys/fs/cgroup", hierarchy)
		if _, err := os.Stat(filepath.Join(mount, "cgroup.procs")); err != nil {
			continue
		}
		dir := filepath.Join(mount, "llmscen-test-"+pid)
		if err := os.Mkdir(dir, 0o755); err != nil {
			continue
		}
		l.t.Cleanup(func() {
			l.end() // a cgroup goes when it is empty
			if err := os.Remove(dir); err != nil {
				l.t.Error(err)
			}
		})
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(pid), 0o644); err == nil && first == "" {
			first = dir
		}
	}
	return first
}

func TestTheNameOfAProcessMayHoldAnything(t *testing.T) {
	line := "7 (a) b (c) S 3 0 0 0 -1 0 0 0 0 0 1 2 3 4 20 0 5 0 9 10 11 12"
	s, ok := parseStat([]byte(line))
	want := stat{parent: 3, user: 10e6, system: 20e6, waitedUser: 30e6, waitedSystem: 40e6, threads: 5, rssPages: 11}
	if !ok || s != want {
		t.Errorf("got %+v, want %+v", s, want)
	}
}

func FuzzNoStatLinePanics(f *testing.F) {
	f.Add([]byte("7 (a) b (c) S 3 0 0 0 -1 0 0 0 0 0 1 2 3 4 20 0 5 0 9 10 11 12"))
	f.Add([]byte("7 (a"))
	f.Fuzz(func(t *testing.T, b []byte) {
		parseStat(b)
		stalledUS(b)
		valueOf(b, "total")
	})
}
