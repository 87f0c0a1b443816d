//go:build engines

package check

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/runner/protocol"
	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// tooLong asks each engine for a little more than its context holds.
const tooLong = `scenario "too_long" {}

runtime "wasm" "wasm" {
  context_tokens = 256
}

runtime "llamacpp" "llamacpp" {
  for_each       = toset(["openai", "openai_completions"])
  protocol       = each.value
  model          = "tiny-austen-gemma3"
  context_tokens = 256
  parallel       = 1
  threads        = 1
}

runtime "wllama" "wllama" {
  model          = "tiny-austen-gemma3"
  context_tokens = 256
}

runtime "ollama" "refuses" {
  model          = "random-gemma3-99mb"
  protocol       = "ollama"
  context_tokens = 128
  parallel       = 1
  extra_body     = { truncate = false }
}

runtime "ollama" "cuts" {
  for_each       = toset(["ollama", "openai"])
  protocol       = each.value
  model          = "random-gemma3-99mb"
  context_tokens = 128
  parallel       = 1
}

prompt_set "synthetic" "p" {
  prompts       = 2
  prompt_tokens = 300
  output_tokens = 4
}

load "closed_loop" "l" {
  users    = 1
  requests = 1
}

run "r" {
  matrix = {
    runtime = [
      runtime.wasm, runtime.llamacpp["openai"], runtime.llamacpp["openai_completions"], runtime.wllama,
      runtime.refuses, runtime.cuts["ollama"], runtime.cuts["openai"],
    ]
  }
  runtime    = matrix.runtime
  prompt_set = prompt_set.p
  load       = load.l
  collect    = []
}
`

func TestTooLongAPromptIsRefusedOrKnownToBeCut(t *testing.T) {
	db := applied(t, tooLong)
	all := rows(t, db, "")
	if len(all) != 7 {
		t.Errorf("%d rows, want %d", len(all), 7)
	}
	for _, r := range all {
		cut := strings.Contains(r.TrialID, "cuts")
		switch {
		case cut && (r.ErrorKind != "" || r.PromptTruncated != tables.Some(true) || r.PromptTokens.V > 256 || r.OutputTokens != tables.Some[int32](4)):
			t.Errorf("a prompt that was cut: %s %s %+v", r.ErrorKind, r.ErrorText, r)
		case !cut && (r.ErrorKind != tables.ErrContextOverflow || r.HTTPStatus != 400 || r.OutputTokens.Valid || r.FirstTokenAt != 0 || !strings.Contains(r.ErrorText, "context")):
			t.Errorf("a prompt that was refused: %s %s %+v", r.ErrorKind, r.ErrorText, r)
		}
	}
}

func TestAModelThatIsNotThereIsARowOrIsNotLookedAt(t *testing.T) {
	t.Run("ollama", func(t *testing.T) {
		s := serve(t, "ollama", tiny, 512, 1)
		for _, r := range rows(t, applied(t, relaying(both, s.url, "no-such-model", "")), "") {
			if r.ErrorKind != tables.ErrHTTP4xx || r.HTTPStatus != 404 || !strings.HasSuffix(r.ErrorText, "model 'no-such-model' not found") || r.OutputTokens.Valid || r.TokenSource != "" {
				t.Errorf("%s %s: %+v", r.ErrorKind, r.ErrorText, r)
			}
		}
	})
	t.Run("llamacpp", func(t *testing.T) {
		s := serve(t, "llamacpp", tiny, 512, 1)
		for _, r := range rows(t, applied(t, relaying(openAI, s.url, "no-such-model", closing)), "") {
			if r.ErrorKind != "" || r.OutputTokens != tables.Some[int32](8) || r.ConnReused {
				t.Errorf("%s %s: %+v", r.ErrorKind, r.ErrorText, r)
			}
		}
	})
}

// closing is what the table of engines has for llama.cpp.
const closing = `headers = { Connection = "close" }`

