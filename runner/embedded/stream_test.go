package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"
)

// faulty says two tokens, and then does what it does.
func faulty(f Fault) *script {
	return &script{chunks: []Chunk{{Text: " a", Tokens: 1}, {Text: " b", Tokens: 1}, {Fault: f}, {Text: " c", Tokens: 1}}, result: Result{PromptTokens: 1, OutputTokens: 2, Finish: "length"}}
}

func TestFaultsHurtTheStreamAsTheyAreNamed(t *testing.T) {
	const openAI, ollama = `{"prompt":"x","stream":true}`, `{"prompt":"x"}`
	for _, c := range []struct {
		fault      Fault
		path, body string
		end        string
		err        error
	}{
		{InStreamError, "/v1/completions", openAI, `"type":"server_error"}}` + "\n\ndata: [DONE]\n\n", nil},
		{InStreamError, "/api/generate", ollama, `{"error":"an error was asked for by the scenario"}` + "\n", nil},
		{Truncate, "/v1/completions", openAI, `"object":"text_completion"}` + "\n\n", nil},
		{Truncate, "/api/generate", ollama, `"response":" b","done":false}` + "\n", nil},
		{Garble, "/v1/completions", openAI, openAIGarbled, nil},
		{Garble, "/api/generate", ollama, "{\"model\":\"\",\"created\n", nil},
		{Reset, "/v1/completions", openAI, `"object":"text_completion"}` + "\n\n", syscall.ECONNRESET},
		{Reset, "/api/generate", ollama, `"response":" b","done":false}` + "\n", syscall.ECONNRESET},
	} {
		got := post(t, serve(t, faulty(c.fault), Options{}).URL+c.path, c.body)
		if got.status != 200 || !strings.HasSuffix(got.body, c.end) || !errors.Is(got.err, c.err) {
			t.Errorf("%s of %s: %q, %v", c.fault, c.path, got.body, got.err)
		}
		if strings.Count(got.body, `" a"`) != 1 || strings.Count(got.body, `" b"`) != 1 || strings.Contains(got.body, `" c"`) {
			t.Errorf("%s of %s: %q", c.fault, c.path, got.body)
		}
	}
}

func TestFaultsHurtADocumentToo(t *testing.T) {
	for fault, status := range map[Fault]int{InStreamError: 500, Truncate: 200, Garble: 200} {
		got := post(t, serve(t, faulty(fault), Options{}).URL+"/v1/completions", `{"prompt":"x"}`)
		if got.status != status || got.err != nil || json.Valid([]byte(got.body)) != (fault == InStreamError) {
			t.Errorf("%s: %+v", fault, got)
		}
	}
	if got := post(t, serve(t, faulty(Reset), Options{}).URL+"/v1/completions", `{"prompt":"x"}`); !errors.Is(got.err, syscall.ECONNRESET) {
		t.Errorf("reset: %+v", got)
	}
}

func TestAClientThatLeavesEndsTheGeneration(t *testing.T) {
	e := greeting()
	asked, ended := make(chan struct{}), make(chan struct{})
	e.asked = func(ctx context.Context, _ Prompt) {
		close(asked)
		<-ctx.Done()
		close(ended)
	}
	h := NewHandler(e, Options{})
	done := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(done)
		h.ServeHTTP(w, r)
	}))
	defer server.Close()
	ctx, leave := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, "POST", server.URL+"/v1/completions", strings.NewReader(`{"prompt":"x","stream":true}`))
	if err != nil {
		t.Fatal(err)
	}
	go func() { <-asked; leave() }()
	if r, err := http.DefaultClient.Do(request); err == nil {
		_ = r.Body.Close()
		t.Error("it was answered")
	}
	<-ended
	<-done
	metrics := httptest.NewRecorder()
	h.ServeHTTP(metrics, httptest.NewRequest("GET", "/metrics", nil))
	if want := `llmscen_runtime_requests_total{outcome="cancelled"} 1`; !strings.Contains(metrics.Body.String(), want) {
		t.Errorf("%s has no %s", metrics.Body, want)
	}
}

func TestTheServersOwnCountersCountWhatArrived(t *testing.T) {
	url := serve(t, greeting(), Options{}).URL
	for range 3 {
		post(t, url+"/v1/completions", `{"prompt":"x","stream":true}`)
	}
	post(t, url+"/api/generate", `{"prompt":"x","stream":false}`)
	post(t, url+"/v1/completions", `{bad`)
	post(t, url+"/tokenize", `{"content":"x"}`) // no request for an answer
	r, err := http.Get(url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"llmscen_runtime_requests_received_total 5\n",
		"llmscen_runtime_requests_total{outcome=\"bad_request\"} 1\nllmscen_runtime_requests_total{outcome=\"ok\"} 4\n",
		"llmscen_runtime_requests_waiting 0\n", "llmscen_runtime_requests_active 0\n",
		"llmscen_runtime_prompt_tokens_total 180\n", "llmscen_runtime_output_tokens_total 24\n", "llmscen_runtime_sent_tokens_total 24\n",
		"llmscen_runtime_decode_seconds_total 8\n",
	} {
		if !strings.Contains(string(body), want) {
			t.Errorf("%s has no %s", body, want)
		}
	}
}

