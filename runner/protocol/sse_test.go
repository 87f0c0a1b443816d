package protocol

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

// events reads all events of a stream; an error event has an exclamation mark before its data.
func events(newline bool, in io.Reader) (all []string, err error) {
	var l lines
	l.reset(in, !newline)
	var f frames = &sse{lines: &l}
	if newline {
		f = &ndjson{&l}
	}
	if _, err := l.first(); err != nil {
		return nil, err
	}
	for {
		data, ok, err := f.next()
		if err != nil {
			return all, err
		}
		mark := "!"
		if ok {
			mark = ""
		}
		all = append(all, mark+string(data))
	}
}

func TestEventsAreReadAsTheStandardSays(t *testing.T) {
	for _, c := range []struct {
		name, stream string
		want         []string
	}{
		{"one event", "data: a\n\n", []string{"a"}},
		{"no space after the colon", "data:a\n\ndata:  b\n\n", []string{"a", " b"}},
		{"several lines of data", "data: a\ndata: b\ndata:\n\n", []string{"a\nb\n"}},
		{"CRLF", "data: a\r\n\r\ndata: b\r\n\r\n", []string{"a", "b"}},
		{"CR", "data: a\r\rdata: b\r\r", []string{"a", "b"}},
		{"line ends of all kinds", "data: a\r\ndata: b\rdata: c\n\r\ndata: d\n\n", []string{"a\nb\nc", "d"}},
		{"a byte order mark", "\uFEFFdata: a\n\n", []string{"a"}},
		{"blank lines first", "\n\r\n \ndata: a\n\n", []string{"a"}},
		{"comments", ": ping\n\n:\n\ndata: a\n: in between\ndata: b\n\n", []string{"a\nb"}},
		{"other fields", "id: 7\nevent: message\nretry: 10\nfuture-field: x\ndata: a\n\n", []string{"a"}},
		{"no data", "event: ping\n\ndata\n\ndata:\n\ndata: a\n\n", []string{"a"}},
		{"an error event", "event: error\ndata: a\n\ndata: b\n\n", []string{"!a", "b"}},
		{"an error event without data", "event: error\n\ndata: b\n\n", []string{"b"}},
		{"an error field", "error: {\"message\":1}\n\n", []string{`!{"message":1}`}},
		{"a bare object", "{\"error\":1}\n\n", []string{`{"error":1}`}},
		{"no blank line at the end", "data: a\n\ndata: b\n", []string{"a", "b"}},
		{"no line end at the end", "data: a\n\ndata: b", []string{"a", "b"}},
		{"a line of more than 64 KiB", "data: " + strings.Repeat("x", 100<<10) + "\n\n", []string{strings.Repeat("x", 100<<10)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := events(false, strings.NewReader(c.stream))
			if err != io.EOF || !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %.200q, %v; want %.200q", got, err, c.want)
			}
		})
	}
}

func TestWhatIsNoFieldIsNotSkipped(t *testing.T) {
	for _, stream := range []string{"data: a\n\n<html>\n", "data: a\n\n\x00\n\n", "data: a\n\n[1]\n\n", "data: a\n\ndata : b\n\n"} {
		_, err := events(false, strings.NewReader(stream))
		var f *fault
		if !errors.As(err, &f) {
			t.Errorf("%q ends with %v", stream, err)
		}
	}
}

func TestJSONLinesEndInLFAlone(t *testing.T) {
	got, err := events(true, strings.NewReader("{\"a\":\r1}\r\n\n{}\n{\"b\":2}"))
	if want := []string{"{\"a\":\r1}", "{}", `{"b":2}`}; err != io.EOF || !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

func TestABrokenStreamLosesItsLastPiece(t *testing.T) {
	for _, newline := range []bool{false, true} {
		broken := io.MultiReader(strings.NewReader("data: {}\n\ndata: a\n"), iotest.ErrReader(io.ErrUnexpectedEOF))
		got, err := events(newline, broken)
		if err != io.ErrUnexpectedEOF || got[0] != map[bool]string{false: "{}", true: "data: {}"}[newline] || newline != (len(got) == 2) {
			t.Errorf("got %q, %v", got, err)
		}
	}
}

func seedStreams(f *testing.F) {
	for _, c := range captures {
		_, body := capture(f, c.file)
		f.Add(body, uint(len(body)/2))
	}
	f.Add([]byte("\xEF\xBB\xBFdata: a\r\rdata:b\r\n\r\n"), uint(1))
}

// A stream has the same events in whatever pieces it comes, and nothing makes the reader panic or hang.
func FuzzPiecesOfEvents(f *testing.F) {
	seedStreams(f)
	f.Fuzz(func(t *testing.T, stream []byte, at uint) {
		at %= uint(len(stream) + 1)
		for _, newline := range []bool{false, true} {
			want, wantErr := events(newline, bytes.NewReader(stream))
			for name, in := range map[string]io.Reader{
				"byte by byte": iotest.OneByteReader(bytes.NewReader(stream)),
				"two pieces":   io.MultiReader(bytes.NewReader(stream[:at]), bytes.NewReader(stream[at:])),
				"at the end":   iotest.DataErrReader(bytes.NewReader(stream)),
			} {
				got, err := events(newline, in)
				if !reflect.DeepEqual(got, want) || (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
					t.Fatalf("%s: got %q, %v; whole %q, %v", name, got, err, want, wantErr)
				}
			}
		}
	})
}

// slow is a decoder that never uses its template.
func slow(d decoder) decoder {
	switch d := d.(type) {
	case *openAIDecoder:
		d.fast.useless = 1 << 30
	case *ollamaDecoder:
		d.fast.useless = 1 << 30
	}
	return d
}

// The template says of a frame what decoding it says.
func FuzzTheFastPathEqualsTheSlowOne(f *testing.F) {
	for _, dir := range []string{"llamacpp-xllamacpp", "ollama", "wasm-wazero-go", "wasm-wllama-node20"} {
		files, _ := filepath.Glob(filepath.Join("testdata", "wire", dir, "*stream*.txt"))
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			_, body, _ := strings.Cut(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n\n")
			frames := strings.Fields(strings.ReplaceAll(strings.ReplaceAll(body, "data: ", ""), " ", "\u00a0"))
			f.Add(frames[0], frames[min(1, len(frames)-1)], frames[len(frames)-1])
		}
	}
	f.Add(`{"choices":[{"delta":{"content":"content"}}]}`, `{"choices":[{"delta":{"content":"x"}}]}`, `{"choices":[{"delta":{"content":"x","content":"y"}}]}`)
	f.Add(`{"response":"a","response":"a"}`, `{"response":"a","response":"b"}`, `{"response":"b","response":"a"}`)
	f.Add(`{"created_at":"a","response":"a"}`, `{"created_at":"a\"","response":"b"}`, `{"created_at":"\\","response":"\\"}`)
	f.Fuzz(func(t *testing.T, a, b, c string) {
		for _, format := range []format{&openAI{chat: true}, &ollama{chat: true}} {
			fast, fastErrs := decodeAll(format.decoder(), a, b, c)
			slow, slowErrs := decodeAll(slow(format.decoder()), a, b, c)
			if !reflect.DeepEqual(fast, slow) || !reflect.DeepEqual(fastErrs, slowErrs) {
				t.Fatalf("%T: fast %+v %v, slow %+v %v", format, fast, fastErrs, slow, slowErrs)
			}
		}
	})
}
