package embedded

import (
	"bufio"
	"bytes"
	"context"
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
	"testing"
	"time"
)

// script is an engine that says what it is told to.
type script struct {
	chunks []Chunk
	result Result
	err    error
	asked  func(ctx context.Context, p Prompt) // before the first chunk; nil: nothing
}

func (s *script) Model() Model {
	return Model{Name: "tiny-gemma3", Digest: "sha256:1f2e", Quantization: "F32", ContextTokens: 1024, Parameters: 213440, SizeBytes: 853760}
}

func (s *script) Tokenize(_ context.Context, text string) ([]int32, error) {
	return []int32{int32(len(text)), 2, 3}, nil
}

func (s *script) Generate(ctx context.Context, p Prompt, emit func(Chunk) error) (Result, error) {
	if s.asked != nil {
		s.asked(ctx, p)
	}
	for _, c := range s.chunks {
		if err := emit(c); err != nil {
			return s.result, err
		}
	}
	return s.result, s.err
}

// greeting is six tokens, as in the captured answers.
func greeting() *script {
	s := &script{result: Result{PromptTokens: 45, OutputTokens: 6, Finish: "length", Prefill: time.Second, Decode: 2 * time.Second}}
	for _, text := range []string{" zur", " bel", " plongaifal", " tailkurnan", " gusplulet", " kelplainzor"} {
		s.chunks = append(s.chunks, Chunk{Text: text, Tokens: 1})
	}
	return s
}

func serve(t *testing.T, e Engine, o Options) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(NewHandler(e, o))
	t.Cleanup(server.Close)
	return server
}

type answer struct {
	status int
	header http.Header
	body   string
	err    error
}

func post(t *testing.T, url, body string) answer {
	t.Helper()
	r, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		return answer{err: err}
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	return answer{status: r.StatusCode, header: r.Header, body: string(b), err: err}
}

// captured is the body of a response that the real server gave.
func captured(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "protocol", "testdata", "wire", file))
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b)), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, body, ok := strings.Cut(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n\n")
	if !ok {
		t.Fatalf("%s has no body (%s)", file, r.Status)
	}
	return body
}

// shapes are the names and the kinds of the values of each document in a body.
func shapes(t *testing.T, body string) []any {
	t.Helper()
	var all []any
	for line := range strings.Lines(body) {
		line = strings.TrimSpace(strings.TrimPrefix(line, "data: "))
		if line == "" || line == "[DONE]" {
			all = append(all, line)
			continue
		}
		var v any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		all = append(all, v)
	}
	return slices.DeleteFunc(all, func(v any) bool { return v == "" })
}

// lacks says what of a captured document another has not, or has as another kind of value.
func lacks(want, got any, path string) (missing []string) {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return []string{fmt.Sprintf("%s is %T", path, got)}
		}
		for name, v := range w {
			if _, ok := g[name]; !ok {
				missing = append(missing, path+"."+name)
			} else {
				missing = append(missing, lacks(v, g[name], path+"."+name)...)
			}
		}
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) && (len(g) == 0 || len(w) == 0) {
			return []string{fmt.Sprintf("%s is %v", path, got)}
		}
		for i := range min(len(w), len(g)) {
			missing = append(missing, lacks(w[i], g[i], path+"[]")...)
		}
	default:
		if fmt.Sprintf("%T", want) != fmt.Sprintf("%T", got) {
			return []string{fmt.Sprintf("%s is %T", path, got)}
		}
	}
	return missing
}

