package load_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/llmscen/llmscen/runner/load"
	"github.com/llmscen/llmscen/scenarios"
	"github.com/llmscen/llmscen/warehouse/tables"
)

func TestAFailedRequestIsTriedAgainOnlyWhereItIsAsked(t *testing.T) {
	refuse := func(times int32, after time.Duration, status int32) func(load.Request, *load.Answer) {
		return func(r load.Request, a *load.Answer) {
			if r.Attempt < times {
				*a = load.Answer{ErrorKind: tables.ErrHTTP5xx, HTTPStatus: status, RetryAfter: after}
			}
		}
	}
	retry := &scenarios.Retry{Attempts: 3, Backoff: time.Second, MaxBackoff: 10 * time.Second}
	for name, c := range map[string]struct {
		retry    *scenarios.Retry
		says     func(load.Request, *load.Answer)
		attempts int32
		ok       bool
		took     time.Duration
	}{
		"not asked for":                {nil, refuse(1, 0, 503), 1, false, 0},
		"once":                         {retry, refuse(1, 0, 503), 2, true, time.Second},
		"with a doubled backoff":       {retry, refuse(2, 0, 429), 3, true, 3 * time.Second},
		"until the attempts are spent": {retry, refuse(9, 0, 503), 3, false, 3 * time.Second},
		"when the server says":         {retry, refuse(1, 7*time.Second, 429), 2, true, 7 * time.Second},
		"not after the timeout":        {retry, refuse(1, 100*time.Hour, 429), 1, false, 0},
		"not another status":           {retry, refuse(1, 0, 500), 1, false, 0},
		"a status that was named":      {&scenarios.Retry{Attempts: 2, Statuses: []int{500}}, refuse(1, 0, 500), 2, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr := newTrial(scenarios.Load{Shape: "constant_rate", RatePerSecond: 1, Requests: 1})
				tr.Retry, tr.server.says = c.retry, c.says
				report := tr.run(t, t.Context())
				rows := tr.sink.requests
				if len(rows) != int(c.attempts) || report.Sent != 1 {
					t.Fatalf("%d attempts, report %+v", len(rows), report)
				}
				for i, row := range rows {
					if row.Attempt != int32(i) || row.Final != (i == len(rows)-1) || row.IntendedAt != report.StartedAt || row.Seq != 0 {
						t.Errorf("attempt %d is %+v", i, row)
					}
				}
				last := rows[len(rows)-1]
				if (last.ErrorKind == "") != c.ok || time.Duration(last.DoneAt-last.IntendedAt) != c.took {
					t.Errorf("it ended after %v with %q", time.Duration(last.DoneAt-last.IntendedAt), last.ErrorKind)
				}
			})
		})
	}
}
