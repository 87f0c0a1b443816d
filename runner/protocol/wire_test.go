package protocol

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// roundTrip stands in for the network.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// newTestClient is a client whose requests go to answer instead of the network.
func newTestClient(t testing.TB, r scenarios.Runtime, answer roundTrip) *Client {
	t.Helper()
	c, err := New(Options{Runtime: r, Targets: []Target{{ID: "t0", URL: "http://127.0.0.1:1"}}, TrialID: "trial"})
	if err != nil {
		t.Fatal(err)
	}
	c.transport.client.Transport = answer
	return c
}

// response is an answer with a body that is read as the reader gives it.
func response(status int, contentType string, body io.Reader) *http.Response {
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: -1,
		Header: http.Header{"Content-Type": {contentType}},
		Body:   io.NopCloser(body),
	}
}

var hello = load.Prompt{Messages: []load.Message{{Role: "user", Content: "hello world"}}, OutputTokens: 6}

// ask makes one request; it fails the test where Generate gives an error.
func ask(t testing.TB, c *Client) (load.Answer, *load.Timeline) {
	t.Helper()
	var timeline load.Timeline
	timeline.Reset()
	answer, err := c.Generate(t.Context(), load.Request{Prompt: hello, KeepOutput: true}, &timeline)
	if err != nil {
		t.Fatal(err)
	}
	return answer, &timeline
}

// recorded is a captured response with a body of our own making: whole, or in other pieces.
func recorded(t testing.TB, file string, body func([]byte) io.Reader) roundTrip {
	t.Helper()
	head, raw := capture(t, file)
	return func(r *http.Request) (*http.Response, error) {
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), r)
		if err != nil {
			return nil, err
		}
		resp.Body = io.NopCloser(body(raw))
		return resp, nil
	}
}

// capture is the head of a captured response, with its end, and its body as it was before chunked encoding.
func capture(t testing.TB, file string) (head, body []byte) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "wire", file))
	if err != nil {
		t.Fatal(err)
	}
	b = bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))
	head, body, ok := bytes.Cut(b, []byte("\n\n"))
	if !ok {
		t.Fatalf("%s has no body", file)
	}
	return append(head, "\n\n"...), body
}

func whole(b []byte) io.Reader { return bytes.NewReader(b) }

// said is what a test expects of an answer; NULL is -1.
type said struct {
	output, finish         string
	chunks                 int
	prompt, cached, tokens int32
	source                 tables.TokenSource
	status                 int32
	kind                   tables.ErrorKind
	prefill, decode, load  bool
}

func say(a load.Answer, t *load.Timeline) said {
	return said{
		output: a.Output, finish: a.FinishReason, chunks: len(t.DeltaUS),
		prompt: orNull(a.PromptTokens), cached: orNull(a.CachedTokens), tokens: orNull(a.OutputTokens),
		source: a.TokenSource, status: a.HTTPStatus, kind: a.ErrorKind,
		prefill: a.ServerPrefillNS.Valid, decode: a.ServerDecodeNS.Valid, load: a.ServerLoadNS.Valid,
	}
}

func orNull(n tables.Null[int32]) int32 {
	if !n.Valid {
		return -1
	}
	return n.V
}

const (
	six   = " zur bel plongaifal tailkurnan gusplulet kelplainzor"
	short = " zur bel kait sti ste kait"
	story = `"It is a very good sort of man, I am sure, and I am sure I should be very happy to see you.`
)