func TestAnswersHaveTheShapeOfTheRealServers(t *testing.T) {
	const (
		chat      = `"messages":[{"role":"user","content":"hello world"}]`
		streaming = `,"stream":true`
		usage     = streaming + `,"stream_options":{"include_usage":true}`
	)
	for _, c := range []struct{ file, path, body string }{
		{"llamacpp-xllamacpp/chat_stream_usage.txt", "/v1/chat/completions", `{` + chat + usage + `}`},
		{"llamacpp-xllamacpp/chat_stream.txt", "/v1/chat/completions", `{` + chat + streaming + `}`},
		{"llamacpp-xllamacpp/chat_nonstream.txt", "/v1/chat/completions", `{` + chat + `}`},
		{"llamacpp-xllamacpp/completions_stream_usage.txt", "/v1/completions", `{"prompt":"hello world"` + usage + `}`},
		{"llamacpp-xllamacpp/err_bad_json.txt", "/v1/chat/completions", `{bad`},
		{"llamacpp-xllamacpp/err_no_messages.txt", "/v1/chat/completions", `{"model":"x"}`},
		{"ollama/chat_stream.txt", "/api/chat", `{"model":"tiny-gemma3",` + chat + `}`},
		{"ollama/chat_nonstream.txt", "/api/chat", `{"model":"tiny-gemma3","stream":false,` + chat + `}`},
		{"ollama/generate_stream_warm.txt", "/api/generate", `{"model":"tiny-gemma3","prompt":"hello world"}`},
		{"ollama/generate_nonstream.txt", "/api/generate", `{"model":"tiny-gemma3","prompt":"hello world","stream":false}`},
		{"ollama/generate_load_only.txt", "/api/generate", `{"model":"tiny-gemma3"}`},
		{"ollama/err_400_badjson.txt", "/api/chat", `{bad`},
		{"ollama/err_400_empty.txt", "/api/chat", ``},
		{"ollama/err_404_chat.txt", "/api/chat", `{"model":"no-such-model"}`},
	} {
		t.Run(c.file, func(t *testing.T) {
			got := post(t, serve(t, greeting(), Options{}).URL+c.path, c.body)
			head, err := os.ReadFile(filepath.Join("..", "protocol", "testdata", "wire", c.file))
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.Fields(string(head))[1]; fmt.Sprint(got.status) != want {
				t.Errorf("status %d, want %s", got.status, want)
			}
			w, g := shapes(t, captured(t, c.file)), shapes(t, got.body)
			if len(w) != len(g) {
				t.Fatalf("%d frames, want %d:\n%s", len(g), len(w), got.body)
			}
			for i := range w {
				for _, missing := range lacks(w[i], g[i], "") {
					if missing != ".context" { // the ids of the conversation so far, which only its next turn needs
						t.Errorf("frame %d: %s in %v", i, missing, g[i])
					}
				}
			}
		})
	}
}

func TestAChatStreamIsWhatLlamaCPPSends(t *testing.T) {
	e := &script{chunks: []Chunk{{Text: "a\"\n\x00\xffé", Tokens: 1}, {Text: "hm", Tokens: 2, Kind: Reasoning}}, result: Result{PromptTokens: 3, CachedTokens: 1, OutputTokens: 3, ReasoningTokens: 2, Finish: "stop"}}
	got := post(t, serve(t, e, Options{}).URL+"/v1/chat/completions", `{"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}],"stream":true,"stream_options":{"include_usage":true}}`)
	lines := strings.Split(strings.TrimSpace(got.body), "\n\n")
	for i, want := range []string{
		`data: {"choices":[{"finish_reason":null,"index":0,"delta":{"role":"assistant","content":null}}],"created":`,
		`data: {"choices":[{"finish_reason":null,"index":0,"delta":{"content":"a\"\n\u0000\ufffdé"}}],"created":`,
		`data: {"choices":[{"finish_reason":null,"index":0,"delta":{"reasoning_content":"hm"}}],"created":`,
		`data: {"choices":[{"finish_reason":"stop","index":0,"delta":{}}],"created":`,
		`data: {"choices":[],"created":`,
		`data: [DONE]`,
	} {
		if i >= len(lines) || !strings.HasPrefix(lines[i], want) {
			t.Fatalf("frame %d of\n%s\nis not %s", i, got.body, want)
		}
	}
	if want := `"usage":{"completion_tokens":3,"prompt_tokens":3,"total_tokens":6,"prompt_tokens_details":{"cached_tokens":1},"completion_tokens_details":{"reasoning_tokens":2}}`; !strings.Contains(lines[4], want) {
		t.Errorf("%s has no %s", lines[4], want)
	}
	if got.header.Get("Content-Type") != "text/event-stream" {
		t.Error(got.header)
	}
}

