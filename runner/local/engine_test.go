package local

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/llmscen/llmscen/runner"
	"github.com/llmscen/llmscen/runner/embedded/wasm"
	"github.com/llmscen/llmscen/runner/engines"
	"github.com/llmscen/llmscen/scenarios"
)

func engineDeployment(engine, model string) runner.Deployment {
	return runner.Deployment{Name: "mine-0a1b2c3d", Runtime: scenarios.Runtime{
		Block: scenarios.Block{Addr: "runtime.mine"}, Engine: engine, Protocol: "openai", Model: model,
	}}
}

// startedWith is what the server was started with.
func startedWith(t *testing.T, e runner.Endpoint) started {
	t.Helper()
	var s started
	if err := json.Unmarshal([]byte(get(t, e.Targets[0].URL+"/started")), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// carriedDigest is in SHA256SUMS as well.
const carriedDigest = "sha256:"

func TestAnEngineOfTheTableIsFoundStartedAndAskedWhatItIs(t *testing.T) {
	root := t.TempDir()
	script(t, filepath.Join(root, ".engines", "bin"), "llama-server", "be-engine")
	below := filepath.Join(root, "scenarios")
	if err := os.Mkdir(below, 0o755); err != nil {
		t.Fatal(err)
	}
	dep := engineDeployment("llamacpp", wasm.CarriedModel)
	dep.Runtime.ContextTokens, dep.Runtime.Parallel, dep.Runtime.Args = 256, 2, []string{"--no-webui"}
	dep.Runtime.Resources.CPUs = 1
	cache := t.TempDir()
	e := start(t, New(Options{SearchDir: below, CacheDir: cache, StopGrace: time.Millisecond}), dep)
	if e.LoadTook <= 0 {
		t.Error("it does not tell what of its start was the load of the model")
	}
	if e.EngineVersion != "b6700-fake" || e.Model != wasm.CarriedModel || e.ContextTokens != 256 || e.Quantization != "F32" ||
		!strings.HasPrefix(e.ModelDigest, carriedDigest) || len(e.ModelDigest) != len(carriedDigest)+64 || e.ServedAs != "" {
		t.Errorf("%+v", e)
	}
	if target := e.Targets[0]; target.MetricsURL != target.URL+"/metrics" || target.PID == 0 {
		t.Errorf("%+v", target)
	}
	got := strings.Join(startedWith(t, e).Args, " ")
	file, _, _ := strings.Cut(strings.TrimPrefix(got, "--model "), " ")
	if content, err := os.ReadFile(file); err != nil || !strings.HasPrefix(file, cache) || len(content) != len(wasm.CarriedGGUF()) {
		t.Errorf("the model is at %s: %d bytes, %v", file, len(content), err)
	}
	_, port, _ := strings.Cut(strings.TrimPrefix(e.Targets[0].URL, "http://"), ":")
	want := "--alias tiny-austen-gemma3 --host 127.0.0.1 --port " + port + " --ctx-size 512 --parallel 2 --threads 1 --threads-http 258 --metrics --slots --no-webui"
	if !strings.HasSuffix(got, want) {
		t.Errorf("started with %s, want %s", got, want)
	}
}

// builtModel is a model where `make engines` puts them, by the name built.
func builtModel(t *testing.T, root string) string {
	t.Helper()
	file := filepath.Join(root, engines.ModelsFolder, "built.gguf")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, wasm.CarriedGGUF(), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestABuiltModelIsServedByItsName(t *testing.T) {
	root := t.TempDir()
	file := builtModel(t, root)
	d := New(Options{SearchDir: root, CacheDir: t.TempDir(), StopGrace: time.Millisecond})
	dep := engineDeployment("wllama", "built")
	dep.Runtime.Command = []string{os.Args[0], "be-engine"}
	if e := start(t, d, dep); e.Model != "built" || !strings.HasPrefix(strings.Join(startedWith(t, e).Args, " "), "--model "+file) {
		t.Errorf("%+v", e)
	}
	carried := engineDeployment("wasm", "built")
	carried.Name = "carried"
	if e := start(t, d, carried); e.ModelDigest == "" || e.Quantization != "F32" {
		t.Errorf("%+v", e)
	}
}

func TestAFileBelowTheScenarioIsServedUnderItsOwnName(t *testing.T) {
	file := filepath.Join(t.TempDir(), "my-model.gguf")
	if err := os.WriteFile(file, wasm.CarriedGGUF(), 0o644); err != nil {
		t.Fatal(err)
	}
	dep := engineDeployment("wllama", "models/my-model.gguf")
	dep.Runtime.ModelFile, dep.Runtime.Command = file, []string{os.Args[0], "be-engine"}
	e := start(t, New(Options{CacheDir: t.TempDir(), StopGrace: time.Millisecond}), dep)
	if e.Model != "my-model" || e.ServedAs != "my-model" || e.Quantization != "F32" {
		t.Errorf("%+v", e)
	}
	if got := strings.Join(startedWith(t, e).Args, " "); !strings.HasPrefix(got, "--model "+file+" --alias my-model --host 127.0.0.1 --port ") {
		t.Errorf("started with %s", got)
	}
}

func TestOllamaHasAStoreOfItsOwnForAFile(t *testing.T) {
	cache := t.TempDir()
	dep := engineDeployment("ollama", wasm.CarriedModel)
	dep.Runtime.Command, dep.Runtime.ContextTokens = []string{os.Args[0], "be-engine"}, 512
	dep.Runtime.Env = map[string]string{"OLLAMA_DEBUG": "1"}
	d := New(Options{CacheDir: cache, StopGrace: time.Millisecond})
	e := start(t, d, dep)
	s := startedWith(t, e)
	if !slices.Equal(s.Args, []string{"serve"}) || e.EngineVersion != "0.17.4" || e.Model != wasm.CarriedModel {
		t.Errorf("%q, %+v", s.Args, e)
	}
	_, digest, _ := strings.Cut(e.ModelDigest, ":")
	for _, want := range []string{
		"OLLAMA_MODELS=" + filepath.Join(cache, "ollama", digest[:16]), "OLLAMA_CONTEXT_LENGTH=512", "OLLAMA_KEEP_ALIVE=-1", "OLLAMA_DEBUG=1",
		"OLLAMA_HOST=" + strings.TrimPrefix(e.Targets[0].URL, "http://"),
	} {
		if !slices.Contains(s.Env, want) {
			t.Errorf("it lacks %s in %q", want, s.Env)
		}
	}
	if err := d.ResetCache(t.Context(), dep); err != nil {
		t.Error(err)
	}
}

func TestAModelThatTheStoreLacksIsToldAndNothingIsLeft(t *testing.T) {
	dep := engineDeployment("ollama", "gemma3:270m")
	dep.Runtime.Command = []string{os.Args[0], "be-engine"}
	j := &journal{}
	_, err := New(Options{Journal: j.write, StopGrace: time.Millisecond}).Start(t.Context(), dep)
	if err == nil || err.Error() != "starting runtime.mine: the model is not there: its store has no \"gemma3:270m\", and `ollama pull gemma3:270m` gets it" {
		t.Error(err)
	}
	if left := Leftovers(j.all()); len(left) > 0 {
		t.Errorf("left over: %+v", left)
	}
}

func TestCachesAreResetWhereTheEngineCan(t *testing.T) {
	d := New(Options{CacheDir: t.TempDir(), StopGrace: time.Millisecond})
	for engine, can := range map[string]bool{"llamacpp": true, "wllama": false} {
		dep := engineDeployment(engine, wasm.CarriedModel)
		dep.Name, dep.Runtime.Command, dep.ResetsCache = engine+"-1", []string{os.Args[0], "be-engine"}, can
		if err := d.ResetCache(t.Context(), dep); err == nil || !strings.Contains(err.Error(), "it is not up") {
			t.Error(err)
		}
		start(t, d, dep)
		if err := d.ResetCache(t.Context(), dep); (err == nil) != can {
			t.Errorf("%s: %v", engine, err)
		}
	}
	start(t, d, simulatedDeployment())
	if err := d.ResetCache(t.Context(), simulatedDeployment()); err != nil {
		t.Error(err)
	}
}

func TestWhatAPlanNeedsAndThisMachineLacksIsToldBeforehand(t *testing.T) {
	root := t.TempDir()
	t.Setenv("PATH", root)
	script(t, filepath.Join(root, ".engines", "bin"), "ollama", "be-engine")
	builtModel(t, root)
	with := func(engine, model string, change func(*scenarios.Runtime)) runner.Deployment {
		dep := engineDeployment(engine, model)
		change(&dep.Runtime)
		return dep
	}
	same := func(*scenarios.Runtime) {}
	elsewhere := with("vllm", "m", same)
	elsewhere.NodePool = &scenarios.NodePool{Kind: "kubernetes"}
	for _, c := range []struct {
		dep  runner.Deployment
		want string
	}{
		{with("ollama", "m", same), ""},
		{with("llamacpp", "m", same), "runtime.mine needs the program llamacpp-server or llama-server, which is neither in .engines/bin (below this folder or one above it) nor on the PATH: install it, run `make engines`, or give its command."},
		{with("llamacpp", "m", func(r *scenarios.Runtime) { r.Command = []string{"mine"} }), ""},
		{with("wllama", "m", func(r *scenarios.Runtime) { r.Command = []string{"mine"} }), "runtime.mine is of engine wllama, which serves a GGUF file"},
		{with("wllama", wasm.CarriedModel, func(r *scenarios.Runtime) { r.Command, r.Parallel = []string{"mine"}, 2 }), "runtime.mine says threads or parallel, and wllama has one thread"},
		{with("ollama", "m", func(r *scenarios.Runtime) { r.Threads = 2 }), "runtime.mine says threads, which Ollama takes with a GGUF only"},
		{with("vllm", "m", func(r *scenarios.Runtime) { r.Image = "x" }),
			"runtime.mine has an image, and no container engine answers on this machine (docker is not installed; podman is not installed): start one, or leave the image out."},
		{with("command", "", func(r *scenarios.Runtime) { r.Image = "x" }), "runtime.mine has an image"},
		{with("wllama", "built", func(r *scenarios.Runtime) { r.Command = []string{"mine"} }), ""},
		{with("wasm", "built", same), ""},
		{with("wasm", "m", same), "runtime.mine has the model m, which is neither the carried one nor one of .engines/models"},
		{with("simulated", "", same), ""},
		{elsewhere, ""},
	} {
		got := strings.Join(Preflight(t.Context(), []runner.Deployment{c.dep, c.dep}, root), " ")
		if !strings.HasPrefix(got, c.want) || (c.want == "") != (got == "") {
			t.Errorf("said %q, want %q", got, c.want)
		}
	}
	wasmedge := Preflight(t.Context(), []runner.Deployment{with("wasmedge", wasm.CarriedModel, same)}, root)
	if len(wasmedge) != 2 || !strings.Contains(wasmedge[1], "runtime.mine needs the file llama-api-server.wasm") {
		t.Errorf("%q", wasmedge)
	}
}

func TestARuntimeInAContainerHasItsLimitsAndIsRemoved(t *testing.T) {
	dir := fakeDocker(t)
	j := &journal{}
	d := New(Options{CacheDir: t.TempDir(), Journal: j.write, StopGrace: time.Millisecond})
	dep := engineDeployment("llamacpp", wasm.CarriedModel)
	dep.Runtime.Image = "example.org/llama:1"
	dep.Runtime.Resources = scenarios.Resources{CPUs: 1.5, Memory: 1 << 30}
	dep.Runtime.Env = map[string]string{"A": "b"}
	e, err := d.Start(t.Context(), dep)
	if err != nil {
		t.Fatal(err)
	}
	name := cgroupName(dep.Name)
	if e.Targets[0].PID == 0 || e.Model != wasm.CarriedModel {
		t.Errorf("%+v", e)
	}
	entries := j.all()
	if entries[0].Container != "docker "+name {
		t.Errorf("%+v", entries)
	}
	calls := logged(t, dir)
	run := calls[slices.IndexFunc(calls, func(c string) bool { return strings.HasPrefix(c, "run ") })]
	_, port, _ := strings.Cut(strings.TrimPrefix(e.Targets[0].URL, "http://"), ":")
	for _, want := range []string{
		"run --name " + name + " --publish 127.0.0.1:" + port + ":8080 --cpus 1.5 --memory 1073741824 --memory-swap 1073741824 --volume ",
		":/models/tiny-austen-gemma3.gguf:ro --env A=b example.org/llama:1 --model /models/tiny-austen-gemma3.gguf --alias tiny-austen-gemma3 --host 0.0.0.0 --port 8080 --threads 1 --threads-http 256 --metrics --slots",
	} {
		if !strings.Contains(run, want) {
			t.Errorf("%s\ndoes not have\n%s", run, want)
		}
	}
	if err := d.Stop(t.Context(), dep); err != nil {
		t.Fatal(err)
	}
	if calls := logged(t, dir); !slices.Contains(calls, "rm --force --volumes "+name) {
		t.Errorf("it was not removed: %q", calls)
	}
	if left := Leftovers(entries); len(left) > 0 {
		t.Errorf("left over: %+v", left)
	}
}

func TestAContainerThatWasKilledForMemoryIsTold(t *testing.T) {
	dir := fakeDocker(t)
	dep := engineDeployment("vllm", "org/model")
	dep.Runtime.Image, dep.Runtime.Resources.Memory = "example.org/vllm:1", 2<<30
	e := start(t, New(Options{StopGrace: time.Millisecond}), dep)
	if err := os.WriteFile(filepath.Join(dir, "oom"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if r, err := http.Get(e.Targets[0].URL + "/crash"); err == nil {
		_ = r.Body.Close()
	}
	<-e.Died
	if got := e.Death(); !strings.HasPrefix(got, "vLLM of runtime.mine was killed by the kernel at its memory limit of 2GiB, ") {
		t.Error(got)
	}
}

func TestTheContainerOfAnApplyThatWasKilledIsRemoved(t *testing.T) {
	dir := fakeDocker(t)
	apply := exec.Command(os.Args[0], "be-llmscen")
	apply.Stderr = os.Stderr
	out, err := apply.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := apply.Start(); err != nil {
		t.Fatal(err)
	}
	var entries []runner.Entry
	if err := json.NewDecoder(out).Decode(&entries); err != nil {
		t.Fatal(err)
	}
	supervisor := watch(t, entries[0].PID)
	if err := apply.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = apply.Wait() // it was killed
	supervisor()
	_, name, _ := strings.Cut(entries[0].Container, " ")
	if calls := logged(t, dir); name == "" || !slices.Contains(calls, "rm --force --volumes "+name) {
		t.Errorf("the container %q was not removed: %q", name, calls)
	}
	if left := Leftovers(entries); len(left) > 0 {
		t.Errorf("left over: %+v", left)
	}
}

func TestAContainerOfAnApplyThatIsGoneIsFoundByItsName(t *testing.T) {
	dir := fakeDocker(t)
	name := "llmscen-123-mine-0a1b2c3d"
	if err := os.WriteFile(filepath.Join(dir, "container-"+name), []byte("1"), 0o644); err != nil {
		t.Fatal(err)
	}
	ours := runner.Entry{PID: 1 << 30, StartTime: 1, Container: "docker " + name}
	if left := Leftovers([]runner.Entry{ours}); len(left) != 1 {
		t.Errorf("%+v", left)
	}
	if err := Kill(ours); err != nil {
		t.Error(err)
	}
	if left := Leftovers([]runner.Entry{ours}); len(left) > 0 {
		t.Errorf("left over: %+v", left)
	}
	for _, foreign := range []string{"docker theirs", "sh llmscen-1", "docker llmscen-1 --privileged", "docker"} {
		if c := containerOf(runner.Entry{Container: foreign}); c != nil {
			t.Errorf("%q was taken for a container of ours: %+v", foreign, c)
		}
	}
}

// runnerOf is the process that a fake Ollama has its model in.
func runnerOf(t *testing.T, e runner.Endpoint) int {
	t.Helper()
	answer, err := http.Post(e.Targets[0].URL+"/api/generate", "application/json", strings.NewReader(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var said struct{ Runner int }
	if err := json.NewDecoder(answer.Body).Decode(&said); err != nil {
		t.Fatal(err)
	}
	return said.Runner
}

func TestARunnerThatEndsUnaskedIsToldWhileItsServerLives(t *testing.T) {
	dep := engineDeployment("ollama", wasm.CarriedModel)
	dep.Runtime.Command = []string{os.Args[0], "be-engine"}
	d := New(Options{CacheDir: t.TempDir(), StopGrace: time.Millisecond})
	e := start(t, d, dep)
	if err := d.ResetCache(t.Context(), dep); err != nil { // which ends one, and is not told
		t.Fatal(err)
	}
	pid := runnerOf(t, e)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if told, want := <-e.Findings, fmt.Sprintf("process %d of the runtime, which lives on, ended: %s be-daemon", pid, os.Args[0]); told != want {
		t.Errorf("told %q, want %q", told, want)
	}
}
