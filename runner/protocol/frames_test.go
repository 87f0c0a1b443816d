package protocol

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// decodeAll reads frames one after another, and again those before the last: so that a template meets its own frame.
func decodeAll(d decoder, frames ...string) (reading, []error) {
	var t load.Timeline
	t.Reset()
	r := reading{timeline: &t, keep: true}
	var errs []error
	for _, f := range append(frames, frames...) {
		errs = append(errs, d.frame([]byte(f), &r))
	}
	return r, errs
}

// stream is a client whose every answer is this stream.
func stream(t testing.TB, protocol, contentType string, frames ...string) *Client {
	t.Helper()
	return newTestClient(t, scenarios.Runtime{Protocol: protocol}, func(*http.Request) (*http.Response, error) {
		if contentType == "text/event-stream" {
			return response(200, contentType, strings.NewReader("data:"+strings.Join(frames, "\n\ndata:")+"\n\n")), nil
		}
		return response(200, contentType, strings.NewReader(strings.Join(frames, "\n"))), nil
	})
}

func TestChunksOfReasoningToolsAndAnswerAreToldApart(t *testing.T) {
	answer, timeline := ask(t, stream(t, "openai", "text/event-stream",
		`{"choices":[{"delta":{"role":"assistant","content":""}}]}`,
		`{"choices":[{"delta":{"reasoning_content":"hm"}}]}`,
		`{"choices":[{"delta":{"reasoning":"so"}}]}`,
		`{"choices":[{"delta":{"content":"yes","reasoning":null}}]}`,
		`{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{"}}]}}]}`,
		`{"choices":[{"delta":{"function_call":{"arguments":"}"}}}]}`,
		`{"choices":[{"delta":{"content":null},"finish_reason":"tool_calls"}],"error":null}`,
		`{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":5,"completion_tokens_details":{"reasoning_tokens":2},"prompt_tokens_details":null}}`,
		`[DONE]`))
	if want := []int8{1, 1, 0, 2, 2}; answer.ErrorKind != "" || !reflect.DeepEqual(timeline.Kinds, want) {
		t.Errorf("got %v, want %v; %q", timeline.Kinds, want, answer.ErrorText)
	}
	if answer.Output != "yes" || answer.ReasoningTokens != tables.Some[int32](2) || answer.CachedTokens.Valid || answer.FinishReason != "tool_calls" {
		t.Errorf("got %+v", answer)
	}
	if timeline.FirstTokenAt == 0 || timeline.FirstAnswerTokenAt < timeline.FirstTokenAt {
		t.Errorf("first token at %d, of the answer at %d", timeline.FirstTokenAt, timeline.FirstAnswerTokenAt)
	}
}

func TestUsageInEachChunkTellsItsTokens(t *testing.T) {
	usage := func(text string, n int) string {
		return fmt.Sprintf(`{"choices":[{"text":%q}],"usage":{"prompt_tokens":4,"completion_tokens":%d}}`, text, n)
	}
	for _, c := range []struct {
		name   string
		frames []string
		counts []int16
		tokens int32
		source tables.TokenSource
	}{
		{"each says the total", []string{usage("a", 2), usage("b", 3), usage("c", 7)}, []int16{2, 1, 4}, 7, "usage"},
		{"only the last does", []string{usage("a", 0), usage("b", 0), usage("c", 7)}, []int16{1, 1, 1}, 7, "usage"},
		{"one chunk has all", []string{usage("a", 7)}, []int16{7}, 7, "usage"},
		{"zeros are nothing", []string{usage("a", 0), usage("b", 0)}, []int16{1, 1}, 2, "chunks"},
	} {
		frames := append(slices.Clone(c.frames), `{"choices":[{"text":"","finish_reason":"stop"}]}`)
		answer, timeline := ask(t, stream(t, "openai_completions", "text/event-stream", frames...))
		if !reflect.DeepEqual(timeline.Counts, c.counts) || answer.OutputTokens != tables.Some(c.tokens) || answer.TokenSource != c.source {
			t.Errorf("%s: got %v, %v by %s", c.name, timeline.Counts, answer.OutputTokens, answer.TokenSource)
		}
	}
}

