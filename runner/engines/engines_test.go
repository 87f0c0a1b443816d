package engines

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/llmscen/llmscen/scenarios"
)

// full is a start with everything said.
func full() Start {
	return Start{
		Model: "org/model", Name: "org/model", Host: "127.0.0.1", Port: 8081, ContextTokens: 512, Parallel: 4, Threads: 2,
	}
}

// ofFile is a start with the file of a model.
func ofFile(file string) Start {
	s := full()
	s.Model, s.Name, s.File = file, NameOf(file), file
	return s
}

func TestEachEngineIsStartedWithItsOwnArguments(t *testing.T) {
	wasmedge := ofFile("/m/tiny.gguf")
	wasmedge.Files = []string{"/e/llama-api-server.wasm"}
	resetting := ofFile("/m/tiny.gguf")
	resetting.ResetsCache = true
	baked := full()
	baked.Model, baked.Name = "/models/in-image.gguf", "in-image"
	for _, c := range []struct {
		name   string
		engine string
		start  Start
		want   string
	}{
		{"a model of the store", "ollama", full(), "serve"},
		{"a file has its name, and the context for each slot", "llamacpp", ofFile("/m/tiny.gguf"),
			"--model /m/tiny.gguf --alias tiny --host 127.0.0.1 --port 8081 --ctx-size 2048 --parallel 4 --threads 2 --threads-http 260 --metrics --slots"},
		{"a name is one of Hugging Face", "llamacpp", Start{Model: "org/model", Host: "127.0.0.1", Port: 8081},
			"-hf org/model --host 127.0.0.1 --port 8081 --threads-http 256 --metrics --slots"},
		{"a path in an image", "llamacpp", baked,
			"--model /models/in-image.gguf --alias in-image --host 127.0.0.1 --port 8081 --ctx-size 2048 --parallel 4 --threads 2 --threads-http 260 --metrics --slots"},
		{"slots that will be erased", "llamacpp", resetting,
			"--model /m/tiny.gguf --alias tiny --host 127.0.0.1 --port 8081 --ctx-size 2048 --parallel 4 --threads 2 --threads-http 260 --metrics --slots --slot-save-path /tmp --cache-ram 0"},
		{"one slot only", "wllama", ofFile("/m/tiny.gguf"), "--model /m/tiny.gguf --alias tiny --host 127.0.0.1 --port 8081 --ctx-size 512"},
		{"the server is a file", "wasmedge", wasmedge,
			"--dir /m:/m --nn-preload default:GGML:AUTO:/m/tiny.gguf /e/llama-api-server.wasm --model-name tiny --prompt-template gemma-instruct --socket-addr 127.0.0.1:8081 --ctx-size 512 --threads 2"},
		{"all of it", "vllm", full(), "serve org/model --host 127.0.0.1 --port 8081 --max-model-len 512 --max-num-seqs 4"},
		{"nothing is said", "vllm", Start{Model: "m", Host: "127.0.0.1", Port: 8081}, "serve m --host 127.0.0.1 --port 8081"},
		{"room for one token", "tgi", full(), "--model-id org/model --hostname 127.0.0.1 --port 8081 --max-input-tokens 511 --max-total-tokens 512 --max-batch-size 4"},
		{"nothing is said", "tgi", Start{Model: "m", Host: "127.0.0.1", Port: 8081}, "--model-id m --hostname 127.0.0.1 --port 8081"},
		{"all of it", "sglang", full(), "serve --model-path org/model --host 127.0.0.1 --port 8081 --context-length 512 --max-running-requests 4 --enable-metrics"},
	} {
		e, ok := Find(c.engine)
		if !ok {
			t.Fatalf("there is no %s", c.engine)
		}
		if got := strings.Join(e.Arguments(c.start), " "); got != c.want {
			t.Errorf("%s, %s:\n got %s\nwant %s", c.engine, c.name, got, c.want)
		}
	}
}

func TestAnArgumentOfTheScenarioIsNotSaidTwice(t *testing.T) {
	s := full()
	s.Program, s.Args = []string{"serve"}, []string{"--max-num-seqs=8", "--enforce-eager", "--port", "9"}
	e, _ := Find("vllm")
	want := []string{"serve", "org/model", "--host", "127.0.0.1", "--max-model-len", "512", "--max-num-seqs=8", "--enforce-eager", "--port", "9"}
	if got := e.Arguments(s); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEnginesThatTakeVariablesAreGivenThem(t *testing.T) {
	s := full()
	s.Store, s.ResetsCache = "/store", true
	for engine, want := range map[string]map[string]string{
		"ollama": {
			"OLLAMA_HOST": "127.0.0.1:8081", "OLLAMA_KEEP_ALIVE": "-1", "OLLAMA_MAX_LOADED_MODELS": "1", "OLLAMA_NO_CLOUD": "1", "OLLAMA_NOPRUNE": "1",
			"OLLAMA_CONTEXT_LENGTH": "512", "OLLAMA_NUM_PARALLEL": "4", "OLLAMA_MODELS": "/store",
		},
		"vllm":     {"OMP_NUM_THREADS": "2", "VLLM_SERVER_DEV_MODE": "1"},
		"llamacpp": {},
	} {
		e, _ := Find(engine)
		if got := e.Environment(s); !maps.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", engine, got, want)
		}
	}
	e, _ := Find("ollama")
	if got := e.Environment(Start{Host: "0.0.0.0", Port: 11434}); len(got) != 5 || got["OLLAMA_HOST"] != "0.0.0.0:11434" {
		t.Errorf("where nothing is said: %v", got)
	}
}

