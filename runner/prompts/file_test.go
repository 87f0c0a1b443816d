package prompts

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/scenarios"
)

func write(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "prompts")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func contents(t testing.TB, s *Set) []string {
	t.Helper()
	var all []string
	for id := range s.Len() {
		var texts []string
		for _, m := range prompt(t, s, load.Turn{PromptID: id}).Messages {
			texts = append(texts, m.Role+":"+m.Content)
		}
		all = append(all, strings.Join(texts, "|"))
	}
	return all
}

func TestFilesAreReadInTheirForms(t *testing.T) {
	for name, c := range map[string]struct {
		set  scenarios.PromptSet
		text string
		want []string
	}{
		"a line each": {
			scenarios.PromptSet{Kind: "text"},
			"\xef\xbb\xbfone\r\n\n  \n two  \n" + "drei – 三",
			[]string{"user:one", "user:two", "user:drei – 三"},
		},
		"a JSON prompt a line": {
			scenarios.PromptSet{Kind: "jsonl", System: "be brief"},
			`{"prompt":"one"}` + "\n\n" + `{"text":"two \u00e9\n"}`,
			[]string{"system:be brief|user:one", "system:be brief|user:two é\n"},
		},
		"messages": {
			scenarios.PromptSet{Kind: "jsonl", System: "not asked"},
			`{"messages":[{"role":"system","content":"s"},{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":[{"type":"text","text":"c"},{"type":"text","text":"d"}]},{"role":"assistant","content":"e"}]}`,
			[]string{"system:s|user:a|assistant:b|user:c\nd"},
		},
		"ShareGPT": {
			scenarios.PromptSet{Kind: "jsonl"},
			`{"id":"x","conversations":[{"from":"gpt","value":"hello"},{"from":"human","value":"a"},{"from":"gpt","value":"b"},{"from":"human","value":"c"}]}`,
			[]string{"user:a"},
		},
		"a table with quotes and breaks": {
			scenarios.PromptSet{Kind: "csv", Column: "q"},
			"id,q\r\n1,\"one, \"\"two\"\"\r\nthree\"\r\n\r\n2,four\n",
			[]string{"user:one, \"two\"\nthree", "user:four"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.set.Path = write(t, c.text)
			s, _ := open(t, Options{Set: c.set})
			if got := contents(t, s); !slices.Equal(got, c.want) {
				t.Errorf("it gives %q, want %q", got, c.want)
			}
		})
	}
}

func TestRowsMaySayHowLongTheirAnswersAre(t *testing.T) {
	for kind, text := range map[string]string{
		"jsonl": `{"prompt":"a","output_tokens":7}`,
		"csv":   "output_tokens,prompt\n7,a",
	} {
		s, _ := open(t, Options{Set: scenarios.PromptSet{Kind: kind, Path: write(t, text)}})
		if n := prompt(t, s, load.Turn{}).OutputTokens; n != 7 {
			t.Errorf("%s: %d tokens", kind, n)
		}
	}
}

func TestAFilesConversationIsHeldWithTheServer(t *testing.T) {
	s, _ := open(t, Options{Set: scenarios.PromptSet{Kind: "conversation", Path: write(t,
		`{"conversations":[{"from":"human","value":"a"},{"from":"gpt","value":"not said"},{"from":"human","value":"c"}]}`)}})
	first := prompt(t, s, load.Turn{})
	second := prompt(t, s, load.Turn{Turn: 1, Before: first.Messages, Answer: "b"})
	if !first.HasNext || second.HasNext || len(second.Messages) != 3 || second.Messages[1].Content != "b" || second.Messages[2].Content != "c" {
		t.Errorf("turns are %+v and %+v", first, second)
	}
}

func TestAColdCacheIsKeptColdByANonceBeforeTheUsersWords(t *testing.T) {
	set := scenarios.PromptSet{Kind: "inline", Inline: []string{"why?"}, System: "be brief", Cache: "cold"}
	s, _ := open(t, Options{Set: set, Nonce: "n"})
	one, two := prompt(t, s, load.Turn{Seq: 1}).Messages, prompt(t, s, load.Turn{Seq: 2}).Messages
	if one[0] != two[0] || one[1] == two[1] || !strings.HasSuffix(one[1].Content, "\nwhy?") {
		t.Errorf("%q and %q", one, two)
	}
	if s.set.Inline[0] != "why?" {
		t.Error("the set was changed")
	}
}