func TestTheRoleComesOnceOrNotAtAll(t *testing.T) {
	for role, want := range map[string]int{"": 1, "early": 1, "first": 1, "none": 0} {
		got := post(t, serve(t, greeting(), Options{RoleChunk: role}).URL+"/v1/chat/completions", `{"messages":[{"role":"user"}],"stream":true}`)
		if n := strings.Count(got.body, `"delta":{"role":"assistant","content":null}`); n != want || strings.Count(got.body, "role") != want {
			t.Errorf("%q: %s", role, got.body)
		}
	}
}

func TestAnEarlyRoleLeavesBeforeTheFirstToken(t *testing.T) {
	release := make(chan struct{})
	e := &late{script: greeting(), release: release}
	r, err := http.Post(serve(t, e, Options{RoleChunk: "early"}).URL+"/v1/chat/completions", "application/json", strings.NewReader(`{"messages":[{"role":"user"}],"stream":true}`))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	lines := bufio.NewReader(r.Body)
	line, err := lines.ReadString('\n') // would block for ever if it waited for the token
	if err != nil || !strings.Contains(line, `"role":"assistant"`) {
		t.Errorf("%q, %v", line, err)
	}
	close(release)
	rest, err := io.ReadAll(lines)
	if err != nil || strings.Contains(string(rest), "role") || !strings.HasSuffix(string(rest), "[DONE]\n\n") {
		t.Errorf("%q, %v", rest, err)
	}
}

// late begins, and goes on when it may.
type late struct {
	*script
	release <-chan struct{}
}

func (l *late) Generate(ctx context.Context, p Prompt, emit func(Chunk) error) (Result, error) {
	if err := emit(Chunk{Kind: Begun}); err != nil {
		return Result{}, err
	}
	<-l.release
	return l.script.Generate(ctx, p, emit)
}

func TestEachTokenLeavesAtOnce(t *testing.T) {
	for path, body := range map[string]string{
		"/v1/chat/completions": `{"messages":[{"role":"user"}],"stream":true}`,
		"/v1/completions":      `{"prompt":"x","stream":true}`,
		"/api/chat":            `{"messages":[{"role":"user"}]}`,
		"/api/generate":        `{"prompt":"x"}`,
	} {
		read := make(chan struct{})
		e := &stepwise{read: read}
		r, err := http.Post(serve(t, e, Options{RoleChunk: "none"}).URL+path, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(r.Body)
		for i := range 10 { // the engine makes the next one only when this one was read
			for lines.Scan() && !strings.Contains(lines.Text(), fmt.Sprintf("token %d", i)) {
			}
			read <- struct{}{}
		}
		_ = r.Body.Close()
	}
}

type stepwise struct {
	script
	read <-chan struct{}
}

func (s *stepwise) Generate(_ context.Context, _ Prompt, emit func(Chunk) error) (Result, error) {
	for i := range 10 {
		if err := emit(Chunk{Text: fmt.Sprintf("token %d", i), Tokens: 1}); err != nil {
			return Result{}, err
		}
		<-s.read
	}
	return Result{Finish: "stop"}, nil
}

func TestParametersReachTheEngine(t *testing.T) {
	for _, c := range []struct {
		path, body string
		want       Prompt
	}{
		{"/v1/chat/completions", `{"messages":[{"role":"system","content":"s"},{"role":"user","content":"u"}],"max_tokens":5,"max_completion_tokens":7,"temperature":0.5,"top_p":0.9,"seed":3,"ignore_eos":true}`,
			Prompt{Messages: []Message{{"system", "s"}, {"user", "u"}}, MaxTokens: 7, Temperature: 0.5, TopP: 0.9, Seed: 3, IgnoreEOS: true, RequestID: "r/1/1"}},
		{"/v1/completions", `{"prompt":["u"],"max_tokens":-1}`, Prompt{Text: "u", RequestID: "r/1/1"}},
		{"/api/chat", `{"model":"alias","messages":[{"role":"user","content":"u"}],"options":{"num_predict":7,"temperature":0.5,"top_p":0.9,"seed":3}}`,
			Prompt{Messages: []Message{{"user", "u"}}, MaxTokens: 7, Temperature: 0.5, TopP: 0.9, Seed: 3, RequestID: "r/1/1"}},
		{"/api/generate", `{"model":"tiny-gemma3:latest","system":"s","prompt":"u","options":{"num_predict":-1}}`,
			Prompt{Messages: []Message{{"system", "s"}, {"user", "u"}}, RequestID: "r/1/1"}},
		{"/api/generate", `{"prompt":"u","raw":true}`, Prompt{Text: "u", RequestID: "r/1/1"}},
	} {
		var got Prompt
		e := greeting()
		e.asked = func(_ context.Context, p Prompt) { got = p }
		request := httptest.NewRequest("POST", c.path, strings.NewReader(c.body))
		request.Header.Set("X-Request-Id", "r/1/1")
		w := httptest.NewRecorder()
		NewHandler(e, Options{Aliases: []string{"alias"}}).ServeHTTP(w, request)
		if w.Code != 200 || fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", c.want) {
			t.Errorf("%s: %d, %+v, want %+v", c.body, w.Code, got, c.want)
		}
	}
}