func TestThreadsAreNoMoreThanTheProcessorsThatMayBeUsed(t *testing.T) {
	for _, c := range []struct {
		threads int
		cpus    float64
		want    int
	}{{0, 0, 0}, {3, 1, 3}, {0, 2.5, 2}, {0, 0.5, 1}} {
		if got := StartOf(scenarios.Runtime{Threads: c.threads}, c.cpus).Threads; got != c.want {
			t.Errorf("threads %d on %g CPUs: %d, want %d", c.threads, c.cpus, got, c.want)
		}
	}
	s := StartOf(scenarios.Runtime{Model: "m", Command: []string{"mine", "--fast"}, Args: []string{"-x"}}, 0)
	if !reflect.DeepEqual(s, Start{Model: "m", Name: "m", Program: []string{"--fast"}, Args: []string{"-x"}}) {
		t.Errorf("%+v", s)
	}
}

func TestEachRowOfTheTableIsComplete(t *testing.T) {
	for _, e := range All() {
		if e.Title == "" || e.Model == "" || e.Identity == "" || e.Tried == "" || e.ReadyTimeout == 0 || !e.TakesFiles && !e.TakesNames {
			t.Errorf("%s lacks something that a reader wants to know", e.Name)
		}
		if e.Starts() && (len(e.Programs) == 0 || e.ImagePort == 0 || e.Ready == "" || len(e.Protocols) == 0) {
			t.Errorf("%s lacks something that a driver needs", e.Name)
		}
		if e.Reset == "" && e.reset != nil || e.reset == nil && e.Reset != "" && !e.Carried {
			t.Errorf("%s: its reset is told and not made, or the other way round", e.Name)
		}
		if len(e.Keep) > 0 && e.MetricsPath == "" {
			t.Errorf("%s keeps metrics that it does not show", e.Name)
		}
	}
	if _, ok := Find("nope"); ok {
		t.Error("found an engine that there isn't")
	}
	e, _ := Find("vllm")
	if e.Speaks("ollama") || !e.Speaks("openai") || e.CanResetCache() != true {
		t.Errorf("%+v", e)
	}
}

func write(t *testing.T, mode os.FileMode, path ...string) string {
	t.Helper()
	name := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte("#!/bin/sh\n"), mode); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestAProgramIsFoundAboveFirstAndThenOnThePath(t *testing.T) {
	root := t.TempDir()
	below := filepath.Join(root, "a", "b")
	if err := os.MkdirAll(below, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "path")
	installed := write(t, 0o755, path, "llama-server")
	write(t, 0o644, path, "no-program")
	t.Setenv("PATH", path)

	got, err := Locate(below, "llamacpp-server", "llama-server")
	if err != nil || got != installed {
		t.Errorf("found %q, %v; want %q", got, err, installed)
	}
	built := write(t, 0o755, root, Folder, "llamacpp-server")
	if got, err := Locate(below, "llamacpp-server", "llama-server"); err != nil || got != built {
		t.Errorf("found %q, %v; want %q", got, err, built)
	}
	nearer := write(t, 0o755, root, "a", Folder, "llama-server")
	if got, err := Locate(below, "llama-server"); err != nil || got != nearer {
		t.Errorf("found %q, %v; want %q", got, err, nearer)
	}
	if _, err := Locate(below, "no-program"); err == nil || !strings.Contains(err.Error(), "no-program is neither in .engines/bin below "+below) {
		t.Error(err)
	}
	beside := write(t, 0o644, root, Folder, "server.wasm")
	if got, err := LocateFile(below, "server.wasm"); err != nil || got != beside {
		t.Errorf("found %q, %v; want %q", got, err, beside)
	}
	if _, err := LocateFile(below, "other.wasm"); err == nil {
		t.Error("found a file that there isn't")
	}
}

func TestAModelIsFoundByItsName(t *testing.T) {
	root := t.TempDir()
	below := filepath.Join(root, "a")
	if err := os.MkdirAll(below, 0o755); err != nil {
		t.Fatal(err)
	}
	built := write(t, 0o644, root, ModelsFolder, "large.gguf")
	write(t, 0o644, root, "secret.gguf")
	for name, want := range map[string]string{"large": built, "small": "", "": "", "../../secret": "", "org/large": ""} {
		if got := LocateModel(below, name); got != want {
			t.Errorf("%q: found %q, want %q", name, got, want)
		}
	}
}
