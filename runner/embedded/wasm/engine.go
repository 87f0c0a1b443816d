// Package wasm runs a Gemma 3 model in a WebAssembly sandbox: an embedded.Engine that needs no installation.
//
// The guest, written in C (see the folder guest), does the arithmetic and nothing else: it is given no files, no
// network, no environment and no clock, and no more memory than Options allow. wazero compiles it to the machine's code.
// The host reads the GGUF, makes the tokens, chooses the next one, and puts the requests' tokens into batches: as in
// llama.cpp and vLLM, one pass of the guest works on the next token of every answer and on a piece of the next prompt.
// All of it uses one core.
package wasm

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/llmscen/llmscen/runner/embedded"
	"github.com/llmscen/llmscen/runner/tokenizer"
	"github.com/llmscen/llmscen/runner/tokenizer/gguf"
)

// CarriedModel is the name of the model that comes with the package: the Gemma 3 architecture with four layers,
// trained on six novels (see the folder training); for measuring, not for answers.
const CarriedModel = "tiny-austen-gemma3"

//go:embed model/tiny-austen-gemma3.gguf
var carriedModel []byte

// CarriedGGUF is the file of the carried model, for engines that read one; it must not be changed.
func CarriedGGUF() []byte { return carriedModel }

// ErrClosed is what the requests of an engine get that is closed.
var ErrClosed = errors.New("the engine is closed")

// Options say what is run, and how. The zero value runs the carried model.
type Options struct {
	// ModelPath is a GGUF of the architecture gemma3, stored as F32, F16, BF16 or Q8_0; "": the carried model.
	ModelPath string
	// ContextTokens is how many tokens a prompt and its answer may have together; 0: what the model was made for, at
	// most 4096.
	ContextTokens int
	// Parallel is how many requests are worked on at once; the others wait in the order they came. 0: 4.
	Parallel int
	// MemoryBytes limits the guest's memory; 0: 2 GiB. It holds the weights as 32-bit floats and what is remembered of
	// Parallel · ContextTokens tokens.
	MemoryBytes int64
	// Progress, if not nil, is told before something that may take long.
	Progress func(message string)
}

const (
	defaultContext  = 4096
	defaultParallel = 4
	defaultMemory   = 2 << 30
)

// Engine is a loaded model. Its methods are safe for use by many goroutines at once.
type Engine struct {
	model     embedded.Model
	tokenizer *tokenizer.Tokenizer
	scheduler *scheduler
	guest     *guest
}