var captures = []struct {
	file, protocol string
	want           said
}{
	{"llamacpp-xllamacpp/chat_stream.txt", "openai", said{output: six, finish: "length", chunks: 6, prompt: -1, cached: 40, tokens: 6, source: "chunks", status: 200, prefill: true, decode: true}},
	{"llamacpp-xllamacpp/chat_stream_usage.txt", "openai", said{output: six, finish: "length", chunks: 6, prompt: 45, cached: 40, tokens: 6, source: "usage", status: 200, prefill: true, decode: true}},
	{"llamacpp-xllamacpp/chat_nonstream.txt", "openai", said{output: six, finish: "length", prompt: 45, tokens: 6, source: "usage", status: 200, prefill: true, decode: true}},
	{"llamacpp-xllamacpp/completions_stream_usage.txt", "openai_completions", said{output: " brailgairvul brailmil li hello zus nonvin", finish: "length", chunks: 6, prompt: 12, tokens: 6, source: "usage", status: 200, prefill: true, decode: true}},
	// A model that ends by itself: its last token has no text, and so no chunk.
	{"llamacpp-xllamacpp/chat_stream_usage_stop.txt", "openai", said{output: story, finish: "stop", chunks: 29, prompt: 20, tokens: 30, source: "usage", status: 200, prefill: true, decode: true}},
	{"llamacpp-xllamacpp/err_no_prompt.txt", "openai_completions", said{prompt: -1, cached: -1, tokens: -1, status: 400, kind: "http_4xx"}},
	{"llamacpp-xllamacpp/err_bad_json.txt", "openai", said{prompt: -1, cached: -1, tokens: -1, status: 400, kind: "http_4xx"}},
	{"llamacpp-xllamacpp/err_ctx_overflow.txt", "openai", said{prompt: -1, cached: -1, tokens: -1, status: 400, kind: "context_overflow"}},
	{"llamacpp-xllamacpp/err_model_not_found.txt", "openai", said{output: " votrarku nonzair", finish: "length", prompt: 45, cached: 40, tokens: 2, source: "usage", status: 200, prefill: true, decode: true}},
	{"llamacpp-xllamacpp/err_no_messages.txt", "openai", said{prompt: -1, cached: -1, tokens: -1, status: 400, kind: "http_4xx"}},

	{"ollama/chat_stream.txt", "ollama", said{output: short, finish: "length", chunks: 6, prompt: 27, cached: -1, tokens: 6, source: "usage", status: 200, prefill: true, decode: true, load: true}},
	{"ollama/chat_stream_stop.txt", "ollama", said{output: story, finish: "stop", chunks: 29, prompt: 20, cached: -1, tokens: 30, source: "usage", status: 200, prefill: true, decode: true, load: true}},
	{"ollama/chat_nonstream.txt", "ollama", said{output: short, finish: "length", prompt: 27, cached: -1, tokens: 6, source: "usage", status: 200, prefill: true, decode: true, load: true}},
	{"ollama/generate_stream_cold.txt", "ollama_generate", said{output: short, finish: "length", chunks: 6, prompt: 27, cached: -1, tokens: 6, source: "usage", status: 200, prefill: true, decode: true, load: true}},
	{"ollama/generate_stream_warm.txt", "ollama_generate", said{output: short, finish: "length", chunks: 6, prompt: 27, cached: -1, tokens: 6, source: "usage", status: 200, prefill: true, decode: true, load: true}},
	{"ollama/generate_nonstream.txt", "ollama_generate", said{output: short, finish: "length", prompt: 27, cached: -1, tokens: 6, source: "usage", status: 200, prefill: true, decode: true, load: true}},
	{"ollama/generate_load_only.txt", "ollama_generate", said{finish: "load", prompt: -1, cached: -1, tokens: -1, status: 200, kind: "empty_output"}},
	{"ollama/err_400_badjson.txt", "ollama", said{prompt: -1, cached: -1, tokens: -1, status: 400, kind: "http_4xx"}},
	{"ollama/err_404_chat.txt", "ollama", said{prompt: -1, cached: -1, tokens: -1, status: 404, kind: "http_4xx"}},
	{"ollama/err_404_v1.txt", "openai", said{prompt: -1, cached: -1, tokens: -1, status: 404, kind: "http_4xx"}},
	{"ollama/err_503_queue.txt", "ollama", said{prompt: -1, cached: -1, tokens: -1, status: 503, kind: "http_5xx"}},
	{"ollama/err_503_queue_v1.txt", "openai", said{prompt: -1, cached: -1, tokens: -1, status: 503, kind: "http_5xx"}},
	{"ollama/err_runner_stopped.txt", "ollama_generate", said{prompt: -1, cached: -1, tokens: -1, status: 500, kind: "http_5xx"}},
	{"ollama/err_runner_stopped_v1.txt", "openai", said{prompt: -1, cached: -1, tokens: -1, status: 500, kind: "http_5xx"}},
	{"ollama/err_truncate_false.txt", "ollama_generate", said{prompt: -1, cached: -1, tokens: -1, status: 400, kind: "context_overflow"}},
	{"ollama/err_midstream_runner_killed.txt", "ollama_generate", said{output: " foltaplen nat tuzit", chunks: 3, prompt: -1, cached: -1, tokens: 3, source: "chunks", status: 200, kind: "instream_error"}},
	{"ollama/err_midstream_v1.txt", "openai", said{output: " zur sosmiszer", chunks: 2, prompt: -1, cached: -1, tokens: 2, source: "chunks", status: 200, kind: "truncated"}},
	{"ollama/v1_chat_stream.txt", "openai", said{output: short, finish: "length", chunks: 6, prompt: -1, cached: -1, tokens: 6, source: "chunks", status: 200}},
	{"ollama/v1_chat_stream_usage.txt", "openai", said{output: short, finish: "length", chunks: 6, prompt: 27, cached: -1, tokens: 6, source: "usage", status: 200}},
	{"ollama/v1_chat_nonstream.txt", "openai", said{output: short, finish: "length", prompt: 27, cached: -1, tokens: 6, source: "usage", status: 200}},
	{"ollama/v1_completions_stream_usage.txt", "openai_completions", said{output: " plutrair met sisgout stetstourtrir", finish: "length", chunks: 4, prompt: 21, cached: -1, tokens: 4, source: "usage", status: 200}},

	{"wasm-wazero-go/chat_stream_usage.txt", "openai", said{output: six, finish: "length", chunks: 6, prompt: 45, cached: -1, tokens: 6, source: "usage", status: 200, prefill: true, decode: true}},
	{"wasm-wazero-go/chat_nonstream.txt", "openai", said{output: six, finish: "length", prompt: 45, cached: -1, tokens: 6, source: "usage", status: 200, prefill: true, decode: true}},
	{"wasm-wllama-node20/chat_stream.txt", "openai", said{output: six, finish: "length", chunks: 6, prompt: -1, cached: 40, tokens: 6, source: "chunks", status: 200, prefill: true, decode: true}},
	{"wasm-wllama-node20/chat_stream_usage.txt", "openai", said{output: six, finish: "length", chunks: 6, prompt: 45, cached: 40, tokens: 6, source: "usage", status: 200, prefill: true, decode: true}},
	{"wasm-wllama-node20/completions_stream_usage.txt", "openai_completions", said{output: " brailgairvul brailmil li hello zus nonvin", finish: "length", chunks: 6, prompt: 12, tokens: 6, source: "usage", status: 200, prefill: true, decode: true}},
	{"wasm-wllama-node20/err_ctx_overflow.txt", "openai", said{prompt: -1, cached: -1, tokens: -1, status: 400, kind: "context_overflow"}},
	{"wasm-wllama-node20/err_model_not_found.txt", "openai", said{prompt: -1, cached: -1, tokens: -1, status: 404, kind: "http_4xx"}},
}

