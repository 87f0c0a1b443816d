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

// wanted is a tensor that the guest needs: its place there, and what it must look like. rows 0: a vector.
type wanted struct {
	which, layer int
	name         string
	columns      int
	rows         int
}

// tensors lists what a model of this shape consists of, with the names that llama.cpp gives.
func (s shape) tensors() []wanted {
	q, kv := s.heads*s.headDim, s.kvHeads*s.headDim
	list := []wanted{
		{tokenEmbd, 0, "token_embd.weight", s.dim, s.vocab},
		{outputNorm, 0, "output_norm.weight", s.dim, 0},
	}
	if !s.tied {
		list = append(list, wanted{output, 0, "output.weight", s.dim, s.vocab})
	}
	for l := range s.layers {
		for _, w := range []wanted{
			{attnNorm, l, "attn_norm", s.dim, 0},
			{attnQ, l, "attn_q", s.dim, q},
			{attnK, l, "attn_k", s.dim, kv},
			{attnV, l, "attn_v", s.dim, kv},
			{attnQNorm, l, "attn_q_norm", s.headDim, 0},
			{attnKNorm, l, "attn_k_norm", s.headDim, 0},
			{attnOutput, l, "attn_output", q, s.dim},
			{postAttentionNorm, l, "post_attention_norm", s.dim, 0},
			{ffnNorm, l, "ffn_norm", s.dim, 0},
			{ffnGate, l, "ffn_gate", s.dim, s.ff},
			{ffnUp, l, "ffn_up", s.dim, s.ff},
			{ffnDown, l, "ffn_down", s.ff, s.dim},
			{postFFWNorm, l, "post_ffw_norm", s.dim, 0},
		} {
			w.name = fmt.Sprintf("blk.%d.%s.weight", l, w.name)
			list = append(list, w)
		}
	}
	return list
}

// loadWeights writes the tensors of a file into the guest's memory.
func (g *guest) loadWeights(ctx context.Context, file *gguf.File, r io.ReaderAt) error {
	byName := make(map[string]gguf.Tensor, len(file.Tensors))
	for _, t := range file.Tensors {
		byName[t.Name] = t
	}
	for _, w := range g.shape.tensors() {
		t, ok := byName[w.name]
		if !ok {
			return fmt.Errorf("the model has no tensor %q", w.name)
		}
		want := []int64{int64(w.columns), int64(w.rows)}
		if w.rows == 0 {
			want = want[:1]
		}
		if !slices.Equal(t.Shape, want) {
			return fmt.Errorf("the tensor %q has the shape %v; it should have %v", w.name, t.Shape, want)
		}
		to, err := g.weights(ctx, w.which, w.layer, roundUp(max(w.rows, 1), min(max(w.rows, 1), tileRows))*w.columns)
		if err != nil {
			return err
		}
		if err := copyTensor(ctx, to, t, w, r); err != nil {
			return fmt.Errorf("reading the tensor %q: %w", w.name, err)
		}
	}
	return g.loadRope(ctx)
}

// weights is the guest's memory of n numbers.
func (g *guest) weights(ctx context.Context, which, layer, n int) ([]byte, error) {
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

// copyTensor writes a tensor as 32-bit floats; a matrix in tiles.
func copyTensor(ctx context.Context, to []byte, t gguf.Tensor, w wanted, r io.ReaderAt) error {
	rows := max(w.rows, 1)
	rowBytes, err := t.Type.RowBytes(int64(w.columns))
	if err != nil {
		return err
	}
	var (
		file    = io.NewSectionReader(r, t.Offset, t.Size)
		stored  = make([]byte, tileRows*rowBytes)
		numbers = make([]float32, tileRows*w.columns)
	)
	for row := 0; row < rows; row += tileRows {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(tileRows, rows-row)
		if _, err := io.ReadFull(file, stored[:int64(n)*rowBytes]); err != nil {
			return err
		}
		if err := gguf.Decode(t.Type, numbers[:n*w.columns], stored[:int64(n)*rowBytes]); err != nil {
			return err
		}
		if w.rows == 0 {
			putFloats(to, numbers[:w.columns])
			return nil
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
	to, err := g.weights(ctx, rope, 0, 2*g.contextRows()*2*half)
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
