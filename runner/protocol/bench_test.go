package protocol

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/scenarios"
)

// One token chunk each, as vLLM and Ollama write them.
const (
	openAIChunk = `{"id":"chatcmpl-300","object":"chat.completion.chunk","created":1795456440,"model":"tiny-gemma3","system_fingerprint":"fp_ollama","choices":[{"index":0,"delta":{"role":"assistant","content":"%s"},"finish_reason":null}]}`
	ollamaChunk = `{"model":"tiny-gemma3","created_at":"2026-11-23T17:54:00.1084%02dZ","message":{"role":"assistant","content":"%s"},"done":false}`
)

func benchmarkFrames(b *testing.B, d decoder, frame func(i int) string) {
	frames := make([][]byte, 64)
	for i := range frames {
		frames[i] = []byte(frame(i))
	}
	var t load.Timeline
	r := reading{timeline: &t}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%1024 == 0 {
			t.Reset()
		}
		if err := d.frame(frames[i%len(frames)], &r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpenAIFrame(b *testing.B) {
	benchmarkFrames(b, new(openAIDecoder), func(i int) string { return fmt.Sprintf(openAIChunk, strings.Repeat("a", i%7+1)) })
}

// A text with an escape does not fit the template.
func BenchmarkOpenAIFrameDecoded(b *testing.B) {
	benchmarkFrames(b, new(openAIDecoder), func(i int) string { return fmt.Sprintf(openAIChunk, `\n`) })
}

func BenchmarkOllamaFrame(b *testing.B) {
	benchmarkFrames(b, new(ollama).decoder(), func(i int) string { return fmt.Sprintf(ollamaChunk, i, "word") })
}

// A request with 32 tokens over loopback, the server's part included.
func BenchmarkGenerate(b *testing.B) {
	stream := []byte(strings.Repeat("data: "+fmt.Sprintf(openAIChunk, " the")+"\n\n", 32) +
		`data: {"choices":[{"delta":{},"finish_reason":"length"}]}` + "\n\ndata: [DONE]\n\n")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for rest := stream; len(rest) > 0; {
			i := bytes.Index(rest, []byte("\n\n")) + 2
			_, _ = w.Write(rest[:i])
			w.(http.Flusher).Flush()
			rest = rest[i:]
		}
	}))
	defer server.Close()
	c, err := New(Options{Runtime: scenarios.Runtime{Protocol: "openai"}, Targets: []Target{{URL: server.URL}}})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	var t load.Timeline
	b.ReportAllocs()
	for b.Loop() {
		t.Reset()
		if a, err := c.Generate(b.Context(), load.Request{Prompt: hello}, &t); err != nil || a.ErrorKind != "" {
			b.Fatal(err, a)
		}
	}
}
