package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Type is how a tensor's numbers are stored, as numbered by ggml.
type Type uint32

// The types whose data Decode can read.
const (
	F32  Type = 0
	F16  Type = 1
	Q8_0 Type = 8
	BF16 Type = 30
)

// layouts holds, for each type of ggml, how many numbers a block has and how many bytes it takes
// (ggml's type_traits); types that nobody writes any more are absent.
var layouts = map[Type]struct {
	name    string
	numbers int64
	bytes   int64
}{
	F32: {"F32", 1, 4}, F16: {"F16", 1, 2}, BF16: {"BF16", 1, 2}, Q8_0: {"Q8_0", 32, 34},
	2: {"Q4_0", 32, 18}, 3: {"Q4_1", 32, 20}, 6: {"Q5_0", 32, 22}, 7: {"Q5_1", 32, 24}, 9: {"Q8_1", 32, 36},
	10: {"Q2_K", 256, 84}, 11: {"Q3_K", 256, 110}, 12: {"Q4_K", 256, 144}, 13: {"Q5_K", 256, 176},
	14: {"Q6_K", 256, 210}, 15: {"Q8_K", 256, 292}, 16: {"IQ2_XXS", 256, 66}, 17: {"IQ2_XS", 256, 74},
	18: {"IQ3_XXS", 256, 98}, 19: {"IQ1_S", 256, 50}, 20: {"IQ4_NL", 32, 18}, 21: {"IQ3_S", 256, 110},
	22: {"IQ2_S", 256, 82}, 23: {"IQ4_XS", 256, 136}, 24: {"I8", 1, 1}, 25: {"I16", 1, 2}, 26: {"I32", 1, 4},
	27: {"I64", 1, 8}, 28: {"F64", 1, 8}, 29: {"IQ1_M", 256, 56}, 34: {"TQ1_0", 256, 54}, 35: {"TQ2_0", 256, 66},
	39: {"MXFP4", 32, 17},
}

// String is ggml's name of the type.
func (t Type) String() string {
	if l, ok := layouts[t]; ok {
		return l.name
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// size is the number of bytes that a tensor takes; blocks don't reach over the end of a row.
func (t Type) size(shape []int64) (int64, error) {
	l, ok := layouts[t]
	if !ok {
		return 0, fmt.Errorf("there is no %v of tensors", t)
	}
	n := int64(1)
	for _, d := range shape {
		if d <= 0 || d > math.MaxInt64/l.bytes/n {
			return 0, fmt.Errorf("its shape %v is not possible", shape)
		}
		n *= d
	}
	if row := rowLength(shape); row%l.numbers != 0 {
		return 0, fmt.Errorf("a row of %d can't be stored as %v, in blocks of %d", row, t, l.numbers)
	}
	return n / l.numbers * l.bytes, nil
}

// rowLength is the length of what lies together; a single number has no dimension.
func rowLength(shape []int64) int64 {
	if len(shape) == 0 {
		return 1
	}
	return shape[0]
}

// RowBytes is the size of n numbers that lie together; an error where they don't fill whole blocks.
func (t Type) RowBytes(n int64) (int64, error) { return t.size([]int64{n}) }

// Decodable says whether Decode reads the type.
func (t Type) Decodable() bool { return t == F32 || t == F16 || t == BF16 || t == Q8_0 }

// Decode turns the stored form of len(to) numbers into float32. It reads F32, F16, BF16 and Q8_0.
func Decode(t Type, to []float32, from []byte) error {
	want, err := t.RowBytes(int64(len(to)))
	if err != nil {
		return err
	}
	if int64(len(from)) != want {
		return fmt.Errorf("%d numbers of %v take %d bytes, not %d", len(to), t, want, len(from))
	}
	switch t {
	case F32:
		for i := range to {
			to[i] = math.Float32frombits(binary.LittleEndian.Uint32(from[4*i:]))
		}
	case F16:
		for i := range to {
			to[i] = half(binary.LittleEndian.Uint16(from[2*i:]))
		}
	case BF16:
		for i := range to {
			to[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(from[2*i:])) << 16)
		}
	case Q8_0:
		for ; len(to) > 0; to, from = to[32:], from[34:] {
			scale := half(binary.LittleEndian.Uint16(from))
			for i, q := range from[2:34] {
				to[i] = scale * float32(int8(q))
			}
		}
	default:
		return fmt.Errorf("tensors of %v can't be read; F32, F16, BF16 and Q8_0 can", t)
	}
	return nil
}

// half widens an IEEE 754 binary16.
func half(b uint16) float32 {
	sign := uint32(b>>15) << 31
	exponent, fraction := uint32(b>>10&0x1f), uint32(b&0x3ff)
	switch exponent {
	case 0: // zero and subnormals: fraction · 2⁻²⁴
		return math.Float32frombits(sign | math.Float32bits(float32(fraction)*0x1p-24))
	case 0x1f:
		return math.Float32frombits(sign | 0xff<<23 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
}
