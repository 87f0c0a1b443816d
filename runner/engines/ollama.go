package engines

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
)

// ErrNoModel says that a server runs and does not have the model.
var ErrNoModel = errors.New("the model is not there")

// gemmaTemplate is the chat template of Gemma in Ollama's words. The one that Ollama guesses from a file's own template
// may add other white space, and then one prompt has another number of tokens here than in llama.cpp.
const gemmaTemplate = `{{ range .Messages }}<start_of_turn>{{ if eq .Role "assistant" }}model{{ else }}{{ .Role }}{{ end }}
{{ .Content }}<end_of_turn>
{{ end }}<start_of_turn>model
`

// prepareOllama makes the model known, where it is a file, and loads it: Ollama answers before it has any model.
func prepareOllama(ctx context.Context, c caller, s Start) (Facts, error) {
	var version struct {
		Version string `json:"version"`
	}
	if err := c.call(ctx, http.MethodGet, "/api/version", nil, &version); err != nil {
		return Facts{}, fmt.Errorf("asking for Ollama's version: %w", err)
	}
	f := Facts{Version: version.Version}
	if s.File != "" {
		if err := createOllama(ctx, c, s); err != nil {
			return f, fmt.Errorf("giving Ollama the model: %w", err)
		}
	}
	m, err := findOllama(ctx, c, s)
	if err != nil {
		return f, err
	}
	f.ModelDigest = "sha256:" + m.Digest
	if m.Details.Quantization != "unknown" {
		f.Quantization = m.Details.Quantization
	}
	if err := loadOllama(ctx, c, s.Name); err != nil {
		return f, err
	}
	var running struct {
		Models []ollamaModel `json:"models"`
	}
	if c.call(ctx, http.MethodGet, "/api/ps", nil, &running) == nil && len(running.Models) == 1 {
		f.ContextTokens = running.Models[0].Context
	}
	if f.ContextTokens > 0 && s.ContextTokens > 0 && f.ContextTokens != s.ContextTokens {
		f.Notes = append(f.Notes, fmt.Sprintf("Ollama loaded %s with a context of %d tokens, and %d were asked for: the model's own num_ctx goes over the server's. The native protocol asks for %d with each request, for which Ollama loads the model anew.", s.Name, f.ContextTokens, s.ContextTokens, s.ContextTokens))
	}
	return f, nil
}

type ollamaModel struct {
	Name    string `json:"name"`
	Digest  string `json:"digest"`
	Context int    `json:"context_length"`
	Details struct {
		Quantization string `json:"quantization_level"`
	} `json:"details"`
}

// createOllama uploads the file, unless the store has it, and makes a model of it. What requests would otherwise have
// to say each time is the model's own: one that says it otherwise would have the model loaded anew.
func createOllama(ctx context.Context, c caller, s Start) error {
	blob := "/api/blobs/sha256:" + s.SHA256
	if err := c.call(ctx, http.MethodHead, blob, nil, nil); err != nil {
		if !missing(err) {
			return err
		}
		file, err := os.Open(s.HostFile)
		if err != nil {
			return err
		}
		defer file.Close()
		if err := c.send(ctx, http.MethodPost, blob, file, "application/octet-stream", nil); err != nil {
			return err
		}
	}
	parameters := map[string]any{}
	if s.ContextTokens > 0 {
		parameters["num_ctx"] = s.ContextTokens
	}
	if s.Threads > 0 {
		parameters["num_thread"] = s.Threads
	}
	create := map[string]any{
		"model": s.Name, "files": map[string]string{s.Name + ".gguf": "sha256:" + s.SHA256}, "parameters": parameters, "stream": false,
	}
	if strings.HasPrefix(s.Architecture, "gemma") {
		create["template"] = gemmaTemplate
	}
	return c.call(ctx, http.MethodPost, "/api/create", create, nil)
}

// findOllama looks for the model in the store, and has it fetched where that is allowed.
func findOllama(ctx context.Context, c caller, s Start) (ollamaModel, error) {
	for fetched := false; ; fetched = true {
		var all struct {
			Models []ollamaModel `json:"models"`
		}
		if err := c.call(ctx, http.MethodGet, "/api/tags", nil, &all); err != nil {
			return ollamaModel{}, fmt.Errorf("asking for Ollama's models: %w", err)
		}
		i := slices.IndexFunc(all.Models, func(m ollamaModel) bool { return m.Name == s.Name || m.Name == s.Name+":latest" })
		switch {
		case i >= 0:
			return all.Models[i], nil
		case !s.Fetch || fetched:
			return ollamaModel{}, fmt.Errorf("%w: its store has no %q, and `ollama pull %s` gets it", ErrNoModel, s.Name, s.Name)
		}
		if err := c.call(ctx, http.MethodPost, "/api/pull", map[string]any{"model": s.Name, "stream": false}, nil); err != nil {
			return ollamaModel{}, fmt.Errorf("fetching the model: %w", err)
		}
	}
}

func loadOllama(ctx context.Context, c caller, name string) error {
	if err := c.call(ctx, http.MethodPost, "/api/generate", map[string]any{"model": name, "keep_alive": -1, "stream": false}, nil); err != nil {
		return fmt.Errorf("loading the model: %w", err)
	}
	return nil
}

// resetOllama unloads the model, whose caches go with it, and loads it again.
func resetOllama(ctx context.Context, c caller, s Start) error {
	if err := c.call(ctx, http.MethodPost, "/api/generate", map[string]any{"model": s.Name, "keep_alive": 0, "stream": false}, nil); err != nil {
		return fmt.Errorf("unloading the model: %w", err)
	}
	return loadOllama(ctx, c, s.Name)
}
