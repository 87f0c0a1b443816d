package engines

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// ollamaServer answers as Ollama 0.17.4 did, for the calls of a start.
type ollamaServer struct {
	mu     sync.Mutex
	models map[string]string // name to digest
	blobs  map[string]string
	calls  []string
	made   map[string]any
}

func (o *ollamaServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	var in map[string]any
	_ = json.Unmarshal(body, &in) // a blob is none
	call := r.Method + " " + r.URL.Path
	if v, ok := in["keep_alive"]; ok {
		call += fmt.Sprintf(" keep_alive=%v", v)
	}
	o.calls = append(o.calls, call)
	blob, isBlob := strings.CutPrefix(r.URL.Path, "/api/blobs/")
	switch {
	case r.URL.Path == "/api/version":
		fmt.Fprint(w, `{"version":"0.17.4"}`)
	case isBlob && r.Method == http.MethodHead:
		if _, ok := o.blobs[blob]; !ok {
			w.WriteHeader(http.StatusNotFound)
		}
	case isBlob:
		o.blobs[blob] = string(body)
		w.WriteHeader(http.StatusCreated)
	case r.URL.Path == "/api/create":
		o.made = in
		o.models[in["model"].(string)+":latest"] = "d1"
		fmt.Fprint(w, `{"status":"success"}`)
	case r.URL.Path == "/api/pull":
		o.models[in["model"].(string)] = "d2"
		fmt.Fprint(w, `{"status":"success"}`)
	case r.URL.Path == "/api/tags":
		var all []map[string]any
		for name, digest := range o.models {
			all = append(all, map[string]any{"name": name, "digest": digest, "details": map[string]string{"quantization_level": "F32"}})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"models": all})
	case r.URL.Path == "/api/generate":
		fmt.Fprint(w, `{"done":true,"done_reason":"load"}`)
	case r.URL.Path == "/api/ps":
		fmt.Fprint(w, `{"models":[{"name":"m","context_length":1024}]}`)
	default:
		http.NotFound(w, r)
	}
}

func startOllama(t *testing.T) (*ollamaServer, *Engine, string) {
	t.Helper()
	o := &ollamaServer{models: map[string]string{}, blobs: map[string]string{}}
	server := httptest.NewServer(o)
	t.Cleanup(server.Close)
	e, _ := Find("ollama")
	return o, e, server.URL
}

