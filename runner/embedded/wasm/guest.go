package wasm

import (
	"context"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

//go:embed gemma.wasm
var guestCode []byte

const (
	pageBytes  = 65536
	entryBytes = 16 // guest/gemma.c: entry
)

// entry is one token of a batch.
type entry struct {
	token    int32
	slot     int
	position int
	wanted   bool // its logits are
}

// guest is a running instance of guest/gemma.c. It is used by one goroutine at a time.
type guest struct {
	shape       shape
	memoryBytes int64 // its limit
	runtime     wazero.Runtime
	module      api.Module
	run         api.Function
	input       uint32 // address of the batch
	logits      []float32
}

// newGuest compiles the guest and takes its memory.
func newGuest(ctx context.Context, s shape, o Options) (*guest, error) {
	pages := uint32(min(o.MemoryBytes/pageBytes, pageBytes))
	if pages == 0 {
		return nil, fmt.Errorf("%d bytes of memory are less than one page of %d", o.MemoryBytes, pageBytes)
	}
	config := wazero.NewRuntimeConfig().WithCoreFeatures(api.CoreFeaturesV2).WithMemoryLimitPages(pages)
	g := &guest{shape: s, memoryBytes: o.MemoryBytes, runtime: wazero.NewRuntimeWithConfig(ctx, config)}
	if err := g.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("starting the guest: %w", err), g.close())
	}
	return g, nil
}

func (g *guest) start(ctx context.Context) (err error) {
	g.module, err = g.runtime.InstantiateWithConfig(ctx, guestCode, wazero.NewModuleConfig())
	if err != nil {
		return err
	}
	s := g.shape
	tied := 0
	if s.tied {
		tied = 1
	}
	short, err := g.module.ExportedFunction("configure").Call(ctx,
		uint64(s.dim), uint64(s.ff), uint64(s.layers), uint64(s.heads), uint64(s.kvHeads), uint64(s.headDim),
		uint64(g.vocabRows()), uint64(g.contextRows()), uint64(s.window), uint64(s.slots), uint64(s.batch), uint64(tied),
		api.EncodeF32(float32(s.epsilon)))
	if err != nil {
		return err
	}
	if short[0] != 0 {
		return fmt.Errorf("the weights and %d contexts of %d tokens don't fit into its %d MiB of memory",
			s.slots, s.context, g.memoryBytes>>20)
	}
	at, err := g.module.ExportedFunction("input").Call(ctx)
	if err != nil {
		return err
	}
	g.input = uint32(at[0])
	g.run = g.module.ExportedFunction("forward")
	return nil
}

func (g *guest) close() error { return g.runtime.Close(context.Background()) }

// vocabRows is the number of rows of the guest's matrices over the vocabulary.
func (g *guest) vocabRows() int { return roundUp(g.shape.vocab, tileRows) }

// contextRows is the number of positions that the guest remembers; it keeps keys by fours.
func (g *guest) contextRows() int { return roundUp(g.shape.context, 4) }

func roundUp(n, multiple int) int { return (n + multiple - 1) / multiple * multiple }

// batchTokens is the most entries that forward takes.
func (g *guest) batchTokens() int { return g.shape.batch }

// forward works on a batch and returns the logits of its wanted entries, one after the other, valid until the next
// call. Entries of one slot are in the order of their positions, with at most one of each slot wanted.
func (g *guest) forward(ctx context.Context, batch []entry) ([]float32, error) {
	memory := g.module.Memory()
	in, ok := memory.Read(g.input, uint32(len(batch)*entryBytes))
	if !ok {
		return nil, errors.New("the guest's memory ends before its input")
	}
	wanted := 0
	for i, e := range batch {
		to := in[i*entryBytes:]
		binary.LittleEndian.PutUint32(to, uint32(e.token))
		binary.LittleEndian.PutUint32(to[4:], uint32(e.slot))
		binary.LittleEndian.PutUint32(to[8:], uint32(e.position))
		binary.LittleEndian.PutUint32(to[12:], 0)
		if e.wanted {
			to[12] = 1
			wanted++
		}
	}
	at, err := g.run.Call(ctx, uint64(len(batch)))
	if err != nil {
		return nil, fmt.Errorf("running the guest: %w", err)
	}
	rows := g.vocabRows()
	out, ok := memory.Read(uint32(at[0]), uint32(4*wanted*rows))
	if !ok {
		return nil, errors.New("the guest's memory ends before its output")
	}
	g.logits = g.logits[:0]
	for ; len(out) > 0; out = out[4*rows:] {
		for i := range g.shape.vocab { // the rows beyond are only padding
			g.logits = append(g.logits, math.Float32frombits(binary.LittleEndian.Uint32(out[4*i:])))
		}
	}
	return g.logits, nil
}
