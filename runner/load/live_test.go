package load_test

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/tables"
)

func quantiles(d []time.Duration) (p50, p99 time.Duration) {
	slices.Sort(d)
	return d[(len(d)-1)/2], d[(len(d)-1)*99/100]
}

func TestLiveFiguresFollowTheLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		live := new(load.Live)
		if s := live.Snapshot(); s.Begun || s.Due != 0 {
			t.Errorf("before the load it says %+v", s)
		}
		tr := newTrial(scenarios.Load{Shape: "ramping_rate", Stages: []scenarios.LoadStage{
			{Over: 10 * time.Second, RatePerSecond: 10}, {Over: 10 * time.Second, RatePerSecond: 20, Step: true},
		}})
		tr.warmUp, tr.coolDown, tr.Live = 5*time.Second, 5*time.Second, live
		tr.server.takes = always(time.Second + 50*time.Millisecond)
		tr.server.says = func(r load.Request, a *load.Answer) {
			if r.Seq%10 == 0 {
				*a = load.Answer{ErrorKind: tables.ErrHTTP5xx}
			}
		}
		var seen [4]load.Snapshot
		var watching sync.WaitGroup
		for i, at := range []int{3, 14, 24, 29} {
			watching.Go(func() {
				time.Sleep(time.Duration(at)*time.Second + 25*time.Millisecond)
				seen[i] = live.Snapshot()
			})
		}
		report := tr.run(t, t.Context())
		watching.Wait()
		for i, want := range []struct {
			phase  tables.Phase
			stage  int32
			flight int64
			rate   float64
		}{{tables.PhaseWarmUp, 0, 11, 10}, {tables.PhaseMeasure, 0, 11, 10}, {tables.PhaseMeasure, 1, 21, 20}, {tables.PhaseCoolDown, 1, 21, 20}} {
			s := seen[i]
			if s.Phase != want.phase || s.Stage != want.stage || s.InFlight != want.flight || s.TargetPerSecond.V != want.rate {
				t.Errorf("snapshot %d is %+v", i, s)
			}
			if s.Elapsed+s.Left != 30*time.Second {
				t.Errorf("of 30 s %v are over and %v left", s.Elapsed, s.Left)
			}
		}
		if s := seen[2]; s.TTFTp50 != 1050*time.Millisecond || s.TTFTp99 != 1050*time.Millisecond || s.RequestsPerSecond < 18 || s.RequestsPerSecond > 20 {
			t.Errorf("the recent figures are %+v", s)
		}
		s := live.Snapshot()
		if s.InFlight != 0 || s.Finished != report.Due || s.Errors[tables.ErrHTTP5xx] != report.Failed || s.OutputTokens != report.Due-report.Failed {
			t.Errorf("at the end it says %+v of %+v", s, report)
		}
	})
}

func TestALiveServesOneLoadAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTrial(constantRate(10, time.Second))
		tr.Live = new(load.Live)
		tr.run(t, t.Context())
		tr.run(t, t.Context())
		if s := tr.Live.Snapshot(); s.Finished != 10 {
			t.Errorf("after the second load it says %+v", s)
		}
	})
}

func TestManyTokensAChunkAndOtherKindsAreKept(t *testing.T) {
	var tl load.Timeline
	var row tables.Request
	fill := func() {
		load.Fill(&row, &tl, &load.Answer{})
	}
	tl.Reset()
	fill()
	if row.TokenDeltaUS != nil || row.TokenCounts != nil || row.ChunkKinds != nil {
		t.Errorf("without a token the row has %+v", row)
	}
	tl.Chunk(1_000_000)
	tl.Token(1_002_400, 1, tables.ChunkAnswer)
	tl.Token(1_004_800, 1, tables.ChunkAnswer)
	fill()
	if !slices.Equal(row.TokenDeltaUS, []int32{2, 3}) || row.TokenCounts != nil || row.ChunkKinds != nil {
		t.Errorf("plain tokens are %v, %v, %v", row.TokenDeltaUS, row.TokenCounts, row.ChunkKinds)
	}
	tl.Reset()
	tl.Token(5000, 2, tables.ChunkReasoning)
	tl.Token(9000, 1, tables.ChunkAnswer)
	fill()
	if !slices.Equal(row.TokenDeltaUS, []int32{0, 4}) || !slices.Equal(row.TokenCounts, []int16{2, 1}) || !slices.Equal(row.ChunkKinds, []int8{1, 0}) {
		t.Errorf("others are %v, %v, %v", row.TokenDeltaUS, row.TokenCounts, row.ChunkKinds)
	}
	if row.FirstTokenAt != 5000 || row.FirstAnswerTokenAt != 9000 {
		t.Errorf("the first token is at %d, the first of the answer at %d", row.FirstTokenAt, row.FirstAnswerTokenAt)
	}
}
