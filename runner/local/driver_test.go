package local

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llmscen/llmscen/runner"
	"github.com/llmscen/llmscen/scenarios"
)

func get(t *testing.T, url string) string {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func start(t *testing.T, d *Driver, dep runner.Deployment) runner.Endpoint {
	t.Helper()
	e, err := d.Start(t.Context(), dep)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Stop(t.Context(), dep); err != nil {
			t.Error(err)
		}
	})
	return e
}

func TestASimulatedRuntimeIsAChildThatServesAndGoes(t *testing.T) {
	j, dep := &journal{}, simulatedDeployment()
	d := New(Options{Journal: j.write})
	e, err := d.Start(t.Context(), dep)
	if err != nil {
		t.Fatal(err)
	}
	target := e.Targets[0]
	if e.Model != "simulated" || e.Via != "round_robin" || target.PID == 0 || target.MetricsURL != target.URL+"/metrics" {
		t.Errorf("%+v", e)
	}
	if got := get(t, target.URL+"/health"); got != `{"status":"ok"}` {
		t.Error(got)
	}
	gone := watch(t, target.PID)
	if err := d.Stop(t.Context(), dep); err != nil {
		t.Fatal(err)
	}
	gone()
	if target.Cgroup != "" {
		if _, err := os.Stat(target.Cgroup); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the cgroup %s is still there", target.Cgroup)
		}
	}
	all := j.all()
	if len(all) != 2 || all[0].Kind != runner.ProcessStarted || all[1].Kind != runner.ProcessEnded ||
		all[0].PID != target.PID || all[1].PID != target.PID || all[0].StartTime == 0 || all[0].StartTime != all[1].StartTime {
		t.Errorf("%+v", all)
	}
	select {
	case <-e.Died:
		t.Error("a runtime that was stopped did not die")
	default:
	}
	if err := d.Stop(t.Context(), dep); err != nil {
		t.Errorf("stopping what is not up: %v", err)
	}
}

func TestADeploymentThatIsUpIsReturnedAsItIs(t *testing.T) {
	d := New(Options{})
	first := start(t, d, simulatedDeployment())
	second := start(t, d, simulatedDeployment())
	if first.Targets[0] != second.Targets[0] {
		t.Errorf("%+v and %+v", first, second)
	}
}

func TestARuntimeThatDiedIsTold(t *testing.T) {
	d := New(Options{})
	e := start(t, d, simulatedDeployment())
	if err := syscall.Kill(e.Targets[0].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-e.Died
	if got := e.Death(); !strings.HasPrefix(got, "The runtime runtime.fake was ended by signal 9 (killed), ") {
		t.Error(got)
	}
	again := start(t, d, simulatedDeployment())
	if again.Targets[0].PID == e.Targets[0].PID {
		t.Error("the dead one was returned")
	}
}

func TestARuntimeThatCanNotStartSaysWhy(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*scenarios.Runtime)
		want   []string
	}{
		"a model that is not there": {func(r *scenarios.Runtime) { r.Engine, r.Model = "wasm", "/nowhere/model.gguf" },
			[]string{"starting runtime.fake: The runtime runtime.fake ended by itself with exit code 1, ", "It wrote last:\n  Error: opening the model: open /nowhere/model.gguf"}},
		"another engine": {func(r *scenarios.Runtime) { r.Engine = "elsewhere" },
			[]string{"starting runtime.fake: engine elsewhere is not one that this version knows"}},
		"no command": {func(r *scenarios.Runtime) { r.Engine = "command" }, []string{"starting runtime.fake: it has no command"}},
		"a program that is not there": {func(r *scenarios.Runtime) { r.Engine, r.Command = "command", []string{"/nowhere/server"} },
			[]string{"starting runtime.fake: starting The command of runtime.fake: ", "/nowhere/server: no such file or directory"}},
		"a program that ends": {func(r *scenarios.Runtime) { r.Engine, r.Command = "command", []string{os.Args[0], "be-broken"} },
			[]string{"starting runtime.fake: The command of runtime.fake ended by itself with exit code 1, ", "It wrote last:\n  loading the model\n  Error: no such model"}},
		"a program that never answers": {func(r *scenarios.Runtime) {
			r.Engine, r.Command, r.Ready.Timeout = "command", []string{os.Args[0], "be-daemon"}, time.Millisecond
		}, []string{"starting runtime.fake: it was not ready after 1ms: "}},
	} {
		t.Run(name, func(t *testing.T) {
			dep := simulatedDeployment()
			c.change(&dep.Runtime)
			j := &journal{}
			_, err := New(Options{Journal: j.write, StopGrace: time.Millisecond}).Start(t.Context(), dep)
			if err == nil {
				t.Fatal("it started")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not have %q", err, want)
				}
			}
			if left := Leftovers(j.all()); len(left) > 0 {
				t.Errorf("left over: %+v", left)
			}
		})
	}
}

func TestACommandIsGivenItsPortAndItsEnvironment(t *testing.T) {
	e := start(t, New(Options{StopGrace: time.Millisecond}), serverDeployment())
	url := e.Targets[0].URL
	_, port, _ := strings.Cut(strings.TrimPrefix(url, "http://"), ":")
	if got := get(t, url+"/env"); got != "hello from "+port {
		t.Error(got)
	}
}