func TestAFinishReasonEndsAStreamAsWellAsDONE(t *testing.T) {
	for _, last := range []string{`[DONE]`, ` [DONE] `, `{"choices":[{"delta":{},"finish_reason":"stop"}]}`} {
		answer, _ := ask(t, stream(t, "openai", "text/event-stream", `{"choices":[{"delta":{"content":"a"}}]}`, last))
		if answer.ErrorKind != "" {
			t.Errorf("%s: %q", last, answer.ErrorKind)
		}
	}
}

func TestAnAnswerThatIsNotStreamedHasTextAndNoTimes(t *testing.T) {
	const document = "\n" + `{"choices":[{"message":{"content":"all at once"},"finish_reason":"stop"}],
		"usage":{"prompt_tokens":5,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":0}}}`
	for _, contentType := range []string{"application/json", "text/plain", ""} {
		answer, timeline := ask(t, stream(t, "openai", contentType, document))
		if answer.ErrorKind != "" || answer.Output != "all at once" || answer.OutputTokens != tables.Some[int32](3) || answer.CachedTokens != tables.Some[int32](0) {
			t.Errorf("%q: got %+v", contentType, answer)
		}
		if timeline.FirstTokenAt != 0 || timeline.FirstChunkAt != 0 || timeline.DoneAt == 0 || timeline.KernelTimestamps {
			t.Errorf("%q: got %+v", contentType, timeline)
		}
	}
	answer, _ := ask(t, stream(t, "openai", "application/json", `{"object":"list"}`))
	if answer.ErrorKind != tables.ErrTruncated {
		t.Errorf("a document without an answer is %q", answer.ErrorKind)
	}
}

// The stream is labelled wrong, as some gateways do.
func TestTheFirstByteTellsAStreamFromADocument(t *testing.T) {
	c := newTestClient(t, scenarios.Runtime{Protocol: "openai"}, func(*http.Request) (*http.Response, error) {
		return response(200, "application/json", strings.NewReader(": ping\n\n"+oneWord+finish)), nil
	})
	if answer, timeline := ask(t, c); answer.ErrorKind != "" || len(timeline.DeltaUS) != 1 {
		t.Errorf("got %q %q", answer.ErrorKind, answer.ErrorText)
	}
}

func TestOllamasLastLineIsTheAccount(t *testing.T) {
	const line = `{"created_at":"2026-11-23T17:54:00.1Z","message":{"content":"a"},"done":false}`
	for _, c := range []struct {
		name, last  string
		prompt      tables.Null[int32]
		prefill     tables.Null[int64]
		kind        tables.ErrorKind
		wasTruncate tables.Null[bool]
	}{
		{"whole", `{"done":true,"done_reason":"stop","prompt_eval_count":2000,"prompt_eval_duration":5,"eval_count":1,"eval_duration":7}`, tables.Some[int32](2000), tables.Some[int64](5), "", tables.Some(false)},
		{"cached", `{"done":true,"done_reason":"stop","eval_count":1,"eval_duration":7}`, tables.Null[int32]{}, tables.Null[int64]{}, "", tables.Null[bool]{}},
		{"cut", `{"done":true,"done_reason":"stop","prompt_eval_count":1026,"eval_count":1}`, tables.Some[int32](1026), tables.Null[int64]{}, "", tables.Some(true)},
		{"missing", ``, tables.Null[int32]{}, tables.Null[int64]{}, tables.ErrTruncated, tables.Null[bool]{}},
		{"an error", `{"error":"an error was encountered"}`, tables.Null[int32]{}, tables.Null[int64]{}, tables.ErrInstream, tables.Null[bool]{}},
	} {
		client := stream(t, "ollama", "application/x-ndjson", line, line, c.last)
		var timeline load.Timeline
		timeline.Reset()
		answer, err := client.Generate(t.Context(), load.Request{Prompt: load.Prompt{PromptTokens: 2000}}, &timeline)
		if err != nil || answer.PromptTokens != c.prompt || answer.ServerPrefillNS != c.prefill || answer.ErrorKind != c.kind || answer.PromptTruncated != c.wasTruncate || len(timeline.Counts) != 2 {
			t.Errorf("%s: got %+v, %v", c.name, answer, err)
		}
	}
}