func TestRefusalsHaveTheFormOfTheirAPI(t *testing.T) {
	busy := &script{err: &Refusal{Status: 503, Type: "unavailable_error", Message: "busy", RetryAfter: 1100 * time.Millisecond}}
	broken := &script{err: errors.New("out of cheese")}
	for _, c := range []struct {
		e          Engine
		path, body string
		status     int
		want       string
	}{
		{busy, "/v1/completions", `{"prompt":"x","stream":true}`, 503, `{"error":{"code":503,"message":"busy","type":"unavailable_error"}}`},
		{busy, "/api/generate", `{"prompt":"x"}`, 503, `{"error":"busy"}`},
		{broken, "/api/generate", `{"prompt":"x"}`, 500, `{"error":"out of cheese"}`},
		{broken, "/v1/completions", `{"prompt":""}`, 500, `{"error":{"code":500,"message":"out of cheese","type":"server_error"}}`},
		{broken, "/v1/completions", `{}`, 400, `{"error":{"code":400,"message":"'prompt' is required, and must be a text","type":"invalid_request_error"}}`},
		{broken, "/v1/completions", `{"prompt":"x","n":2}`, 400, `{"error":{"code":400,"message":"'n' must be 1: there is one answer to a request","type":"invalid_request_error"}}`},
		{broken, "/v1/chat/completions", `{"messages":[{"content":[{"type":"image_url"}]}]}`, 400, `{"error":{"code":400,"message":"content of type \"image_url\" is not supported: this model reads text","type":"invalid_request_error"}}`},
		{broken, "/v1/completions", `{"prompt":"` + strings.Repeat("x", 1000) + `"}`, 413, `{"error":{"code":413,"message":"the body has more than 1000 bytes","type":"invalid_request_error"}}`},
		{broken, "/nothing", `{}`, 404, "404 page not found\n"},
	} {
		got := post(t, serve(t, c.e, Options{MaxBodyBytes: 1000}).URL+c.path, c.body)
		if got.status != c.status || got.body != c.want {
			t.Errorf("%s %.50s: %d %s, want %d %s", c.path, c.body, got.status, got.body, c.status, c.want)
		}
		if after := got.header.Get("Retry-After"); (after == "2") != (c.status == 503) {
			t.Errorf("%s: Retry-After %q", c.path, after)
		}
	}
}

func TestAnEngineThatFailsInTheMiddleIsAnErrorInTheStream(t *testing.T) {
	e := greeting()
	e.err = errors.New("out of cheese")
	url := serve(t, e, Options{}).URL
	if got := post(t, url+"/v1/completions", `{"prompt":"x","stream":true}`); got.status != 200 || !strings.Contains(got.body, `data: {"error":{"code":500,"message":"out of cheese","type":"server_error"}}`) {
		t.Errorf("%+v", got)
	}
	if got := post(t, url+"/api/chat", `{"messages":[{}]}`); got.status != 200 || !strings.HasSuffix(got.body, `{"error":"out of cheese"}`+"\n") || strings.Contains(got.body, `"done":true`) {
		t.Errorf("%+v", got)
	}
}
