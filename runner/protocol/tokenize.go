package protocol

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// Tokenize is how many tokens the first target's /tokenize makes of a text, without any that a chat template adds.
//
// llama.cpp takes it as content and answers with tokens, vLLM takes it as prompt and answers with a count; each ignores
// the other's field. TGI takes it as inputs and answers with an array.
func (c *Client) Tokenize(ctx context.Context, text string) (int, error) {
	ask := map[string]any{"content": text, "prompt": text, "model": c.runtime.Model,
		"add_special": false, "add_special_tokens": false}
	if c.runtime.Protocol == "tgi" {
		ask = map[string]any{"inputs": text, "add_special_tokens": false}
	}
	body, err := json.Marshal(ask)
	if err != nil {
		return 0, fmt.Errorf("asking the server's /tokenize: %w", err)
	}
	n, err := c.tokenize(ctx, body)
	if err != nil {
		return 0, fmt.Errorf("asking the server's /tokenize: %s", c.redact.text(err.Error()))
	}
	return n, nil
}

func (c *Client) tokenize(ctx context.Context, body []byte) (int, error) {
	status, answer, err := c.ask(ctx, http.MethodPost, c.targets[0], "/tokenize", body)
	if err != nil {
		return 0, err
	}
	if status != http.StatusOK {
		return 0, byStatus(status, answer)
	}
	var tokens []json.RawMessage
	if json.Unmarshal(answer, &tokens) == nil {
		return len(tokens), nil
	}
	var said struct {
		Count  *int              `json:"count"`
		Tokens []json.RawMessage `json:"tokens"`
	}
	switch err := json.Unmarshal(answer, &said); {
	case err != nil:
		return 0, err
	case said.Count != nil:
		return *said.Count, nil
	case said.Tokens != nil:
		return len(said.Tokens), nil
	}
	return 0, garbled(answer)
}

// Probe asks every target for a path, once, and tells what is in the way: a name that is not known, a certificate that
// is not trusted, an address that is refused, a status. With "" any answer below 500 will do, else it must be 2xx.
func (c *Client) Probe(ctx context.Context, path string) error {
	for _, t := range c.targets {
		status, answer, err := c.ask(ctx, http.MethodGet, t, path, nil)
		if err == nil && (status >= 500 || path != "" && status/100 != 2) {
			err = fmt.Errorf("status %d: %s", status, errorText(answer))
		}
		if err != nil {
			return fmt.Errorf("asking %s%s: %s", t.base.Host, path, c.redact.text(err.Error()))
		}
	}
	return nil
}

// ask makes one request that is not measured, and reads its whole answer.
func (c *Client) ask(ctx context.Context, method string, t target, path string, body []byte) (status int, answer []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, method, join(t.base, path).String(), bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Host, request.Header = c.host, c.header.Clone()
	response, err := c.transport.do(request)
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // its text repeats the method and the URL
	}
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(response.Body, maxFrame))
	return response.StatusCode, answer, err
}
