package load

import (
	"context"
	"slices"
	"time"
)

// retries tells whether a request is tried again after an attempt, and if so waits until it is time.
func (g *generator) retries(ctx context.Context, attempt int32, a *Answer) bool {
	r := g.Retry
	if r == nil || int(attempt)+1 >= r.Attempts || a.ErrorKind == "" || !retryable(r.Statuses, int(a.HTTPStatus)) {
		return false
	}
	wait := r.Backoff << min(attempt, 30)
	if r.MaxBackoff > 0 && (wait > r.MaxBackoff || wait < r.Backoff) {
		wait = r.MaxBackoff
	}
	if a.RetryAfter > 0 {
		wait = a.RetryAfter
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
		return false
	}
	return waitUntil(ctx, time.Now().Add(wait)) == nil
}

func retryable(statuses []int, status int) bool {
	if len(statuses) == 0 {
		return status == 429 || status == 503
	}
	return slices.Contains(statuses, status)
}