func TestStoppingACommandEndsWhatLeftItsSessionToo(t *testing.T) {
	d, dep := New(Options{StopGrace: time.Millisecond}), serverDeployment()
	e := start(t, d, dep)
	var pids []int
	if err := json.Unmarshal([]byte(get(t, e.Targets[0].URL+"/pids")), &pids); err != nil {
		t.Fatal(err)
	}
	if pids[0] != e.Targets[0].PID {
		t.Errorf("process %d is told, and %d answers", e.Targets[0].PID, pids[0])
	}
	server, daemon := watch(t, pids[0]), watch(t, pids[1])
	if err := d.Stop(t.Context(), dep); err != nil {
		t.Fatal(err)
	}
	server()
	daemon()
}

func TestACommandThatDiedIsToldWithItsLastLines(t *testing.T) {
	d := New(Options{StopGrace: time.Millisecond})
	e := start(t, d, serverDeployment())
	if r, err := http.Get(e.Targets[0].URL + "/crash"); err == nil {
		_ = r.Body.Close()
	}
	<-e.Died
	for range 2 { // whoever asks, and how often
		got := e.Death()
		if !strings.HasPrefix(got, "The command of runtime.mine ended by itself with exit code 42, ") || !strings.HasSuffix(got, "It wrote last:\n  panic: out of cheese[31m") {
			t.Errorf("%q", got)
		}
	}
}

func TestAPortThatIsTakenIsToldBeforeAnythingStarts(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dep := serverDeployment()
	dep.Runtime.Port = l.Addr().(*net.TCPAddr).Port
	_, err = New(Options{}).Start(t.Context(), dep)
	if err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Error(err)
	}
}

func TestAPortThatIsChosenIsNoneThatTheKernelGivesToOthers(t *testing.T) {
	chosen := map[int]bool{}
	for range 20 {
		port, err := choosePort(t.Context(), 0)
		if err != nil || port < chosenFrom || port >= chosenBelow {
			t.Errorf("port %d, %v", port, err)
		}
		chosen[port] = true
	}
	if len(chosen) < 10 {
		t.Errorf("twenty choices gave only %v", chosen)
	}
}

func TestAnEndpointIsAskedUntilItAnswers(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/models" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		if asked.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusUnauthorized) // it runs, and wants a key
	}))
	defer server.Close()
	dep := runner.Deployment{Name: "runtime.there-1", Runtime: scenarios.Runtime{
		Block: scenarios.Block{Addr: "runtime.there"}, Engine: "endpoint", URL: server.URL + "/", Model: "llama", Ready: scenarios.Ready{Timeout: time.Minute},
	}}
	e := start(t, New(Options{}), dep)
	if e.Targets[0].URL != server.URL || e.Targets[0].PID != 0 || e.Died != nil || e.Model != "llama" || asked.Load() != 3 {
		t.Errorf("%+v after %d questions", e, asked.Load())
	}
}

// missing is a server that has nothing.
type missing struct{}

func (missing) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusNotFound, Status: "404 Not Found", Body: http.NoBody, Request: r}, nil
}

func TestAnEndpointThatDoesNotAnswerIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dep := runner.Deployment{Name: "runtime.there-1", Runtime: scenarios.Runtime{
			Block: scenarios.Block{Addr: "runtime.there"}, Engine: "endpoint", URL: "http://127.0.0.1:1",
			Ready: scenarios.Ready{Path: "/ready", Timeout: 50 * time.Millisecond},
		}}
		transport := func(scenarios.Runtime) (http.RoundTripper, error) { return missing{}, nil }
		_, err := New(Options{Transport: transport}).Start(t.Context(), dep)
		want := "starting runtime.there: it was not ready after 50ms: GET http://127.0.0.1:1/ready answered 404 Not Found"
		if err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	})
}

// The promise of two seconds is judged where time is; here all that counts is that nothing stays.
func TestNothingOutlivesAnApplyThatWasKilled(t *testing.T) {
	apply := exec.Command(os.Args[0], "be-llmscen")
	apply.Stderr = os.Stderr
	out, err := apply.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := apply.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var entries []runner.Entry
	if err := json.Unmarshal(line, &entries); err != nil {
		t.Fatal(err)
	}
	var waits []func()
	for _, e := range entries { // a runtime, a supervisor and a command
		waits = append(waits, watch(t, e.PID))
		for _, pid := range descendants(e.PID) {
			waits = append(waits, watch(t, pid))
		}
	}
	if len(waits) < 4 { // the command's daemon is the fourth
		t.Errorf("%d processes", len(waits))
	}
	if err := apply.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = apply.Wait() // it was killed
	for _, wait := range waits {
		wait()
	}
	for _, e := range Leftovers(entries) { // empty cgroups, at most
		if err := Kill(e); err != nil {
			t.Error(err)
		}
	}
	if left := Leftovers(entries); len(left) > 0 {
		t.Errorf("left over: %+v", left)
	}
}

func TestKillLeavesAnotherProcessWithTheSameNumberAlone(t *testing.T) {
	bystander := exec.Command(os.Args[0], "be-daemon")
	if err := bystander.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = bystander.Process.Kill(); _ = bystander.Wait() }()
	pid := bystander.Process.Pid
	other := runner.Entry{PID: pid, StartTime: startTime(pid) + 1}
	if left := Leftovers([]runner.Entry{other}); len(left) > 0 {
		t.Errorf("%+v is taken for ours", left)
	}
	if err := Kill(other); err != nil {
		t.Error(err)
	}
	if startTime(pid) == 0 {
		t.Error("it was killed")
	}
	ours := runner.Entry{PID: pid, StartTime: startTime(pid)}
	if left := Leftovers([]runner.Entry{ours}); !slices.Equal(left, []runner.Entry{ours}) {
		t.Errorf("%+v", left)
	}
	gone := watch(t, pid)
	if err := Kill(ours); err != nil {
		t.Error(err)
	}
	gone()
}
