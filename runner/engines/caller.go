package engines

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

const mostAnswer = 16 << 20

// caller asks a server.
type caller struct {
	client *http.Client
	base   string
}

// refused is an answer with a status that is no success.
type refused struct {
	method, path string
	status       int
	body         string
}

func (r *refused) Error() string {
	return fmt.Sprintf("%s %s answered %d %s: %s", r.method, r.path, r.status, http.StatusText(r.status), r.body)
}

// missing tells whether a server said that it has no such thing.
func missing(err error) bool {
	r, ok := errors.AsType[*refused](err)
	return ok && r.status == http.StatusNotFound
}

// call asks, and reads the answer's JSON into out, unless that is nil.
func (c caller) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("writing a request for %s: %w", path, err)
		}
		body = bytes.NewReader(text)
	}
	return c.send(ctx, method, path, body, "application/json", out)
}

func (c caller) send(ctx context.Context, method, path string, body io.Reader, kind string, out any) error {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return err
	}
	if body != nil {
		request.Header.Set("Content-Type", kind)
	}
	answer, err := c.client.Do(request)
	if err != nil {
		return err // it names the URL
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, mostAnswer))
	if err != nil {
		return fmt.Errorf("reading the answer of %s: %w", path, err)
	}
	if answer.StatusCode/100 != 2 {
		return &refused{method, path, answer.StatusCode, strings.TrimSpace(string(text[:min(len(text), 300)]))}
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("reading the answer of %s: %w", path, err)
	}
	return nil
}
