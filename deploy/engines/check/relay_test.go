//go:build engines

package check

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/llmscen/llmscen/warehouse/tables"
)

// relay stands between llmscen and a server, changes nothing, and keeps what the server sent.
type relay struct {
	*httptest.Server
	// sees is called with each piece of an answer before it is passed on; nil: nobody is.
	sees func(*sent)

	mu      sync.Mutex
	answers map[string]*sent // by the client's name of a request
}

// sent is what a server sent in answer to one request.
type sent struct {
	status int
	body   []byte
	pieces []piece
	whole  bool // it came to its end
}

// piece is up to where a body had come, and when, before that was passed on.
type piece struct {
	end int
	at  tables.Instant
}

func newRelay(t *testing.T, to string, sees func(*sent)) *relay {
	t.Helper()
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{answers: map[string]*sent{}, sees: sees}
	r.Server = httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(target)
			// Whole before it goes on: net/http lets nobody read a request whose answer has begun.
			body, _ := io.ReadAll(p.In.Body) // what lacks is not sent, and the server says so
			p.Out.Body = io.NopCloser(bytes.NewReader(body))
		},
		Transport:      &http.Transport{DisableKeepAlives: true}, // llama.cpp closes kept connections without a word
		FlushInterval:  -1,
		ModifyResponse: r.keep,
	})
	t.Cleanup(r.Close)
	return r
}

func (r *relay) keep(response *http.Response) error {
	id := response.Request.Header.Get("X-Request-Id")
	if id == "" {
		return nil // asks whether the server is ready, or what it serves
	}
	a := &sent{status: response.StatusCode}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers[id] = a
	response.Body = &keeper{response.Body, r, a}
	return nil
}

// of is what was sent in answer to the request of a name.
func (r *relay) of(t *testing.T, id string) *sent {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.answers[id]
	if a == nil {
		t.Fatalf("the server was not asked %s", id)
	}
	return a
}

// keeper keeps what is read of a body.
type keeper struct {
	io.ReadCloser
	relay *relay
	sent  *sent
}

func (k *keeper) Read(p []byte) (int, error) {
	n, err := k.ReadCloser.Read(p)
	k.relay.mu.Lock()
	k.sent.body = append(k.sent.body, p[:n]...)
	k.sent.pieces = append(k.sent.pieces, piece{len(k.sent.body), tables.Instant(time.Now().UnixNano())})
	k.sent.whole = k.sent.whole || err == io.EOF
	k.relay.mu.Unlock()
	if n > 0 && k.relay.sees != nil {
		k.relay.sees(k.sent)
	}
	return n, err
}

// truth is what an answer says, read in the plainest way: whole, line by line. What it does not say is nil.
type truth struct {
	chunks []chunk
	finish string

	prompt, cached, output  *int32
	prefill, decode, loaded *int64 // ns
}

// chunk is a frame with text: the text, and when the server had sent it.
type chunk struct {
	text string
	at   tables.Instant
}

// frame has the fields of OpenAI's chunks, llama.cpp's timings among them, and of Ollama's lines.
type frame struct {
	Choices []struct {
		Delta  struct{ Content string }
		Text   string
		Finish string `json:"finish_reason"`
	}
	Usage *struct {
		Prompt  int32 `json:"prompt_tokens"`
		Output  int32 `json:"completion_tokens"`
		Details *struct {
			Cached *int32 `json:"cached_tokens"`
		} `json:"prompt_tokens_details"`
	}
	Timings *struct {
		Cached  *int32   `json:"cache_n"`
		Prefill *float64 `json:"prompt_ms"`
		Decode  *float64 `json:"predicted_ms"`
	}

	Message    struct{ Content string }
	Response   string
	DoneReason string `json:"done_reason"`
	Done       bool
	Loaded     *int64 `json:"load_duration"`
	PromptN    *int32 `json:"prompt_eval_count"`
	PromptNS   *int64 `json:"prompt_eval_duration"`
	OutputN    *int32 `json:"eval_count"`
	OutputNS   *int64 `json:"eval_duration"`
}

func (s *sent) truth(t *testing.T) truth {
	t.Helper()
	var all truth
	end, piece := 0, 0
	for line := range bytes.Lines(s.body) {
		end += len(line)
		for s.pieces[piece].end < end {
			piece++
		}
		text := bytes.TrimPrefix(bytes.TrimSpace(line), []byte("data: "))
		if len(text) == 0 || string(text) == "[DONE]" {
			continue
		}
		var f frame
		if err := json.Unmarshal(text, &f); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		all.add(f, s.pieces[piece].at)
	}
	return all
}

func (all *truth) add(f frame, at tables.Instant) {
	text := f.Message.Content + f.Response
	for _, c := range f.Choices {
		text += c.Delta.Content + c.Text
		all.finish += c.Finish
	}
	if text != "" {
		all.chunks = append(all.chunks, chunk{text, at})
	}
	if u := f.Usage; u != nil && u.Prompt > 0 { // Ollama's completions have one of zeros in each chunk
		all.prompt, all.output = &u.Prompt, &u.Output
		if u.Details != nil {
			all.cached = u.Details.Cached
		}
	}
	if s := f.Timings; s != nil {
		all.cached, all.prefill, all.decode = s.Cached, nanoseconds(s.Prefill), nanoseconds(s.Decode)
	}
	if f.Done {
		all.finish = f.DoneReason
		all.prompt, all.output = f.PromptN, f.OutputN
		all.prefill, all.decode, all.loaded = f.PromptNS, f.OutputNS, f.Loaded
	}
}

func nanoseconds(ms *float64) *int64 {
	if ms == nil {
		return nil
	}
	ns := int64(*ms * float64(time.Millisecond))
	return &ns
}
