package prompts

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/scenarios"
)

// openRows opens what a set reads its prompts from; nil: they are made.
func openRows(set scenarios.PromptSet, openParquet func(path, column string) (Texts, error)) (rowReader, error) {
	column := set.Column
	if column == "" {
		column = "prompt"
	}
	switch set.Kind {
	case "synthetic":
		return nil, nil
	case "conversation":
		if set.Path == "" {
			return nil, nil
		}
		return openLines(set, parseConversation, rowSlack)
	case "jsonl":
		return openLines(set, parseJSON, rowSlack)
	case "text":
		return openLines(set, parseText, 1)
	case "csv":
		return openCSV(set, column)
	case "inline":
		if len(set.Inline) == 0 {
			return nil, errors.New("it has no prompt")
		}
		return inline(set.Inline), nil
	case "parquet":
		if openParquet == nil {
			return nil, errors.New("no Parquet file can be read here")
		}
		t, err := openParquet(set.Path, column)
		if err != nil {
			return nil, err
		}
		if t.Len() == 0 {
			return nil, errors.Join(fmt.Errorf("%s has no prompt", set.Path), t.Close())
		}
		return table{t}, nil
	}
	return nil, fmt.Errorf("there are no prompts of kind %q", set.Kind)
}

// rowSlack is how much longer than its prompt a row may be: JSON escapes, quotes, the answers of a conversation.
const rowSlack = 4

// How much of a file is parsed when it is opened, so that most mistakes are told before the load and not in the middle of
// it; what lies behind is parsed when it is asked.
const (
	rowsCheckedAtOnce  = 10_000
	bytesCheckedAtOnce = 16 << 20
)

// lines are a file with a prompt a line.
type lines struct {
	*index
	parse func(line []byte) (row, error)
}

func openLines(set scenarios.PromptSet, parse func([]byte) (row, error), slack scenarios.Bytes) (rowReader, error) {
	x, err := openIndex(set.Path, format{maxSize: set.MaxPromptBytes * slack})
	if err != nil {
		return nil, err
	}
	return checked(x, &lines{x, parse})
}

// checked parses the start of a file.
func checked(x *index, r rowReader) (rowReader, error) {
	for i := int64(0); i < min(r.Len(), rowsCheckedAtOnce) && x.offset(i) < bytesCheckedAtOnce; i++ {
		if _, err := r.row(i); err != nil {
			return nil, errors.Join(err, x.file.Close())
		}
	}
	return r, nil
}

// Len is how many rows there are.
func (l *lines) Len() int64 { return l.count }

// Close closes the file.
func (l *lines) Close() error { return l.file.Close() }

func (l *lines) row(i int64) (row, error) {
	b, err := l.record(i)
	if err != nil {
		return row{}, err
	}
	line, _, _ := bytes.Cut(b, []byte{'\n'})
	r, err := l.parse(bytes.TrimRight(line, " \t\r"))
	if err != nil {
		return row{}, fmt.Errorf("%s: %w", l.place(i), err)
	}
	return r, nil
}

func parseText(line []byte) (row, error) { return asked(string(line), 0), nil }

func asked(text string, outputTokens int32) row {
	return row{messages: []load.Message{{Role: "user", Content: text}}, outputTokens: outputTokens}
}

// entry is a JSON row in any of the forms that are recognised: a prompt or text, OpenAI's messages, or the turns of
// ShareGPT.
type entry struct {
	Prompt        string    `json:"prompt"`
	Text          string    `json:"text"`
	Messages      []message `json:"messages"`
	Conversations []struct {
		From  string `json:"from"`
		Value string `json:"value"`
	} `json:"conversations"`
	OutputTokens int32 `json:"output_tokens"`
}

type message struct {
	Role    string  `json:"role"`
	Content content `json:"content"`
}

// content is a text, or a list of parts of which those that are texts are joined.
type content string

func (c *content) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] != '[' {
		return json.Unmarshal(b, (*string)(c))
	}
	var parts []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	if err := json.Unmarshal(b, &parts); err != nil {
		return err
	}
	var texts []string
	for _, p := range parts {
		if p.Type != "text" {
			return fmt.Errorf("a part of type %q can't be asked: only text can", p.Type)
		}
		texts = append(texts, p.Text)
	}
	*c = content(strings.Join(texts, "\n"))
	return nil
}

func parseEntry(line []byte) (entry, error) {
	var e entry
	if err := json.Unmarshal(line, &e); err != nil {
		return e, fmt.Errorf("not a JSON object with a prompt: %w", err)
	}
	if e.OutputTokens < 0 {
		return e, fmt.Errorf("output_tokens is %d", e.OutputTokens)
	}
	return e, nil
}

