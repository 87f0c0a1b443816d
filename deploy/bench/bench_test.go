package main

import (
	"os"
	"strings"
	"testing"

	"github.com/llmscen/llmscen/runner/embedded"
	"github.com/llmscen/llmscen/runner/protocol"
	"github.com/llmscen/llmscen/warehouse/tables"
)

func TestFiguresAreReadByNameAndUnit(t *testing.T) {
	f, err := readFigures(strings.NewReader(`goos: linux
BenchmarkDecode/answers=1-16         	     100	    140000 ns/op	      7100 tokens/s
BenchmarkDecode/answers=1-16         	     100	    150000 ns/op	      6900 tokens/s
BenchmarkDecode/answers=1-16         	     100	    160000 ns/op	      6000 tokens/s
BenchmarkMSER5
PASS
ok  	example.org/x	1.2s
`))
	if err != nil {
		t.Fatal(err)
	}
	if v, err := f.median("Decode/answers=1", "tokens/s"); err != nil || v != 6900 {
		t.Errorf("%v, %v", v, err)
	}
	if _, err := f.median("Decode/answers=1", "B/op"); err == nil {
		t.Error("a unit that was not reported has a value")
	}
}

func TestALimitIsKeptOrNot(t *testing.T) {
	for _, c := range []struct {
		limit limit
		value float64
		want  string
	}{
		{limit{least: 240}, 240, "ok"},
		{limit{least: 240}, 239, "under"},
		{limit{most: 2.5}, 2.5, "ok"},
		{limit{most: 2.5}, 2.6, "over"},
		{limit{}, 1, ""},
	} {
		if got := c.limit.judge(c.value); got != c.want {
			t.Errorf("%v by %v: %q, want %q", c.value, c.limit, got, c.want)
		}
	}
}

func TestDelaysAreFromTheServersSendToTheClientsTime(t *testing.T) {
	rows := []tables.Request{
		{Seq: 1, FirstChunkAt: 1_000_000, TokenDeltaUS: []int32{0, 10, 5}, CoalescedChunks: 1},
		{Seq: 2, FirstChunkAt: 1_000_000, TokenDeltaUS: []int32{0}}, // the server knows nothing of it
	}
	sent := map[string]embedded.SentRequest{protocol.RequestID("t", 1, 0): {SentAt: []int64{998_000, 1_003_000, 1_014_000}}}
	got, coalesced := delays("t", rows, sent)
	if len(got) != 3 || got[0] != 2 || got[1] != 7 || got[2] != 1 {
		t.Errorf("delays %v", got)
	}
	if coalesced != 1.0/3 {
		t.Errorf("%v of the chunks came with an earlier one", coalesced)
	}
}

func TestTheProcessesBelowAreThoseThatRun(t *testing.T) {
	if !alive(os.Getpid()) {
		t.Error("this process is dead")
	}
	if alive(1 << 30) {
		t.Error("a process that cannot be is alive")
	}
	if _, err := descendants(os.Getpid()); err != nil {
		t.Error(err)
	}
}