func TestASampleIsOfTheSeedAndHasNoRowTwice(t *testing.T) {
	var text strings.Builder
	for i := range 500 {
		fmt.Fprintf(&text, "prompt %d\n", i)
	}
	path := write(t, text.String())
	sample := func(seed int64) []string {
		s, facts := open(t, Options{Set: scenarios.PromptSet{Kind: "text", Path: path, Sample: 60, Seed: seed}})
		if facts.Prompts != 60 {
			t.Errorf("%+v", facts)
		}
		return contents(t, s)
	}
	one := sample(1)
	if !slices.Equal(one, sample(1)) || slices.Equal(one, sample(2)) {
		t.Error("the sample does not follow its seed")
	}
	slices.Sort(one)
	if len(slices.Compact(one)) != 60 {
		t.Error("a row was taken twice")
	}
}

func TestAMistakeInAFileIsToldWithItsPlace(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for name, c := range map[string]struct {
		set  scenarios.PromptSet
		text string
		want string
	}{
		"no UTF-8":                {scenarios.PromptSet{Kind: "text"}, "one\ntwo\xff\n", "line 2: byte 7 of the file is not UTF-8"},
		"no UTF-8, far behind":    {scenarios.PromptSet{Kind: "text"}, strings.Repeat(long[:999]+"\n", 1000) + "é\xc3(", "line 1001: byte 1000002 of the file is not UTF-8"},
		"half a character":        {scenarios.PromptSet{Kind: "text"}, "one\n\xe4\xb8", "line 2: byte 4 of the file is not UTF-8"},
		"too long":                {scenarios.PromptSet{Kind: "text", MaxPromptBytes: 1 << 19}, "one\n" + long, "line 2: it is longer than 512KiB"},
		"no JSON":                 {scenarios.PromptSet{Kind: "jsonl"}, "\n" + `{"prompt":"a"}` + "\n\n" + `{"prompt"`, "line 4: not a JSON object"},
		"nothing asked":           {scenarios.PromptSet{Kind: "jsonl"}, `{"question":"a"}`, `line 1: there is no "prompt"`},
		"no user":                 {scenarios.PromptSet{Kind: "jsonl"}, `{"messages":[{"role":"system","content":"a"}]}`, "line 1: there is no"},
		"a picture":               {scenarios.PromptSet{Kind: "jsonl"}, `{"messages":[{"role":"user","content":[{"type":"image_url"}]}]}`, `a part of type "image_url" can't be asked`},
		"a negative length":       {scenarios.PromptSet{Kind: "jsonl"}, `{"prompt":"a","output_tokens":-1}`, "output_tokens is -1"},
		"nothing":                 {scenarios.PromptSet{Kind: "text"}, "\n \n", "has no prompt"},
		"no such column":          {scenarios.PromptSet{Kind: "csv"}, "a,b\n1,2", `no column "prompt": it has a, b`},
		"an empty cell":           {scenarios.PromptSet{Kind: "csv"}, "prompt,b\nx,1\n,2", "line 3: the row has no prompt"},
		"a quote left open":       {scenarios.PromptSet{Kind: "csv"}, "prompt\nx\n\"y\nz", "line 3: a quote is not closed"},
		"only a header":           {scenarios.PromptSet{Kind: "csv"}, "prompt\n", "has no prompt"},
		"a length that is a word": {scenarios.PromptSet{Kind: "csv"}, "prompt,output_tokens\nx,many", `line 2: output_tokens is "many"`},
		"a prompt out of bounds":  {scenarios.PromptSet{Kind: "jsonl", MaxPromptBytes: 10}, `{"prompt":"` + strings.Repeat("x", 200) + `"}`, "line 1: it is longer than 40B"},
	} {
		t.Run(name, func(t *testing.T) {
			c.set.Path = write(t, c.text)
			_, _, err := New(t.Context(), Options{Set: c.set})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("it says %v, want %s", err, c.want)
			}
		})
	}
}

func TestWhatIsNoFileIsNotOpened(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Join(dir, "missing"), os.DevNull} {
		if _, _, err := New(t.Context(), Options{Set: scenarios.PromptSet{Kind: "text", Path: path}}); err == nil {
			t.Errorf("%s is opened", path)
		}
	}
	if _, _, err := New(t.Context(), Options{Set: scenarios.PromptSet{Kind: "parquet", Path: dir}}); err == nil {
		t.Error("a Parquet file is opened by nobody")
	}
	if _, _, err := New(t.Context(), Options{Set: scenarios.PromptSet{Kind: "synthetic", PromptTokens: scenarios.Constant(1), Tokenizer: filepath.Join(dir, "missing")}}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a tokenizer that is not there: %v", err)
	}
}

type column []string

func (c column) Len() int64                   { return int64(len(c)) }
func (c column) Text(i int64) (string, error) { return c[i], nil }
func (c column) Close() error                 { return nil }

