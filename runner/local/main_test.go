package local

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/llmscen/llmscen/runner"
	"github.com/llmscen/llmscen/scenarios"
)

// The test binary is the children of its tests: the hidden commands of llmscen, and the programs that runtimes start.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		if role := roles[os.Args[1]]; role != nil {
			if err := role(); err != nil {
				fmt.Fprintln(os.Stderr, "Error:", err)
				os.Exit(1)
			}
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}

var roles = map[string]func() error{
	ServeRuntimeCommand: func() error { return ServeRuntime(context.Background(), os.Stdin, os.Stdout) },
	SuperviseCommand:    func() error { return Supervise(context.Background(), os.Stdin, os.Stdout) },
	"be-server":         beServer,
	"be-daemon":         beDaemon,
	"be-broken":         beBroken,
	"be-greedy":         beGreedy,
	"be-greedy-child":   beGreedyChild,
	"be-engine":         beEngine,
	"be-docker":         beDocker,
	"be-llmscen":        beLlmscen,
}

// beServer answers /pids with its own process and its daemon's: a grandchild that left the session.
func beServer() error {
	daemon := exec.Command(os.Args[0], "be-daemon")
	daemon.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := daemon.Start(); err != nil {
		return err
	}
	http.HandleFunc("/pids", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode([]int{os.Getpid(), daemon.Process.Pid})
	})
	http.HandleFunc("/env", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, os.Getenv("GREETING")) })
	http.HandleFunc("/cpus", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, len(allowedCPUs())) })
	http.HandleFunc("/crash", func(http.ResponseWriter, *http.Request) {
		fmt.Fprintln(os.Stderr, "panic: out of cheese\x1b[31m")
		os.Exit(42)
	})
	return http.ListenAndServe("127.0.0.1:"+os.Args[2], nil)
}

// beDaemon does not go away when it is asked to.
func beDaemon() error {
	signal.Ignore(syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT)
	return waitForDeath()
}

func beBroken() error {
	fmt.Println("loading the model")
	return fmt.Errorf("no such model")
}

// beGreedy takes memory when it is asked to, until it is killed.
func beGreedy() error {
	http.HandleFunc("/eat", func(http.ResponseWriter, *http.Request) {
		for {
			page, err := unix.Mmap(-1, 0, 1<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
			if err != nil {
				return
			}
			for i := 0; i < len(page); i += 4096 {
				page[i] = 1
			}
		}
	})
	return http.ListenAndServe("127.0.0.1:"+os.Args[2], nil)
}

// beLlmscen starts a deployment of each kind, says which processes there are, and waits for its death. Where there is a
// fake docker, the deployment is one in a container.
func beLlmscen() error {
	j := &journal{}
	d := New(Options{Journal: j.write})
	all := []runner.Deployment{simulatedDeployment(), serverDeployment()}
	if os.Getenv("FAKE_DOCKER") != "" {
		all = []runner.Deployment{engineDeployment("vllm", "org/model")}
		all[0].Runtime.Image = "example.org/vllm:1"
	}
	for _, dep := range all {
		if _, err := d.Start(context.Background(), dep); err != nil {
			return err
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(j.all()); err != nil {
		return err
	}
	return waitForDeath()
}

func waitForDeath() error {
	for {
		_ = unix.Pause() // not select {}, which the runtime may take for a deadlock
	}
}

// journal keeps entries in memory.
type journal struct {
	mu      sync.Mutex
	entries []runner.Entry
}

func (j *journal) write(e runner.Entry) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, e)
	return nil
}

func (j *journal) all() []runner.Entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]runner.Entry(nil), j.entries...)
}

// notes keeps sentences in memory.
type notes struct {
	mu    sync.Mutex
	lines []string
}

func (n *notes) add(s string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, s)
}

func simulatedDeployment() runner.Deployment {
	return runner.Deployment{Name: "runtime.fake-0a1b2c3d", Runtime: scenarios.Runtime{
		Block: scenarios.Block{Addr: "runtime.fake"}, Engine: "simulated", Protocol: "openai",
		Simulated: &scenarios.Simulated{TimeToFirstToken: scenarios.Constant(0.001)},
	}}
}

func serverDeployment() runner.Deployment {
	return runner.Deployment{Name: "runtime.mine-0a1b2c3d", Runtime: scenarios.Runtime{
		Block: scenarios.Block{Addr: "runtime.mine"}, Engine: "command", Command: []string{os.Args[0], "be-server"}, Args: []string{"${port}"},
		Env: map[string]string{"GREETING": "hello from ${port}"},
	}}
}

// watch returns a function that waits for the end of a process; watching begins at once, so that no other can take its
// number in between.
func watch(t *testing.T, pid int) (wait func()) {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatalf("watching process %d: %v", pid, err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return func() {
		t.Helper()
		for {
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 30_000)
			if err == unix.EINTR {
				continue
			}
			if err != nil || n == 0 {
				t.Fatalf("process %s has not ended (%v)", strconv.Itoa(pid), err)
			}
			return
		}
	}
}
