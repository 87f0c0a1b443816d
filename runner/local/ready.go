package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/llmscen/llmscen/runner"
	"github.com/llmscen/llmscen/scenarios"
)

const (
	endpointReadyTimeout = 10 * time.Second
	// A start is measured to the pause between two questions: a twentieth of what has passed, within these.
	shortestPause = 5 * time.Millisecond
	longestPause  = 100 * time.Millisecond

	questionTimeout = 5 * time.Second
)

// errEnded is a process that ended before it was ready.
var errEnded = errors.New("the process ended")

// reach makes a unit of an endpoint that runs already.
func (d *Driver) reach(ctx context.Context, dep runner.Deployment) (*unit, error) {
	r := dep.Runtime
	url := strings.TrimSuffix(r.URL, "/")
	if r.Ready.Timeout == 0 {
		r.Ready.Timeout = endpointReadyTimeout
	}
	transport, err := d.o.Transport(r)
	if err != nil {
		return nil, err
	}
	if _, err := awaitAnswer(ctx, transport, url, r, nil); err != nil {
		return nil, err
	}
	u := &unit{}
	u.announce(r, dep.Name, url, 0)
	return u, nil
}

// awaitAnswer asks until a runtime says that it can serve, and tells when it first answered at all. A path that the
// scenario names must be answered with a status of 2xx; the path that its protocol has is answered well by anything but a
// server's error, because a server may have no such path, or want a key for it.
func awaitAnswer(ctx context.Context, transport http.RoundTripper, base string, r scenarios.Runtime, ended <-chan struct{}) (alive time.Time, err error) {
	path, good := r.Ready.Path, func(status int) bool { return status/100 == 2 }
	if path == "" {
		path, good = usualPath(r.Protocol), func(status int) bool { return status < 500 }
	}
	url := base + path
	var last error
	ctx, cancel := context.WithTimeoutCause(ctx, r.Ready.Timeout, fmt.Errorf("it was not ready after %s", r.Ready.Timeout))
	defer cancel()
	client := &http.Client{Transport: transport, Timeout: questionTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	for began := time.Now(); ; {
		answered, err := ask(ctx, client, url, good)
		if answered && alive.IsZero() {
			alive = time.Now()
		}
		if err == nil {
			return alive, nil
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		timer := time.NewTimer(min(max(time.Since(began)/20, shortestPause), longestPause))
		select {
		case <-timer.C:
		case <-ended: // nil never is
			timer.Stop()
			return alive, errEnded
		case <-ctx.Done():
			timer.Stop()
			return alive, fmt.Errorf("%w: %w", context.Cause(ctx), last)
		}
	}
}

func usualPath(protocol string) string {
	switch protocol {
	case "ollama", "ollama_generate":
		return "/api/version"
	case "tgi":
		return "/health"
	default:
		return "/v1/models"
	}
}

// ask asks once; answered: there was an answer, good or not.
func ask(ctx context.Context, client *http.Client, url string, good func(status int) bool) (answered bool, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false, err
	}
	answer, err := client.Do(request)
	if err != nil {
		return false, err // it names the URL
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<20)) // so that the connection can be used again
	_ = answer.Body.Close()
	if !good(answer.StatusCode) {
		return true, fmt.Errorf("GET %s answered %s", url, answer.Status)
	}
	return true, nil
}
