package benchclient

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// model answers the identity prompts with a text of its own.
type model struct {
	text  func(prompt string) string
	kind  tables.ErrorKind
	hangs bool
	err   error
	asked atomic.Int32
}

func (m *model) Generate(ctx context.Context, r load.Request, _ *load.Timeline) (load.Answer, error) {
	m.asked.Add(1)
	if m.err != nil {
		return load.Answer{}, m.err
	}
	if m.hangs {
		<-ctx.Done()
		return load.Answer{ErrorKind: tables.ErrTotalTimeout}, nil
	}
	if m.kind != "" {
		return load.Answer{ErrorKind: m.kind, ErrorText: "no"}, nil
	}
	if !r.KeepOutput || r.Prompt.OutputTokens != identityTokens || r.Prompt.SHA256 == "" {
		return load.Answer{ErrorKind: "not_as_wanted"}, nil
	}
	return load.Answer{Output: m.text(r.Prompt.Messages[0].Content)}, nil
}

func echo(prompt string) string { return " You said: " + prompt + "\n" }

// identityOf runs a whole assignment whose runtime is the model, and returns the rows of the identity prompts too.
func identityOf(t *testing.T, m *model) (Identity, []tables.Request, error) {
	t.Helper()
	to := new(sink)
	var report Report
	var err error
	synctest.Test(t, func(t *testing.T) {
		d := deps(new(server), to)
		d.Identity = m
		report, err = run(t.Context(), assignment(), d)
	})
	var rows []tables.Request
	seqs := map[int64]bool{}
	for _, row := range to.requests {
		if seqs[row.Seq] {
			t.Errorf("seq %d is there twice", row.Seq)
		}
		seqs[row.Seq] = true
		if row.Seq < -identitySeq {
			rows = append(rows, row)
		}
	}
	return report.Identity, rows, err
}

func TestTheSameModelGivesTheSameDigestAndAnotherOneDoesNot(t *testing.T) {
	a, rows, err := identityOf(t, &model{text: echo})
	if err != nil || len(a.Answers) != len(identityPrompts) || len(rows) != len(identityPrompts) || len(a.SHA256()) != 64 {
		t.Fatalf("identity %+v, %d rows, error %v", a, len(rows), err)
	}
	for _, row := range rows {
		if row.Phase != tables.PhaseWarmUp || !row.Final || row.RequestedOutputTokens != identityTokens {
			t.Errorf("row %+v", row)
		}
	}
	if a.Answers[0].Text != "You said: Tell me a story." {
		t.Errorf("the text is %q", a.Answers[0].Text)
	}
	b, _, _ := identityOf(t, &model{text: func(p string) string { return strings.TrimSpace(echo(p)) }})
	if a.SHA256() != b.SHA256() {
		t.Error("white space around an answer makes another model")
	}
	long := strings.Repeat("é", 500)
	c, _, _ := identityOf(t, &model{text: func(string) string { return long + "a" }})
	d, _, _ := identityOf(t, &model{text: func(string) string { return long + "b" }})
	if c.SHA256() == d.SHA256() || c.Answers[0].Text != long[:identityText] {
		t.Errorf("answers that differ late give %q and the same digest: %v", c.Answers[0].Text, c.SHA256() == d.SHA256())
	}
}

func TestWhatIsNotAnsweredHasNoDigest(t *testing.T) {
	for name, m := range map[string]*model{
		"an error":   {kind: "http_status"},
		"no text":    {text: func(string) string { return " " }},
		"no answers": {hangs: true},
	} {
		id, rows, err := identityOf(t, m)
		if err != nil || id.SHA256() != "" || (id.Failure == "") != (name == "no text") || len(rows) != int(m.asked.Load()) {
			t.Errorf("%s: %+v, %d rows, error %v", name, id, len(rows), err)
		}
	}
	if id, rows, err := identityOf(t, &model{err: errors.New("no such protocol")}); err == nil || len(rows) > 0 {
		t.Errorf("a client that can't ask: %+v, %v", id, err)
	}
}

func TestOneWorkerAsksForAll(t *testing.T) {
	m := &model{text: echo}
	a := assignment()
	a.Worker, a.Workers = 1, 2
	id, err := askIdentity(t.Context(), a, Deps{Identity: m})
	if err != nil || m.asked.Load() > 0 || id.SHA256() != "" {
		t.Errorf("the second worker asked %d times: %+v, %v", m.asked.Load(), id, err)
	}
}