func TestOllamaIsGivenAFileOnceAndLoadsItsModel(t *testing.T) {
	o, e, url := startOllama(t)
	file := filepath.Join(t.TempDir(), "tiny.gguf")
	if err := os.WriteFile(file, []byte("GGUF"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := Start{Model: file, File: file, HostFile: file, Name: "tiny", SHA256: "abc", Architecture: "gemma3", ContextTokens: 1024, Threads: 1}
	f, err := e.Prepare(t.Context(), http.DefaultClient, url, s)
	if err != nil {
		t.Fatal(err)
	}
	if f.Version != "0.17.4" || f.ModelDigest != "sha256:d1" || f.Quantization != "F32" || f.ContextTokens != 1024 || len(f.Notes) > 0 {
		t.Errorf("%+v", f)
	}
	if o.blobs["sha256:abc"] != "GGUF" {
		t.Errorf("uploaded %q", o.blobs)
	}
	made, err := json.Marshal(o.made)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"files":{"tiny.gguf":"sha256:abc"}`, `"num_ctx":1024`, `"num_thread":1`, `"template":"{{ range .Messages }}`, `"model":"tiny"`} {
		if !strings.Contains(string(made), want) {
			t.Errorf("%s does not have %s", made, want)
		}
	}
	o.calls = nil
	if _, err := e.Prepare(t.Context(), http.DefaultClient, url, s); err != nil {
		t.Fatal(err)
	}
	want := []string{"GET /api/version", "HEAD /api/blobs/sha256:abc", "POST /api/create", "GET /api/tags", "POST /api/generate keep_alive=-1", "GET /api/ps"}
	if !slices.Equal(o.calls, want) {
		t.Errorf("the second time: %q, want %q", o.calls, want)
	}
}

func TestOllamaServesAModelOfItsStoreOrSaysHowToGetIt(t *testing.T) {
	o, e, url := startOllama(t)
	s := Start{Model: "gemma3:270m", Name: "gemma3:270m", ContextTokens: 2048}
	_, err := e.Prepare(t.Context(), http.DefaultClient, url, s)
	if err == nil || !errors.Is(err, ErrNoModel) || !strings.Contains(err.Error(), "`ollama pull gemma3:270m` gets it") {
		t.Error(err)
	}
	s.Fetch = true
	f, err := e.Prepare(t.Context(), http.DefaultClient, url, s)
	if err != nil || f.ModelDigest != "sha256:d2" {
		t.Errorf("%+v, %v", f, err)
	}
	if len(f.Notes) != 1 || !strings.Contains(f.Notes[0], "with a context of 1024 tokens, and 2048 were asked for") {
		t.Errorf("%q", f.Notes)
	}
	o.calls = nil
	if err := e.ResetCache(t.Context(), http.DefaultClient, url, s); err != nil {
		t.Fatal(err)
	}
	if want := []string{"POST /api/generate keep_alive=0", "POST /api/generate keep_alive=-1"}; !slices.Equal(o.calls, want) {
		t.Errorf("%q, want %q", o.calls, want)
	}
}

// answers serves fixed bodies by path, and keeps what was asked.
func answers(t *testing.T, bodies map[string]string) (url string, asked func() []string) {
	t.Helper()
	var mu sync.Mutex
	var all []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, r.Method+" "+r.URL.RequestURI())
		body, ok := bodies[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	return server.URL, func() []string { mu.Lock(); defer mu.Unlock(); return slices.Clone(all) }
}

func TestAServerIsAskedWhatItIs(t *testing.T) {
	for _, c := range []struct {
		engine string
		bodies map[string]string
		want   Facts
	}{
		{"llamacpp", map[string]string{"/props": `{"build_info":"b6700-abc","default_generation_settings":{"n_ctx":512}}`}, Facts{Version: "b6700-abc", ContextTokens: 512}},
		{"llamacpp", map[string]string{"/props": `{"build_info":"b0-unknown"}`}, Facts{}},
		{"llamacpp", nil, Facts{}},
		{"vllm", map[string]string{"/version": `{"version":"0.26.0"}`, "/v1/models": `{"data":[{"id":"m","max_model_len":4096}]}`}, Facts{Version: "0.26.0", ContextTokens: 4096}},
		{"tgi", map[string]string{"/info": `{"version":"3.3.7","model_sha":"9b1","model_dtype":"float16","max_total_tokens":2048}`},
			Facts{Version: "3.3.7", ModelDigest: "revision:9b1", Quantization: "float16", ContextTokens: 2048}},
		{"tgi", map[string]string{"/info": `{"docker_label":null}`}, Facts{}},
		{"sglang", map[string]string{"/get_server_info": `{"version":"0.5.21"}`}, Facts{Version: "0.5.21"}},
		{"wasmedge", map[string]string{"/v1/info": `{"api_server":{"type":"llama","version":"0.28.1"}}`}, Facts{Version: "0.28.1"}},
		{"wllama", nil, Facts{}},
	} {
		url, _ := answers(t, c.bodies)
		e, _ := Find(c.engine)
		got, err := e.Prepare(t.Context(), http.DefaultClient, url, Start{Name: "m"})
		if err != nil || fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: %+v, %v; want %+v", c.engine, got, err, c.want)
		}
	}
}

func TestCachesAreMadeColdInEachEnginesOwnWay(t *testing.T) {
	for engine, want := range map[string][]string{
		"llamacpp": {"GET /slots", "POST /slots/0?action=erase", "POST /slots/1?action=erase"},
		"vllm":     {"POST /reset_prefix_cache"},
		"sglang":   {"POST /flush_cache"},
		"wasm":     nil,
	} {
		url, asked := answers(t, map[string]string{
			"/slots": `[{"id":0},{"id":1}]`, "/slots/0": `{"id_slot":0}`, "/slots/1": `{"id_slot":1}`, "/reset_prefix_cache": "", "/flush_cache": "Cache flushed.",
		})
		e, _ := Find(engine)
		if err := e.ResetCache(t.Context(), http.DefaultClient, url, Start{}); err != nil {
			t.Errorf("%s: %v", engine, err)
		}
		if got := asked(); !slices.Equal(got, want) {
			t.Errorf("%s was asked %q, want %q", engine, got, want)
		}
	}
	url, _ := answers(t, map[string]string{"/slots": `[{"id":0}]`})
	e, _ := Find("llamacpp")
	if err := e.ResetCache(t.Context(), http.DefaultClient, url, Start{}); err == nil || !strings.HasPrefix(err.Error(), "erasing slot 0: POST /slots/0?action=erase answered 404 Not Found") {
		t.Error(err)
	}
}