func TestAPromptThatFillsTheContextWasCut(t *testing.T) {
	known, unknown := tables.Some[int32], tables.Null[int32]{}
	for _, c := range []struct {
		name    string
		wanted  int32
		counted tables.Null[int32]
		context int
		want    tables.Null[bool]
	}{
		{"whole", 200, known(212), 256, tables.Some(false)},
		{"a little longer than the context", 260, known(256), 256, tables.Some(true)},
		{"of unknown length", 0, known(256), 256, tables.Some(true)},
		{"of unknown length, and shorter", 0, known(255), 256, tables.Null[bool]{}},
		{"cut to half", 300, known(130), 256, tables.Some(true)},
		{"cut by a context that is not known", 300, known(256), 0, tables.Some(true)},
		{"cached", 300, unknown, 256, tables.Null[bool]{}},
	} {
		if got := isTruncated(c.wanted, c.counted, c.context); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestOllamaThinksAloud(t *testing.T) {
	for protocol, frames := range map[string][]string{
		"ollama":          {`{"message":{"thinking":"hm"}}`, `{"message":{"content":"yes"}}`, `{"message":{"tool_calls":[{}]}}`},
		"ollama_generate": {`{"thinking":"hm"}`, `{"response":"yes"}`, `{"response":"yes"}`},
	} {
		answer, timeline := ask(t, stream(t, protocol, "application/x-ndjson", append(frames, `{"done":true}`)...))
		want := map[string][]int8{"ollama": {1, 0, 2}, "ollama_generate": {1, 0, 0}}[protocol]
		if !reflect.DeepEqual(timeline.Kinds, want) || answer.ErrorKind != "" || answer.OutputTokens != tables.Some[int32](3) || answer.ReasoningTokens != tables.Some[int32](1) {
			t.Errorf("%s: got %v, %+v", protocol, timeline.Kinds, answer)
		}
	}
}

// TGI's own stream, from its documentation: no space after data, no [DONE], and the text once more at the end.
func TestTGIsStreamIsRead(t *testing.T) {
	answer, timeline := ask(t, stream(t, "tgi", "text/event-stream",
		`{"index":1,"token":{"id":264,"text":" a","logprob":-0.1,"special":false},"generated_text":null,"details":null}`,
		`{"index":2,"token":{"id":265,"text":" b","logprob":-0.1,"special":false},"generated_text":null,"details":null}`,
		`{"index":3,"token":{"id":2,"text":"</s>","logprob":-0.1,"special":true},"generated_text":" a b","details":{"finish_reason":"eos_token","generated_tokens":3,"seed":null,"input_length":12}}`))
	want := said{output: " a b", finish: "eos_token", chunks: 2, prompt: 12, cached: -1, tokens: 3, source: "usage", status: 200}
	if got := say(answer, timeline); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	answer, timeline = ask(t, stream(t, "tgi", "application/json", `{"generated_text":" a b","details":{"finish_reason":"length","generated_tokens":2}}`))
	if answer.Output != " a b" || answer.ErrorKind != "" || timeline.FirstTokenAt != 0 {
		t.Errorf("got %+v", answer)
	}
	answer, _ = ask(t, stream(t, "tgi", "text/event-stream", `{"error":"Request failed during generation: CUDA out of memory","error_type":"generation"}`))
	if answer.ErrorKind != tables.ErrInstream || !strings.Contains(answer.ErrorText, "CUDA") {
		t.Errorf("got %q %q", answer.ErrorKind, answer.ErrorText)
	}
	answer, _ = ask(t, stream(t, "tgi", "text/event-stream", `{"index":1,"token":{"text":" a"}}`, `nonsense`))
	if answer.ErrorKind != tables.ErrFrameGarbled {
		t.Errorf("got %q %q", answer.ErrorKind, answer.ErrorText)
	}
}