var errNoPrompt = errors.New(`there is no "prompt", "text", "messages" or "conversations" that asks something`)

// parseJSON reads one prompt. Of messages, those up to the last of the user are sent; of ShareGPT's form the first
// question is, as vLLM's and SGLang's benchmarks do.
func parseJSON(line []byte) (row, error) {
	e, err := parseEntry(line)
	if err != nil {
		return row{}, err
	}
	switch {
	case e.Prompt != "":
		return asked(e.Prompt, e.OutputTokens), nil
	case e.Text != "":
		return asked(e.Text, e.OutputTokens), nil
	case len(e.Messages) > 0:
		r := row{outputTokens: e.OutputTokens}
		last := -1
		for i, m := range e.Messages {
			r.messages = append(r.messages, load.Message{Role: m.Role, Content: string(m.Content)})
			if m.Role == "user" {
				last = i
			}
		}
		if last < 0 {
			return row{}, errNoPrompt
		}
		r.messages = r.messages[:last+1]
		return r, nil
	}
	turns := e.userTurns()
	if len(turns) == 0 {
		return row{}, errNoPrompt
	}
	return asked(turns[0], e.OutputTokens), nil
}

// parseConversation reads the user's turns; what the file's assistant says is left to the server.
func parseConversation(line []byte) (row, error) {
	e, err := parseEntry(line)
	if err != nil {
		return row{}, err
	}
	turns := e.userTurns()
	if len(turns) == 0 {
		return row{}, errNoPrompt
	}
	return row{conversation: turns, outputTokens: e.OutputTokens}, nil
}

func (e entry) userTurns() []string {
	var turns []string
	for _, c := range e.Conversations {
		if slices.Contains([]string{"human", "user"}, c.From) && c.Value != "" {
			turns = append(turns, c.Value)
		}
	}
	for _, m := range e.Messages {
		if m.Role == "user" {
			turns = append(turns, string(m.Content))
		}
	}
	if len(turns) == 0 && e.Prompt != "" {
		turns = []string{e.Prompt}
	}
	return turns
}

// sheet is a CSV file under a header.
type sheet struct {
	*index
	prompt, output int // columns; output is -1 where there is none
}

func openCSV(set scenarios.PromptSet, column string) (rowReader, error) {
	x, err := openIndex(set.Path, format{quotes: true, maxSize: set.MaxPromptBytes * rowSlack})
	if err != nil {
		return nil, err
	}
	s := &sheet{index: x}
	header, err := s.fields(0)
	if err == nil {
		s.prompt, s.output = slices.Index(header, column), slices.Index(header, "output_tokens")
		if s.prompt < 0 {
			err = fmt.Errorf("%s has no column %q: it has %s", set.Path, column, strings.Join(header, ", "))
		} else if s.Len() == 0 {
			err = fmt.Errorf("%s has no prompt", set.Path)
		}
	}
	if err != nil {
		return nil, errors.Join(err, x.file.Close())
	}
	return checked(x, s)
}

// Len is how many rows there are below the header.
func (s *sheet) Len() int64 { return s.count - 1 }

// Close closes the file.
func (s *sheet) Close() error { return s.file.Close() }

func (s *sheet) fields(record int64) ([]string, error) {
	b, err := s.record(record)
	if err != nil {
		return nil, err
	}
	fields, err := csv.NewReader(bytes.NewReader(b)).Read()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.place(record), err)
	}
	return fields, nil
}

func (s *sheet) row(i int64) (row, error) {
	fields, err := s.fields(i + 1)
	if err != nil {
		return row{}, err
	}
	if s.prompt >= len(fields) || fields[s.prompt] == "" {
		return row{}, fmt.Errorf("%s: the row has no prompt", s.place(i+1))
	}
	var n int32
	if s.output >= 0 && s.output < len(fields) && fields[s.output] != "" {
		if err := json.Unmarshal([]byte(fields[s.output]), &n); err != nil || n < 0 {
			return row{}, fmt.Errorf("%s: output_tokens is %q", s.place(i+1), fields[s.output])
		}
	}
	return asked(fields[s.prompt], n), nil
}

// inline are prompts that the scenario holds.
type inline []string

func (p inline) Len() int64               { return int64(len(p)) }
func (p inline) row(i int64) (row, error) { return asked(p[i], 0), nil }
func (p inline) Close() error             { return nil }

// table are the prompts of a Parquet file.
type table struct{ Texts }

func (t table) row(i int64) (row, error) {
	text, err := t.Text(i)
	if err != nil {
		return row{}, err
	}
	if text == "" {
		return row{}, fmt.Errorf("row %d has no prompt", i+1)
	}
	return asked(text, 0), nil
}
