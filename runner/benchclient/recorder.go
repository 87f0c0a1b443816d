package benchclient

import (
	"context"
	"fmt"
	"time"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// recorder is the client of the requests that prompt lengths are learned from. The server answers and counts them like
// any other, so they leave rows as well: warm-up, with numbers below zero, because no schedule has them.
type recorder struct {
	client     load.Client
	sink       load.Sink
	assignment Assignment
	count      int64
}

var _ load.Client = (*recorder)(nil)

// Generate asks and leaves a row; it is called by one goroutine at a time.
func (r *recorder) Generate(ctx context.Context, q load.Request, t *load.Timeline) (load.Answer, error) {
	a := r.assignment
	timeout := a.Load.Timeout
	if timeout <= 0 {
		timeout = load.DefaultTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, load.ErrTotalTimeout)
	defer cancel()
	q.Seq = -1 - r.count*int64(max(a.Workers, 1)) - int64(a.Worker)
	q.FirstTokenTimeout, q.StallTimeout = a.Load.FirstTokenTimeout, a.Load.StallTimeout
	r.count++

	t.DispatchedAt = tables.Instant(time.Now().UnixNano())
	row := tables.Request{
		TrialID: a.TrialID, Seq: q.Seq, Final: true, Worker: int32(a.Worker), PromptID: q.Seq, Phase: tables.PhaseWarmUp,
		IntendedAt: t.DispatchedAt, DispatchedAt: t.DispatchedAt,
		RequestedOutputTokens: q.Prompt.OutputTokens, PromptSHA256: q.Prompt.SHA256,
	}
	answer, err := r.client.Generate(ctx, q, t)
	if err != nil {
		return answer, err
	}
	if t.DoneAt == 0 {
		t.DoneAt = tables.Instant(time.Now().UnixNano())
	}
	load.Fill(&row, t, &answer)
	if err := r.sink.WriteRequests([]tables.Request{row}); err != nil {
		return answer, fmt.Errorf("writing requests: %w", err)
	}
	return answer, nil
}
