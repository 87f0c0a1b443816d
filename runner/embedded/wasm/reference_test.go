package wasm

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/llmscen/llmscen/runner/tokenizer/gguf"
)

// reference is the architecture as its formulas say, in float64 and without a thought of speed.
type reference struct {
	shape
	weights map[string][]float64
}

func (m *reference) vector(name string) []float64 { return m.weights[name+".weight"] }

func (m *reference) multiply(name string, x []float64) []float64 {
	w := m.vector(name)
	y := make([]float64, len(w)/len(x))
	for r := range y {
		for c, v := range x {
			y[r] += w[r*len(x)+c] * v
		}
	}
	return y
}

func (m *reference) norm(name string, x []float64) []float64 {
	squares := 0.0
	for _, v := range x {
		squares += v * v
	}
	y := make([]float64, len(x))
	for i, w := range m.vector(name) {
		y[i] = x[i] / math.Sqrt(squares/float64(len(x))+m.epsilon) * w
	}
	return y
}

func (m *reference) rotate(x []float64, position int, base, scale float64) []float64 {
	half := len(x) / 2
	y := make([]float64, len(x))
	for i := range half {
		sin, cos := math.Sincos(float64(position) / scale * math.Pow(base, -2*float64(i)/float64(len(x))))
		y[i], y[i+half] = x[i]*cos-x[i+half]*sin, x[i]*sin+x[i+half]*cos
	}
	return y
}

func sum(x, y []float64) []float64 {
	z := make([]float64, len(x))
	for i := range x {
		z[i] = x[i] + y[i]
	}
	return z
}

// logits are those after the last token.
func (m *reference) logits(tokens []int32) []float64 {
	x := make([][]float64, len(tokens))
	for t, id := range tokens {
		x[t] = make([]float64, m.dim)
		for i := range x[t] {
			x[t][i] = m.vector("token_embd")[int(id)*m.dim+i] * math.Sqrt(float64(m.dim))
		}
	}
	for l := range m.layers {
		x = m.layer("blk."+string(rune('0'+l))+".", x, (l+1)%6 == 0)
	}
	head := "output"
	if m.tied {
		head = "token_embd"
	}
	return m.multiply(head, m.norm("output_norm", x[len(x)-1]))
}

func (m *reference) layer(b string, x [][]float64, global bool) [][]float64 {
	base, scale, window := m.localRopeBase, 1.0, m.window
	if global {
		base, scale, window = m.ropeBase, m.ropeScale, len(x)
	}
	hd := m.headDim
	keys, values, out := make([][]float64, len(x)), make([][]float64, len(x)), make([][]float64, len(x))
	for t := range x {
		n := m.norm(b+"attn_norm", x[t])
		q, k := m.multiply(b+"attn_q", n), m.multiply(b+"attn_k", n)
		values[t] = m.multiply(b+"attn_v", n)
		for h := 0; h < len(k); h += hd {
			keys[t] = append(keys[t], m.rotate(m.norm(b+"attn_k_norm", k[h:h+hd]), t, base, scale)...)
		}
		attended := make([]float64, len(q))
		for h := range m.heads {
			query := m.rotate(m.norm(b+"attn_q_norm", q[h*hd:(h+1)*hd]), t, base, scale)
			kv, total := h/(m.heads/m.kvHeads)*hd, 0.0
			for s := max(0, t-window+1); s <= t; s++ {
				score := 0.0
				for i := range hd {
					score += query[i] * keys[s][kv+i]
				}
				p := math.Exp(score / math.Sqrt(float64(hd)))
				total += p
				for i := range hd {
					attended[h*hd+i] += p * values[s][kv+i]
				}
			}
			for i := range hd {
				attended[h*hd+i] /= total
			}
		}
		y := sum(x[t], m.norm(b+"post_attention_norm", m.multiply(b+"attn_output", attended)))
		n = m.norm(b+"ffn_norm", y)
		gate, up := m.multiply(b+"ffn_gate", n), m.multiply(b+"ffn_up", n)
		for i, g := range gate {
			gate[i] = 0.5 * g * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(g+0.044715*g*g*g))) * up[i]
		}
		out[t] = sum(y, m.norm(b+"post_ffw_norm", m.multiply(b+"ffn_down", gate)))
	}
	return out
}

// randomWeights fills the model's tensors, stored as they would be in a file.
func randomWeights(s shape) (map[string][]float64, []weight, []byte) {
	random := rand.New(rand.NewPCG(1, 2))
	all, list, file := map[string][]float64{}, s.weights(), []byte(nil)
	for i := range list {
		w := &list[i]
		n := max(w.rows, 1) * w.columns
		w.tensor = gguf.Tensor{Name: w.name, Type: gguf.F32, Offset: int64(len(file)), Size: int64(4 * n)}
		for range n {
			v := float32(random.NormFloat64() / math.Sqrt(float64(w.columns)))
			if w.rows == 0 {
				v = 1 + float32(random.NormFloat64())/8
			}
			all[w.name] = append(all[w.name], float64(v))
			file = binary.LittleEndian.AppendUint32(file, math.Float32bits(v))
		}
	}
	return all, list, file
}

func TestTheGuestComputesWhatTheFormulasSay(t *testing.T) {
	base := shape{
		dim: 48, ff: 80, layers: 7, heads: 4, kvHeads: 2, headDim: 16, vocab: 61, context: 50, window: 9, slots: 2, batch: 8,
		epsilon: 1e-6, ropeBase: 1e6, ropeScale: 8, localRopeBase: 1e4,
	}
	tied := base
	tied.tied, tied.kvHeads, tied.headDim = true, 1, 32
	for _, s := range []shape{base, tied} {
		all, list, file := randomWeights(s)
		g, err := newGuest(t.Context(), s, Options{MemoryBytes: 64 << 20})
		if err != nil {
			t.Fatal(err)
		}
		if err := g.loadWeights(t.Context(), list, bytes.NewReader(file)); err != nil {
			t.Fatal(err)
		}
		var tokens []int32
		var got []float32
		for position := 0; position < 45; {
			var batch []entry
			for range min(1+position%s.batch, 45-position) { // passes of many sizes
				tokens = append(tokens, int32(position*7%s.vocab))
				batch = append(batch, entry{token: tokens[position], slot: 1, position: position, wanted: position == 44})
				position++
			}
			if got, err = g.forward(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
		}
		want := (&reference{shape: s, weights: all}).logits(tokens)
		if len(got) != len(want) {
			t.Fatalf("%d logits, want %d", len(got), len(want))
		}
		for i := range want {
			if math.Abs(float64(got[i])-want[i]) > 1e-4 {
				t.Errorf("tied %t, token %d: %v, the formulas say %v", s.tied, i, got[i], want[i])
			}
		}
		if err := g.close(); err != nil {
			t.Error(err)
		}
	}
}