func TestWhenTokensWereSentIsRemembered(t *testing.T) {
	e := &script{chunks: []Chunk{{Text: " a", Tokens: 1}, {Text: " b c", Tokens: 2}, {Text: " d", Tokens: 1}}, result: Result{PromptTokens: 7, OutputTokens: 4}}
	h := NewHandler(e, Options{KeepSentTimes: 50})
	for _, id := range []string{"t/1/1", "t/2/1"} {
		r := httptest.NewRequest("POST", "/v1/completions", strings.NewReader(`{"prompt":"x","stream":true}`))
		r.Header.Set("X-Request-Id", id)
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	sent := func(query string) (s Sent) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/sent"+query, nil))
		if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil {
			t.Fatalf("%s: %v", w.Body, err)
		}
		return s
	}
	all := sent("")
	if all.Last != 2 || len(all.Requests) != 2 || all.Forgotten != 0 {
		t.Fatalf("%+v", all)
	}
	first := all.Requests[0]
	if first.RequestID != "t/1/1" || first.Outcome != "ok" || first.PromptTokens != 7 || len(first.SentAt) != 3 ||
		!slices.Equal(first.Tokens, []int32{1, 2, 1}) || !slices.IsSorted(first.SentAt) || first.SentAt[0] < first.ReceivedAt {
		t.Errorf("%+v", first)
	}
	if next := sent("?after=1"); len(next.Requests) != 1 || next.Requests[0].RequestID != "t/2/1" {
		t.Errorf("%+v", next)
	}
	if page := sent("?limit=1"); len(page.Requests) != 1 || page.Last != 1 {
		t.Errorf("%+v", page)
	}
	if none := sent("?after=2"); len(none.Requests) != 0 || none.Last != 2 {
		t.Errorf("%+v", none)
	}
}

func TestTheMemoryOfSendTimesIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		room := rapid.IntRange(10, 500).Draw(t, "room")
		l := newSentLog(room)
		n := rapid.Int64Range(1, 3000).Draw(t, "requests")
		times := rapid.IntRange(0, 20).Draw(t, "times")
		for range n {
			l.add(SentRequest{SentAt: make([]int64, times)})
		}
		s := l.since(0, 0)
		if s.Forgotten+int64(len(s.Requests)) != n || s.Last != n {
			t.Fatalf("%d forgotten and %d kept of %d, last %d", s.Forgotten, len(s.Requests), n, s.Last)
		}
		if len(s.Requests) > max(room/(times+8), 1) {
			t.Fatalf("%d requests of %d times in room for %d", len(s.Requests), times, room)
		}
		after := rapid.Int64Range(0, n+5).Draw(t, "after")
		want := min(max(n-after, 0), int64(len(s.Requests)))
		if got := l.since(after, 0); int64(len(got.Requests)) != want {
			t.Fatalf("%d after %d of %d, want %d", len(got.Requests), after, n, want)
		}
	})
}

func TestStringsAreWhatEncodingJSONReads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
		var got string
		if err := json.Unmarshal(appendString(nil, in), &got); err != nil {
			t.Fatalf("%q: %v", in, err)
		}
		if want := strings.ToValidUTF8(in, "\ufffd"); strings.ReplaceAll(got, "\ufffd", "") != strings.ReplaceAll(want, "\ufffd", "") {
			t.Fatalf("%q, want %q", got, want)
		}
	})
}

func TestServingEndsWithItsContextAndCutsWhatGoesOn(t *testing.T) {
	ctx, end := context.WithCancel(t.Context())
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	asked := make(chan struct{})
	e := greeting()
	e.asked = func(ctx context.Context, _ Prompt) {
		close(asked)
		<-ctx.Done()
	}
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, e, ServeOptions{Drain: 1}, writer) }()
	var ready Report
	if err := json.NewDecoder(reader).Decode(&ready); err != nil {
		t.Fatal(err)
	}
	if ready.Model != "tiny-gemma3" || ready.Digest != "sha256:1f2e" || ready.Quantization != "F32" || ready.ContextTokens != 1024 {
		t.Errorf("%+v", ready)
	}
	go func() { <-asked; end() }()
	if got := post(t, ready.URL+"/v1/completions", `{"prompt":"x","stream":true}`); got.err == nil {
		t.Errorf("%+v", got)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestLlamaCPPsTokenizeAndTheListsOfModels(t *testing.T) {
	url := serve(t, greeting(), Options{Version: "1.2.3"}).URL
	if got := post(t, url+"/tokenize", `{"content":"hello"}`); got.body != `{"tokens":[5,2,3]}` {
		t.Errorf("%+v", got)
	}
	if got := post(t, url+"/api/show", `{"model":"tiny-gemma3"}`); !strings.Contains(got.body, `"parameter_size":"213K","quantization_level":"F32"`) {
		t.Errorf("%+v", got)
	}
	for path, want := range map[string]string{
		"/v1/models": `"id":"tiny-gemma3"`, "/api/tags": `"digest":"1f2e"`, "/api/ps": `"context_length":1024`,
		"/api/version": `{"version":"1.2.3"}`, "/health": `{"status":"ok"}`,
	} {
		r, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		_ = r.Body.Close()
		if err != nil || !strings.Contains(string(body), want) {
			t.Errorf("%s: %s (%v)", path, body, err)
		}
	}
}