// New loads a model and starts the goroutine that works on requests; Close ends it.
func New(ctx context.Context, o Options) (*Engine, error) {
	if o.ModelPath == "" {
		return load(ctx, o, CarriedModel, bytes.NewReader(carriedModel), int64(len(carriedModel)))
	}
	f, err := os.Open(o.ModelPath)
	if err != nil {
		return nil, fmt.Errorf("opening the model: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("opening the model: %w", err)
	}
	name := strings.TrimSuffix(filepath.Base(o.ModelPath), ".gguf")
	e, err := load(ctx, o, name, f, info.Size())
	if err != nil {
		return nil, fmt.Errorf("loading %s: %w", o.ModelPath, err)
	}
	return e, nil
}

func load(ctx context.Context, o Options, name string, r io.ReaderAt, size int64) (*Engine, error) {
	if o.ContextTokens < 0 || o.Parallel < 0 || o.MemoryBytes < 0 {
		return nil, errors.New("the context, the number of parallel requests and the memory can't be negative")
	}
	if o.Parallel == 0 {
		o.Parallel = defaultParallel
	}
	if o.MemoryBytes == 0 {
		o.MemoryBytes = defaultMemory
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	file, err := gguf.Read(r, size)
	if err != nil {
		return nil, err
	}
	words, err := tokenizer.FromGGUF(file)
	if err != nil {
		return nil, err
	}
	shape, err := newShape(file, words.Size(), o)
	if err != nil {
		return nil, err
	}
	weights, err := shape.findWeights(file)
	if err != nil {
		return nil, err
	}
	digest := sha256.New()
	if _, err := io.Copy(digest, io.NewSectionReader(r, 0, size)); err != nil {
		return nil, fmt.Errorf("reading the model: %w", err)
	}
	g, err := newGuest(ctx, shape, o)
	if err != nil {
		return nil, err
	}
	o.Progress(fmt.Sprintf("loading %s, %d MB", name, size/1e6))
	if err := g.loadWeights(ctx, weights, r); err != nil {
		return nil, errors.Join(err, g.close())
	}
	return &Engine{
		model: embedded.Model{
			Name:          name,
			Digest:        fmt.Sprintf("sha256:%x", digest.Sum(nil)),
			Quantization:  file.Quantization(),
			ContextTokens: shape.context,
			Parameters:    file.Parameters(),
			SizeBytes:     size,
		},
		tokenizer: words,
		guest:     g,
		scheduler: startScheduler(g, o.Parallel),
	}, nil
}

// Close ends the requests that are being worked on or wait, with ErrClosed, and frees the memory.
func (e *Engine) Close() error {
	e.scheduler.stop()
	return e.guest.close()
}

// Model says what is served. Its ContextTokens are those of one request.
func (e *Engine) Model() embedded.Model { return e.model }

// Tokenize is the ids of a text, control tokens in it taken for what they are.
func (e *Engine) Tokenize(_ context.Context, text string) ([]int32, error) {
	return e.tokenizer.Encode(text, true), nil
}

// Generate answers a prompt. The answer ends with a token that ends a turn or a text, after MaxTokens, or where the
// context is full. Its OutputTokens count the ending token too, as llama.cpp and Ollama do; no chunk is emitted for it.
func (e *Engine) Generate(ctx context.Context, p embedded.Prompt, emit func(embedded.Chunk) error) (embedded.Result, error) {
	ids := e.promptTokens(p)
	room := e.model.ContextTokens - len(ids)
	switch {
	case len(ids) == 0:
		return embedded.Result{}, &embedded.Refusal{
			Status: http.StatusBadRequest, Type: "invalid_request_error", Message: "the prompt is empty",
		}
	case room <= 0:
		return embedded.Result{}, &embedded.Refusal{
			Status: http.StatusBadRequest, Type: "exceed_context_size_error",
			Message: fmt.Sprintf("request (%d tokens) exceeds the available context size (%d tokens), try increasing it",
				len(ids), e.model.ContextTokens),
		}
	}
	limit := room
	if p.MaxTokens > 0 {
		limit = min(limit, p.MaxTokens)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // a client that is gone frees its slot
	r := newRequest(ctx, ids, limit, newSampler(p))
	r.ends = []int32{e.tokenizer.EOS(), e.tokenizer.EOT()}
	r.ignoreEnds = p.IgnoreEOS
	e.scheduler.submit(r)
	if err := e.write(ctx, r, emit); err != nil {
		return embedded.Result{}, err
	}
	if r.err != nil {
		return embedded.Result{}, r.err
	}
	return r.result(), nil
}

// write emits the tokens of a request as they are made.
func (e *Engine) write(ctx context.Context, r *request, emit func(embedded.Chunk) error) error {
	text := e.tokenizer.Stream()
	held := 0 // tokens since the last chunk: a character may have several
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-r.begun:
		if err := emit(embedded.Chunk{Kind: embedded.Begun}); err != nil {
			return err
		}
	}
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case id, ok := <-r.tokens:
			if !ok {
				if rest := text.Flush(); rest != "" {
					return emit(embedded.Chunk{Text: rest, Tokens: held})
				}
				return nil
			}
			held++
			if piece := text.Next(id); piece != "" {
				if err := emit(embedded.Chunk{Text: piece, Tokens: held}); err != nil {
					return err
				}
				held = 0
			}
		}
	}
}
