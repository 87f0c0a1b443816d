package wasm

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/llmscen/llmscen/runner/tokenizer/gguf"
)

// tileRows is how many rows a tile of guest/matrix.h has.
const tileRows = 8

// Which weights, as numbered in guest/gemma.c.
const (
	tokenEmbd = iota
	output
	outputNorm
	rope
	attnNorm
	attnQ
	attnK
	attnV
	attnQNorm
	attnKNorm
	attnOutput
	postAttentionNorm
	ffnNorm
	ffnGate
	ffnUp
	ffnDown
	postFFWNorm
)

// weight is a tensor that the guest needs: its place there, what it must look like, and where it is in the file.
type weight struct {
	which, layer int
	name         string // as llama.cpp names it
	columns      int
	rows         int // 0: a vector
	tensor       gguf.Tensor
}

// numbers is how many the guest keeps.
func (w weight) numbers() int {
	if w.rows == 0 {
		return w.columns
	}
	return roundUp(w.rows, tileRows) * w.columns
}

// weights lists what a model of this shape consists of.
func (s shape) weights() []weight {
	q, kv := s.heads*s.headDim, s.kvHeads*s.headDim
	var list []weight
	add := func(which, layer int, name string, columns, rows int) {
		list = append(list, weight{which: which, layer: layer, name: name + ".weight", columns: columns, rows: rows})
	}
	add(tokenEmbd, 0, "token_embd", s.dim, s.vocab)
	add(outputNorm, 0, "output_norm", s.dim, 0)
	if !s.tied {
		add(output, 0, "output", s.dim, s.vocab)
	}
	for l := range s.layers {
		block := fmt.Sprintf("blk.%d.", l)
		add(attnNorm, l, block+"attn_norm", s.dim, 0)
		add(attnQ, l, block+"attn_q", s.dim, q)
		add(attnK, l, block+"attn_k", s.dim, kv)
		add(attnV, l, block+"attn_v", s.dim, kv)
		add(attnQNorm, l, block+"attn_q_norm", s.headDim, 0)
		add(attnKNorm, l, block+"attn_k_norm", s.headDim, 0)
		add(attnOutput, l, block+"attn_output", q, s.dim)
		add(postAttentionNorm, l, block+"post_attention_norm", s.dim, 0)
		add(ffnNorm, l, block+"ffn_norm", s.dim, 0)
		add(ffnGate, l, block+"ffn_gate", s.dim, s.ff)
		add(ffnUp, l, block+"ffn_up", s.dim, s.ff)
		add(ffnDown, l, block+"ffn_down", s.ff, s.dim)
		add(postFFWNorm, l, block+"post_ffw_norm", s.dim, 0)
	}
	return list
}

// findWeights finds the tensors in a file and checks that they can be read and have the shape of the model.
func (s shape) findWeights(file *gguf.File) ([]weight, error) {
	byName := make(map[string]gguf.Tensor, len(file.Tensors))
	for _, t := range file.Tensors {
		byName[t.Name] = t
	}
	list := s.weights()
	for i := range list {
		w := &list[i]
		t, ok := byName[w.name]
		if !ok {
			return nil, fmt.Errorf("the model has no tensor %q", w.name)
		}
		want := []int64{int64(w.columns), int64(w.rows)}
		if w.rows == 0 {
			want = want[:1]
		}
		if !slices.Equal(t.Shape, want) {
			return nil, fmt.Errorf("the tensor %q has the shape %v; it should have %v", w.name, t.Shape, want)
		}
		if !t.Type.Decodable() {
			return nil, fmt.Errorf("the tensor %q is stored as %v; only F32, F16, BF16 and Q8_0 can be read", w.name, t.Type)
		}
		w.tensor = t
	}
	return list, nil
}

// loadWeights writes tensors into the guest's memory.
func (g *guest) loadWeights(ctx context.Context, list []weight, r io.ReaderAt) error {
	for _, w := range list {
		to, err := g.place(ctx, w.which, w.layer, w.numbers())
		if err != nil {
			return err
		}
		if err := w.copy(ctx, to, r); err != nil {
			return fmt.Errorf("reading the tensor %q: %w", w.name, err)
		}
	}
	return g.loadRope(ctx)
}

// place is the guest's memory for n numbers.
func (g *guest) place(ctx context.Context, which, layer, n int) ([]byte, error) {
	at, err := g.module.ExportedFunction("weights").Call(ctx, uint64(which), uint64(layer))
	if err != nil {
		return nil, fmt.Errorf("asking the guest for a place: %w", err)
	}
	to, ok := g.module.Memory().Read(uint32(at[0]), uint32(4*n))
	if !ok {
		return nil, errors.New("the guest's memory ends within its weights")
	}
	return to, nil
}

// copy writes the tensor as 32-bit floats; a matrix in tiles.
func (w weight) copy(ctx context.Context, to []byte, r io.ReaderAt) error {
	rowBytes, err := w.tensor.Type.RowBytes(int64(w.columns))
	if err != nil {
		return err
	}
	var (
		file    = io.NewSectionReader(r, w.tensor.Offset, w.tensor.Size)
		stored  = make([]byte, tileRows*rowBytes)
		numbers = make([]float32, tileRows*w.columns)
	)
	read := func(rows int) error {
		from := stored[:int64(rows)*rowBytes]
		if _, err := io.ReadFull(file, from); err != nil {
			return err
		}
		return gguf.Decode(w.tensor.Type, numbers[:rows*w.columns], from)
	}
	if w.rows == 0 {
		err := read(1)
		putFloats(to, numbers[:w.columns])
		return err
	}
	for row := 0; row < w.rows; row += tileRows {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(tileRows, w.rows-row)
		if err := read(n); err != nil {
			return err
		}
		clear(numbers[n*w.columns:])
		putTile(to[4*row*w.columns:], numbers, w.columns)
	}
	return nil
}

// putTile writes eight rows as guest/matrix.h wants them: four numbers of each row in turn.
func putTile(to []byte, rows []float32, columns int) {
	for r := range tileRows {
		row := rows[r*columns : (r+1)*columns]
		for c := 0; c < columns; c += 4 {
			putFloats(to[4*(c*tileRows+4*r):], row[c:c+4])
		}
	}
}

func putFloats(to []byte, numbers []float32) {
	for i, n := range numbers {
		binary.LittleEndian.PutUint32(to[4*i:], math.Float32bits(n))
	}
}

// loadRope writes the cosines and sines of all positions: first for the layers that see a window, then for those that
// see everything.
func (g *guest) loadRope(ctx context.Context) error {
	half := g.shape.headDim / 2
	to, err := g.place(ctx, rope, 0, 2*g.contextRows()*2*half)
	if err != nil {
		return err
	}
	angles := make([]float32, 2*half)
	for _, table := range []struct{ base, scale float64 }{{g.shape.localRopeBase, 1}, {g.shape.ropeBase, g.shape.ropeScale}} {
		for position := range g.contextRows() {
			for i := range half {
				angle := float64(position) / table.scale * math.Pow(table.base, -float64(i)/float64(half))
				sine, cosine := math.Sincos(angle)
				angles[i], angles[half+i] = float32(cosine), float32(sine)
			}
			putFloats(to, angles)
			to = to[4*len(angles):]
		}
	}
	return nil
}
