package wasm

import (
	"errors"
	"fmt"
	"math"

	"github.com/llmscen/llmscen/runner/tokenizer/gguf"
)

// shape is the sizes of a model, as the guest's configure takes them.
type shape struct {
	dim, ff, layers, heads, kvHeads, headDim int
	vocab                                    int // tokens; the guest's rows are a multiple of tileRows
	context, window                          int
	slots, batch                             int
	tied                                     bool // the output matrix is the embedding
	epsilon                                  float64
	ropeBase, ropeScale                      float64 // of the layers that see everything
	localRopeBase                            float64
}

const (
	architecture = "gemma3"
	// prefillTokens is how many tokens a pass of the guest takes, at least. More make a prompt little faster and let
	// the other answers wait longer for their next token.
	prefillTokens = 32
	mostLayers    = 256
	mostTokens    = 1 << 20 // of the context, and of the vocabulary
	mostParallel  = 1 << 10
	// defaultLocalRopeBase is what llama.cpp takes where gemma3.rope.freq_base_swa is missing.
	defaultLocalRopeBase = 10000
)

// newShape reads the sizes out of a model's metadata and checks that the guest can compute with them.
func newShape(f *gguf.File, vocab int, o Options) (shape, error) {
	if a := f.Text("general.architecture"); a != architecture {
		return shape{}, fmt.Errorf("the model's architecture is %q; only %q can be run", a, architecture)
	}
	if c, _ := f.Float("gemma3.final_logit_softcapping"); c != 0 {
		return shape{}, errors.New("the model caps its logits (gemma3.final_logit_softcapping), which can't be computed")
	}
	m := metadata{file: f}
	s := shape{
		dim:     m.count("embedding_length", 1<<16, 16),
		ff:      m.count("feed_forward_length", 1<<18, 16),
		layers:  m.count("block_count", mostLayers, 1),
		heads:   m.count("attention.head_count", 1<<10, 1),
		kvHeads: m.count("attention.head_count_kv", 1<<10, 1),
		headDim: m.count("attention.key_length", 1<<12, 16),
		context: m.count("context_length", math.MaxInt32, 1),
		window:  m.count("attention.sliding_window", math.MaxInt32, 1),
		epsilon: m.float("attention.layer_norm_rms_epsilon", 1e-6),
		vocab:   vocab,
		slots:   o.Parallel,
		batch:   max(prefillTokens, o.Parallel),

		ropeBase:      m.float("rope.freq_base", 1e6),
		localRopeBase: m.float("rope.freq_base_swa", defaultLocalRopeBase),
		ropeScale:     1,
	}
	if m.err != nil {
		return shape{}, m.err
	}
	if s.heads%s.kvHeads != 0 {
		return shape{}, fmt.Errorf("the model has %d heads, which is no multiple of its %d key heads", s.heads, s.kvHeads)
	}
	if f.Text("gemma3.rope.scaling.type") == "linear" {
		s.ropeScale = m.float("rope.scaling.factor", 1)
	}
	_, untied := f.Tensor("output.weight")
	s.tied = !untied
	own := s.context
	s.context = min(own, defaultContext)
	if o.ContextTokens > 0 {
		s.context = o.ContextTokens
	}
	if s.context > own {
		return shape{}, fmt.Errorf("a context of %d tokens is asked for, but the model was made for %d", s.context, own)
	}
	if s.context > mostTokens || s.slots > mostParallel {
		return shape{}, fmt.Errorf("at most %d requests of %d tokens are possible", mostParallel, mostTokens)
	}
	if s.vocab > mostTokens {
		return shape{}, fmt.Errorf("the model has %d tokens; at most %d are possible", s.vocab, mostTokens)
	}
	return s, nil
}

// metadata reads numbers and keeps the first mistake.
type metadata struct {
	file *gguf.File
	err  error
}

func (m *metadata) count(key string, most int64, multiple int64) int {
	n, ok := m.file.Int(architecture + "." + key)
	switch {
	case m.err != nil:
	case !ok:
		m.err = fmt.Errorf("the model doesn't say its %s.%s", architecture, key)
	case n <= 0 || n > most:
		m.err = fmt.Errorf("the model's %s.%s is %d; it must be between 1 and %d", architecture, key, n, most)
	case n%multiple != 0:
		m.err = fmt.Errorf("the model's %s.%s is %d, which is no multiple of %d", architecture, key, n, multiple)
	}
	return int(n)
}

func (m *metadata) float(key string, otherwise float64) float64 {
	v, ok := m.file.Float(architecture + "." + key)
	if !ok {
		return otherwise
	}
	if m.err == nil && (!(v > 0) || v > math.MaxFloat32) {
		m.err = fmt.Errorf("the model's %s.%s is %v; it must be positive", architecture, key, v)
	}
	return v
}
