package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"

	"github.com/llmscen/llmscen/runner/embedded"
	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/runner/protocol"
	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/tables"
)

// timestamps measures how late the client says that tokens came, from the server's own note of each send: by the
// kernel's stamps, and by the clock that the client looks at when it reads.
func (b *bench) timestamps(ctx context.Context) error {
	var late [2]struct{ p50, p99, coalesced []float64 }
	err := withServer(ctx, func(url string) error {
		for i := range b.repetitions {
			for way, userSpace := range []bool{false, true} {
				trial := fmt.Sprintf("%d/%t", i, userSpace)
				rows, err := askAll(ctx, url, trial, userSpace)
				if err != nil {
					return err
				}
				sent, err := sentTimes(ctx, url)
				if err != nil {
					return err
				}
				delays, coalesced := delays(trial, rows, sent)
				if len(delays) == 0 {
					return fmt.Errorf("no answer is known to both sides")
				}
				l := &late[way]
				l.p50 = append(l.p50, quantile(delays, 0.5))
				l.p99 = append(l.p99, quantile(delays, 0.99))
				l.coalesced = append(l.coalesced, coalesced)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("measuring the timestamps: %w", err)
	}
	for way, name := range []string{"kernel", "user-space"} {
		b.table.add(name+" timestamps' error, p50", median(late[way].p50), "µs", limit{})
		b.table.add(name+" timestamps' error, p99", median(late[way].p99), "µs", limit{})
		b.table.add(name+": chunks read with an earlier one", median(late[way].coalesced)*100, "%", limit{})
	}
	b.table.add("user-space ÷ kernel error, p50", median(late[1].p50)/median(late[0].p50), "×", limit{})
	b.table.add("user-space ÷ kernel error, p99", median(late[1].p99)/median(late[0].p99), "×", limit{})
	return nil
}

// onePrompt is the source of all requests.
type onePrompt struct{}

func (onePrompt) Prompt(load.Turn) (load.Prompt, bool, error) {
	return load.Prompt{Messages: []load.Message{{Role: "user", Content: promptOfRequest}}, OutputTokens: tokensEach}, true, nil
}

// kept is a sink that keeps the rows.
type kept struct {
	mu   sync.Mutex
	rows []tables.Request
}

func (k *kept) WriteRequests(rows []tables.Request) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, r := range rows {
		r.TokenDeltaUS = append([]int32(nil), r.TokenDeltaUS...)
		k.rows = append(k.rows, r)
	}
	return nil
}

func (*kept) WriteArrivals([]tables.Arrival) error { return nil }
func (*kept) WriteBodies([]tables.Body) error      { return nil }

// askAll makes the load and returns its rows.
func askAll(ctx context.Context, url, trial string, userSpace bool) ([]tables.Request, error) {
	client, err := protocol.New(protocol.Options{
		Runtime: scenarios.Runtime{Protocol: "openai", Model: "simulated"}, Targets: []protocol.Target{{ID: "server", URL: url}},
		TrialID: trial, UserSpaceTimes: userSpace,
	})
	if err != nil {
		return nil, err
	}
	defer client.Close()
	l := scenarios.Load{Shape: "closed_loop", Users: streams, Requests: requestsOfLoad}
	plan, err := load.NewPlan(l, 0, 0, 1)
	if err != nil {
		return nil, err
	}
	var rows kept
	report, err := load.Run(ctx, load.Options{TrialID: trial, Load: l, Plan: plan, Client: client, Source: onePrompt{}, Sink: &rows})
	if err == nil && report.Failed > 0 {
		err = fmt.Errorf("%d requests failed", report.Failed)
	}
	return rows.rows, err
}

// sentTimes are the server's notes by the request's name.
func sentTimes(ctx context.Context, url string) (map[string]embedded.SentRequest, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/sent", http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var all embedded.Sent
	if err := json.NewDecoder(response.Body).Decode(&all); err != nil {
		return nil, err
	}
	byName := map[string]embedded.SentRequest{}
	for _, r := range all.Requests {
		byName[r.RequestID] = r
	}
	return byName, nil
}

// delays are from each token's send to the time that the client has for it, in µs, and the share of chunks that share
// their time with an earlier one.
func delays(trial string, rows []tables.Request, sent map[string]embedded.SentRequest) (all []float64, coalesced float64) {
	for i := range rows {
		r := &rows[i]
		coalesced += float64(r.CoalescedChunks)
		truth := sent[protocol.RequestID(trial, r.Seq, r.Attempt)].SentAt
		if len(truth) != len(r.TokenDeltaUS) {
			continue
		}
		us := int64(0)
		for k, delta := range r.TokenDeltaUS {
			us += int64(delta)
			all = append(all, float64(int64(r.FirstChunkAt)+us*1000-truth[k])/1000)
		}
	}
	return all, coalesced / max(float64(len(all)), 1)
}