func TestParquetIsReadByWhoeverCan(t *testing.T) {
	s, _ := open(t, Options{
		Set: scenarios.PromptSet{Kind: "parquet", Path: "/p", Column: "q"},
		OpenParquet: func(path, name string) (Texts, error) {
			if path != "/p" || name != "q" {
				t.Errorf("%s of %s is opened", name, path)
			}
			return column{"a", "b"}, nil
		},
	})
	if got := contents(t, s); !slices.Equal(got, []string{"user:a", "user:b"}) {
		t.Errorf("it gives %q", got)
	}
}

// heap is how much the live objects take.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestAFileOfAGigabyteIsNotHeld(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sparse")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	const rows, size = 1024, 1 << 20
	for i := range int64(rows) {
		// What is between is a hole, which reads as zero bytes: UTF-8 like any other.
		if _, err := f.WriteAt(fmt.Appendf(nil, "prompt %d", i), i*size); err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte("\n"), (i+1)*size-1); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	before := heap()
	var m0, m1 runtime.MemStats
	runtime.ReadMemStats(&m0)
	s, facts := open(t, Options{Set: scenarios.PromptSet{Kind: "text", Path: path}})
	p := prompt(t, s, load.Turn{PromptID: 1000})
	runtime.ReadMemStats(&m1)
	if facts.Prompts != rows || !strings.HasPrefix(p.Messages[0].Content, "prompt 1000") {
		t.Errorf("%d prompts", facts.Prompts)
	}
	if held := heap() - before; held > 4<<20 {
		t.Errorf("%d bytes are held", held)
	}
	if m1.TotalAlloc-m0.TotalAlloc > 90<<20 {
		t.Errorf("%d bytes were allocated", m1.TotalAlloc-m0.TotalAlloc)
	}
	runtime.KeepAlive(s)
}

func TestAShortLineCostsFourBytes(t *testing.T) {
	const n = 2_000_000
	path := write(t, strings.Repeat("why?\n", n))
	before := heap()
	s, _ := open(t, Options{Set: scenarios.PromptSet{Kind: "text", Path: path}})
	if held := heap() - before; s.Len() != n || held > 5*n {
		t.Errorf("%d bytes are held for %d lines", held, s.Len())
	}
	if prompt(t, s, load.Turn{PromptID: n - 1}).Messages[0].Content != "why?" {
		t.Error("the last line is another")
	}
	runtime.KeepAlive(s)
}

// FuzzAnIndex compares the records of a file with those that splitting its whole text gives.
func FuzzAnIndex(f *testing.F) {
	for _, text := range []string{"a\nb", "\xef\xbb\xbfa", "\r\n\r\na b \n\n", "é\n三\xff", "\"a\nb\"\nc"} {
		f.Add([]byte(text), uint8(3))
	}
	f.Fuzz(func(t *testing.T, text []byte, step uint8) {
		x := &index{longer: 1 << 20}
		s := scan{index: x, format: format{maxSize: 1 << 20}, line: 1, recordLine: 1}
		body := bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
		s.at = int64(len(text) - len(body))
		var err error
		for rest := body; len(rest) > 0 && err == nil; {
			n := min(int(step)+1, len(rest))
			err = s.take(rest[:n])
			rest = rest[n:]
		}
		valid := bytes.Equal(body, bytes.ToValidUTF8(body, nil))
		if err == nil && len(s.partial) > 0 {
			err = io.ErrUnexpectedEOF
		}
		if (err == nil) != valid {
			t.Fatalf("valid text is %v, and the scan says %v", valid, err)
		}
		if err != nil {
			return
		}
		s.end()
		x.size = int64(len(text))
		var want, got []string
		for line := range bytes.SplitSeq(body, []byte{'\n'}) {
			if line = bytes.Trim(line, " \t\r"); len(line) > 0 {
				want = append(want, string(line))
			}
		}
		for i := range x.count {
			line, _, _ := bytes.Cut(text[x.offset(i):x.offset(i+1)], []byte{'\n'})
			got = append(got, string(bytes.TrimRight(line, " \t\r")))
		}
		if !slices.Equal(got, want) {
			t.Fatalf("records are %q, want %q", got, want)
		}
	})
}

func FuzzAJSONRow(f *testing.F) {
	f.Add([]byte(`{"prompt":"a","output_tokens":1}`))
	f.Add([]byte(`{"messages":[{"role":"user","content":[{"type":"text","text":"c"}]}]}`))
	f.Add([]byte(`{"conversations":[{"from":"human","value":"a"}]}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := parseJSON(line)
		if err == nil && (len(r.messages) == 0 || r.messages[len(r.messages)-1].Role != "user" || r.outputTokens < 0 || !json.Valid(line)) {
			t.Fatalf("%q is read as %+v", line, r)
		}
		if c, err := parseConversation(line); err == nil && len(c.conversation) == 0 {
			t.Fatalf("%q is a conversation without turns", line)
		}
	})
}
