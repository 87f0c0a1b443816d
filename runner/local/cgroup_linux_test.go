package local

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/llmscen/llmscen/runner"
	"github.com/llmscen/llmscen/runner/embedded/wasm"
	"github.com/llmscen/llmscen/scenarios"
)

func TestACommandBeyondItsMemoryIsToldAsKilledForMemory(t *testing.T) {
	n := &notes{}
	d := New(Options{StopGrace: time.Millisecond, Note: n.add})
	dep := serverDeployment()
	dep.Runtime.Command = []string{os.Args[0], "be-greedy"}
	dep.Runtime.Resources.Memory = 48 << 20
	e := start(t, d, dep)
	if e.Targets[0].Cgroup == "" {
		assertFallback(t, n, "its limit of 48MiB does not hold")
		return // it would eat this machine's memory
	}
	if r, err := http.Get(e.Targets[0].URL + "/eat"); err == nil {
		_ = r.Body.Close()
	}
	<-e.Died
	if got := e.Death(); !strings.HasPrefix(got, "The command of runtime.mine was killed by the kernel at its memory limit of 48MiB (it had used up to 4") {
		t.Error(got)
	}
}

func TestAChildThatIsKilledForMemoryIsToldWhileItsServerLives(t *testing.T) {
	n := &notes{}
	dep := engineDeployment("llamacpp", wasm.CarriedModel)
	dep.Runtime.Command, dep.Runtime.Resources.Memory = []string{os.Args[0], "be-engine"}, 64<<20
	e := start(t, New(Options{CacheDir: t.TempDir(), StopGrace: time.Millisecond, Note: n.add}), dep)
	if e.Targets[0].Cgroup == "" {
		assertFallback(t, n, "its limit of 64MiB does not hold")
		return // it would eat this machine's memory
	}
	get(t, e.Targets[0].URL+"/lose-a-child")
	got := <-e.Findings
	if !strings.HasPrefix(got, "a process of the runtime, which lives on, was killed by the kernel at its memory limit of 64MiB") {
		t.Error(got)
	}
	select {
	case <-e.Died:
		t.Error("the server is said to have died")
	default:
	}
	get(t, e.Targets[0].URL+"/health")
}

func assertFallback(t *testing.T, n *notes, lost string) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.lines) != 1 || !strings.Contains(n.lines[0], "runtime.mine has no cgroup of its own (") || !strings.Contains(n.lines[0], lost) {
		t.Errorf("%q", n.lines)
	}
}

func TestWholeCPUsAreASetOfTheirOwn(t *testing.T) {
	n := &notes{}
	d := New(Options{StopGrace: time.Millisecond, Note: n.add})
	dep := serverDeployment()
	dep.NodePool = &scenarios.NodePool{CPUs: 1}
	dep.Runtime.Resources.CPUs = 1.5
	e := start(t, d, dep)
	if e.Targets[0].Cgroup == "" {
		assertFallback(t, n, "its limit of 1 CPUs does not hold")
		return
	}
	if got := get(t, e.Targets[0].URL+"/cpus"); got != "1" {
		t.Errorf("it may run on %s CPUs", got)
	}
}

func TestAProcessIsBornInItsCgroup(t *testing.T) {
	d := New(Options{})
	e := start(t, d, simulatedDeployment())
	if e.Targets[0].Cgroup == "" {
		return // what is said then is tested above
	}
	procs, err := os.ReadFile(filepath.Join(e.Targets[0].Cgroup, "cgroup.procs"))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(string(procs)); got != strconv.Itoa(e.Targets[0].PID) {
		t.Errorf("in the cgroup is %q, not %d", got, e.Targets[0].PID)
	}
	own, err := ownPaths()
	if err != nil {
		t.Fatal(err)
	}
	for controllers, path := range own {
		if strings.Contains(path, "llmscen-"+strconv.Itoa(os.Getpid())) {
			t.Errorf("we are in the child's cgroup %s of %q", path, controllers)
		}
	}
}

func TestMountsOfEitherVersionAreUnderstood(t *testing.T) {
	for _, c := range []struct {
		line string
		want hierarchy
		root string
		ok   bool
	}{
		{"30 23 0:26 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory", hierarchy{mount: "/sys/fs/cgroup/memory", controllers: []string{"rw", "memory"}}, "/", true},
		{"31 23 0:27 /docker/1f /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct", hierarchy{mount: "/sys/fs/cgroup/cpu,cpuacct", controllers: []string{"rw", "cpu", "cpuacct"}}, "/docker/1f", true},
		{"25 20 0:23 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate", hierarchy{mount: "/sys/fs/cgroup", v2: true}, "/", true},
		{"22 1 8:1 / / rw - ext4 /dev/sda1 rw", hierarchy{mount: "/"}, "/", false},
		{"rubbish", hierarchy{}, "", false},
	} {
		h, root, ok := parseMount(c.line)
		if ok != c.ok || ok && (root != c.root || h.mount != c.want.mount || h.v2 != c.want.v2 || !slices.Equal(h.controllers, c.want.controllers)) {
			t.Errorf("%s: %+v, %q, %t", c.line, h, root, ok)
		}
	}
}

func TestTheSmallerLimitOfRuntimeAndPoolHolds(t *testing.T) {
	for _, c := range []struct {
		runtime, pool, want limits
	}{
		{limits{}, limits{}, limits{}},
		{limits{cpus: 2, memory: 100}, limits{}, limits{cpus: 2, memory: 100}},
		{limits{}, limits{cpus: 2, memory: 100}, limits{cpus: 2, memory: 100}},
		{limits{cpus: 1.5, memory: 200}, limits{cpus: 2, memory: 100}, limits{cpus: 1.5, memory: 100}},
	} {
		got := limitsOf(runner.Deployment{
			Runtime:  scenarios.Runtime{Resources: scenarios.Resources{CPUs: c.runtime.cpus, Memory: c.runtime.memory}},
			NodePool: &scenarios.NodePool{CPUs: c.pool.cpus, Memory: c.pool.memory},
		})
		if got.cpus != c.want.cpus || got.memory != c.want.memory {
			t.Errorf("%+v and %+v gave %+v", c.runtime, c.pool, got)
		}
	}
}

func TestCPUsThatAreTakenAreNotGivenAgain(t *testing.T) {
	all := allowedCPUs()
	l := limits{cpus: 1}
	l.pin(nil)
	if !slices.Equal(l.pinned, all[len(all)-1:]) || l.quota() != 0 {
		t.Errorf("%+v of %v", l, all)
	}
	l = limits{cpus: 1}
	l.pin(all)
	if l.pinned != nil || l.quota() != cpuPeriod.Microseconds() {
		t.Errorf("%+v where all are taken: a quota of one CPU was wanted", l)
	}
	l = limits{cpus: 0.5}
	l.pin(nil)
	if l.pinned != nil || l.quota() != cpuPeriod.Microseconds()/2 {
		t.Errorf("%+v of half a CPU", l)
	}
}