// asking is a client of a server, as a worker has one.
func asking(t *testing.T, engine, wire, url, model string) *protocol.Client {
	t.Helper()
	ends := false
	r := scenarios.Runtime{Engine: engine, Protocol: wire, Model: model, Headers: map[string]string{"Connection": "close"}, Sampling: scenarios.Sampling{IgnoreEOS: &ends}}
	c, err := protocol.New(protocol.Options{Runtime: r, Targets: []protocol.Target{{ID: "t", URL: url}}, TrialID: "trial"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func story(tokens int32) load.Request {
	return load.Request{Prompt: load.Prompt{Messages: []load.Message{{Role: "user", Content: "Tell me a story."}}, OutputTokens: tokens}}
}

// ask makes a request; ctx may end it.
func ask(ctx context.Context, t *testing.T, c *protocol.Client, r load.Request) (load.Answer, *load.Timeline) {
	t.Helper()
	var timeline load.Timeline
	timeline.Reset()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	a, err := c.Generate(ctx, r, &timeline)
	if err != nil {
		t.Fatal(err)
	}
	return a, &timeline
}

// TestAServerThatLoadsSaysSo asks llama.cpp's server from its start on: nobody listens, then it loads, then it answers.
func TestAServerThatLoadsSaysSo(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	listener.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "bin", "llamacpp-server"), "--model", model(big), "--port", strconv.Itoa(port), "--threads", "1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cancel(); _ = cmd.Wait() }() // it is killed
	c := asking(t, "llamacpp", "openai", fmt.Sprintf("http://127.0.0.1:%d", port), big)
	var kinds []tables.ErrorKind
	for a := (load.Answer{ErrorKind: "none yet"}); a.ErrorKind != ""; {
		a, _ = ask(ctx, t, c, story(1))
		if a.ErrorKind == tables.ErrHTTP5xx && (a.HTTPStatus != 503 || !strings.HasSuffix(a.ErrorText, "Loading model")) {
			t.Errorf("%d %s", a.HTTPStatus, a.ErrorText)
		}
		if len(kinds) == 0 || kinds[len(kinds)-1] != a.ErrorKind {
			kinds = append(kinds, a.ErrorKind)
		}
	}
	if got := fmt.Sprint(kinds); got != "[refused http_5xx ]" {
		t.Errorf("it went through %s", got)
	}
}

// TestAColdStartIsInTheRow has Ollama unload its model, so that a request pays for the loading.
func TestAColdStartIsInTheRow(t *testing.T) {
	s := serve(t, "ollama", tiny, 512, 1)
	loaded := func() int {
		var all struct{ Models []json.RawMessage }
		if err := json.Unmarshal(fetch(t, s.url+"/api/ps"), &all); err != nil {
			t.Fatal(err)
		}
		return len(all.Models)
	}
	for _, wire := range []string{"ollama", "ollama_generate"} {
		post(t, s.url+"/api/generate", []byte(`{"model": "tiny-austen-gemma3", "keep_alive": 0, "stream": false}`))
		for loaded() > 0 && t.Context().Err() == nil { // it is unloaded after it was said to be
		}
		all := rows(t, applied(t, relaying([]string{wire}, s.url, tiny, "")), "")
		if loaded() != 1 || len(all) != 4 {
			t.Fatalf("%d models are loaded, %d rows", loaded(), len(all))
		}
		cold := all[0]
		if cold.ErrorKind != "" || int64(cold.FirstTokenAt-cold.DispatchedAt) < cold.ServerLoadNS.V {
			t.Errorf("the first request did not wait for the model: %+v", cold)
		}
		for _, warm := range all[1:] {
			if warm.ErrorKind != "" || !warm.ServerLoadNS.Valid || warm.ServerLoadNS.V >= cold.ServerLoadNS.V {
				t.Errorf("a request after it was no faster to load: %v, and it %v", warm.ServerLoadNS, cold.ServerLoadNS)
			}
		}
	}
}

// TestOllamaIsBusyWhileItLoads gives it a queue of one.
func TestOllamaIsBusyWhileItLoads(t *testing.T) {
	t.Setenv("OLLAMA_MAX_QUEUE", "1")
	s := serve(t, "ollama", big, 512, 1)
	for _, wire := range []string{"ollama", "openai"} {
		post(t, s.url+"/api/generate", []byte(`{"model": "random-gemma3-99mb", "keep_alive": 0, "stream": false}`))
		scenario := strings.NewReplacer("users    = 1", "users    = 16", "requests = 4", "requests = 16").Replace(relaying([]string{wire}, s.url, big, ""))
		busy := 0
		for _, r := range rows(t, applied(t, scenario), "") {
			switch {
			case r.ErrorKind == tables.ErrHTTP5xx && r.HTTPStatus == 503 && strings.Contains(r.ErrorText, "server busy"):
				busy++
			case r.ErrorKind != "":
				t.Errorf("%s %s: %+v", r.ErrorKind, r.ErrorText, r)
			}
		}
		if busy == 0 {
			t.Errorf("%s: it was never busy", wire)
		}
	}
}

// TestARunnerThatIsKilledMidStreamEndsTheStream kills the process that has Ollama's model when it has sent some tokens.
func TestARunnerThatIsKilledMidStreamEndsTheStream(t *testing.T) {
	for wire, kind := range map[string]tables.ErrorKind{
		"ollama": tables.ErrInstream, "ollama_generate": tables.ErrInstream, "openai": tables.ErrTruncated, "openai_completions": tables.ErrTruncated,
	} {
		t.Run(wire, func(t *testing.T) {
			s := serve(t, "ollama", big, 512, 1)
			victims := children(t, s.pid)
			if len(victims) != 1 {
				t.Fatalf("Ollama has the processes %v", victims)
			}
			killed := false
			r := newRelay(t, s.url, func(a *sent) {
				if !killed && strings.Count(string(a.body), "\n") > 6 {
					killed = syscall.Kill(victims[0], syscall.SIGKILL) == nil
				}
			})
			scenario := strings.NewReplacer("output_tokens = 8", "output_tokens = 100", "requests = 4", "requests = 2").Replace(relaying([]string{wire}, r.URL, big, ""))
			all := rows(t, applied(t, scenario), "")
			if !killed || len(all) != 2 {
				t.Fatalf("killed: %v, %d rows", killed, len(all))
			}
			if first := all[0]; first.ErrorKind != kind || first.HTTPStatus != 200 || first.OutputTokens.V < 2 || first.TokenSource != tables.TokensFromChunks || first.FinishReason != "" {
				t.Errorf("%s %s: %+v", first.ErrorKind, first.ErrorText, first)
			}
			for _, r := range all[1:] { // it starts another
				if r.ErrorKind != "" || r.OutputTokens != tables.Some[int32](100) {
					t.Errorf("%s %s: %+v", r.ErrorKind, r.ErrorText, r)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			select {
			case told := <-s.Findings:
				if !strings.Contains(told, "lives on") || !strings.Contains(told, "runner") {
					t.Errorf("the driver tells %q", told)
				}
			case <-ctx.Done():
				t.Error("the driver tells nothing")
			}
		})
	}
}

// children are the processes whose parent is a process.
func children(t *testing.T, pid int) (all []int) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range stats {
		text, _ := os.ReadFile(file) // what ended meanwhile has none
		_, rest, _ := strings.Cut(string(text), ") ")
		if f := strings.Fields(rest); len(f) > 1 && f[1] == strconv.Itoa(pid) {
			child, _ := strconv.Atoi(filepath.Base(filepath.Dir(file))) // it is a number
			all = append(all, child)
		}
	}
	return all
}

// TestAClientThatGoesAwayStopsTheWork asks for an answer that takes minutes, and gives it up when it has begun. The server
// has one slot: another request is answered only if it has given up too. The WASM runtime's context is shorter than such an
// answer, and so it is asked what it counted, as llama.cpp is.
func TestAClientThatGoesAwayStopsTheWork(t *testing.T) {
	const endless = 200_000
	for _, c := range []struct {
		engine, wire  string
		contextTokens int
	}{{"wasm", "openai", 2048}, {"llamacpp", "openai", 8192}, {"wllama", "openai", 8192}, {"ollama", "ollama", 8192}, {"ollama", "openai", 8192}} {
		t.Run(c.engine+" "+c.wire, func(t *testing.T) {
			s := serve(t, c.engine, big, c.contextTokens, 1)
			ctx, goAway := context.WithCancelCause(t.Context())
			defer goAway(nil)
			r := newRelay(t, s.url, func(a *sent) {
				if strings.Count(string(a.body), "\n") > 6 {
					goAway(load.ErrRunEnded)
				}
			})
			a, timeline := ask(ctx, t, asking(t, c.engine, c.wire, r.URL, big), story(endless))
			if a.ErrorKind != tables.ErrCancelledByRun || a.HTTPStatus != 200 || len(timeline.DeltaUS) == 0 {
				t.Errorf("it was not given up mid-stream: %+v", a)
			}
			if a, _ := ask(t.Context(), t, asking(t, c.engine, c.wire, s.url, big), story(2)); a.ErrorKind != "" {
				t.Errorf("the next request: %s %s", a.ErrorKind, a.ErrorText)
			}
			n := s.counters(t)
			if n["requests_processing"]+n["requests_deferred"]+n["requests_active"]+n["requests_waiting"] != 0 || n["tokens_predicted_total"]+n["output_tokens_total"] > 1000 {
				t.Errorf("it went on: %v", n)
			}
		})
	}
}