func TestCapturedResponsesAreRead(t *testing.T) {
	for _, c := range captures {
		t.Run(c.file, func(t *testing.T) {
			client := newTestClient(t, scenarios.Runtime{Protocol: c.protocol}, recorded(t, c.file, whole))
			answer, timeline := ask(t, client)
			if got := say(answer, timeline); got != c.want {
				t.Errorf("got  %+v\nwant %+v\n%s", got, c.want, answer.ErrorText)
			}
			if (answer.ErrorKind == "") != (answer.ErrorText == "") {
				t.Errorf("kind %q has the text %q", answer.ErrorKind, answer.ErrorText)
			}
		})
	}
}

// Whatever pieces a stream arrives in, and whichever line ends it has, what is read of it is the same.
func TestPiecesAndLineEndsChangeNothing(t *testing.T) {
	for _, c := range captures {
		for _, end := range []string{"\n", "\r\n", "\r"} {
			newline := strings.HasPrefix(c.protocol, "ollama")
			if newline && end == "\r" {
				continue // JSON lines end in LF
			}
			_, body := capture(t, c.file)
			body = bytes.ReplaceAll(body, []byte("\n"), []byte(end))
			for name, in := range map[string]func() io.Reader{
				"whole":        func() io.Reader { return bytes.NewReader(body) },
				"byte by byte": func() io.Reader { return iotest.OneByteReader(bytes.NewReader(body)) },
				"to the end":   func() io.Reader { return iotest.DataErrReader(bytes.NewReader(body)) },
			} {
				client := newTestClient(t, scenarios.Runtime{Protocol: c.protocol}, recorded(t, c.file, func([]byte) io.Reader { return in() }))
				if got := say(ask(t, client)); got != c.want {
					t.Errorf("%s %s with %q:\ngot  %+v\nwant %+v", c.file, name, end, got, c.want)
				}
			}
			want, wantErr := events(newline, bytes.NewReader(body))
			for at := range body {
				got, err := events(newline, io.MultiReader(bytes.NewReader(body[:at]), bytes.NewReader(body[at:])))
				if !slices.Equal(got, want) || fmt.Sprint(err) != fmt.Sprint(wantErr) {
					t.Fatalf("%s with %q in two at %d:\ngot  %q, %v\nwant %q, %v", c.file, end, at, got, err, want, wantErr)
				}
			}
		}
	}
}
