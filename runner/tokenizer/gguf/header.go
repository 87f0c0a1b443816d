package gguf

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// Kinds of values in the metadata, as numbered in the file.
const (
	kindUint8 = iota
	kindInt8
	kindUint16
	kindInt16
	kindUint32
	kindInt32
	kindFloat32
	kindBool
	kindString
	kindArray
	kindUint64
	kindInt64
	kindFloat64
)

// widths is the number of bytes of a value of each kind; for a string, of its length.
var widths = [...]int64{
	kindUint8: 1, kindInt8: 1, kindUint16: 2, kindInt16: 2, kindUint32: 4, kindInt32: 4, kindFloat32: 4, kindBool: 1,
	kindString: 8, kindUint64: 8, kindInt64: 8, kindFloat64: 8, kindArray: 12,
}

const (
	maxDimensions    = 4
	defaultAlignment = 32
	smallestEntry    = 8 + 4 + 1         // a key's length, a kind, a value of one byte
	smallestTensor   = 8 + 4 + 8 + 4 + 8 // a name's length, a count of dimensions, one of them, a type, an offset
)

var errShort = errors.New("the file ends before its header does")

// header reads a GGUF's header in order. After the first error it reads zeros, so callers look at err once a step.
type header struct {
	r    *bufio.Reader
	size int64
	at   int64
	err  error
}

func newHeader(r io.ReaderAt, size int64) *header {
	return &header{r: bufio.NewReaderSize(io.NewSectionReader(r, 0, size), 64<<10), size: size}
}

func (h *header) read() (*File, error) {
	if string(h.bytes(4)) != "GGUF" {
		return nil, ErrNotGGUF
	}
	version := h.uint32()
	switch {
	case h.err != nil:
		return nil, h.err
	case version == 2<<24 || version == 3<<24:
		return nil, errors.New("this GGUF is big-endian; only little-endian files can be read")
	case version != 2 && version != 3:
		return nil, fmt.Errorf("this GGUF has version %d; only versions 2 and 3 can be read", version)
	}
	tensors := h.count("tensors", smallestTensor)
	entries := h.count("metadata entries", smallestEntry)
	f := &File{Metadata: make(map[string]any)}
	for range entries {
		key := h.text()
		value := h.value(h.uint32())
		if h.err != nil {
			return nil, fmt.Errorf("reading metadata %.64q: %w", key, h.err)
		}
		f.Metadata[key] = value
	}
	for range tensors {
		t := h.tensor()
		if h.err != nil {
			return nil, fmt.Errorf("reading tensor %.64q: %w", t.Name, h.err)
		}
		f.Tensors = append(f.Tensors, t)
	}
	if h.err != nil {
		return nil, h.err
	}
	return f, f.place(h.at, h.size)
}

// place turns offsets within the data into offsets within the file, and refuses what lies outside of it.
func (f *File) place(headerEnd, size int64) error {
	alignment, ok := f.Int("general.alignment")
	if !ok {
		alignment = defaultAlignment
	}
	if alignment <= 0 || alignment > 1<<20 || alignment&(alignment-1) != 0 {
		return fmt.Errorf("general.alignment is %d, which is not a power of two up to 1 MiB", alignment)
	}
	base := (headerEnd + alignment - 1) &^ (alignment - 1)
	for i := range f.Tensors {
		t := &f.Tensors[i]
		if t.Offset < 0 || t.Offset > size-base || t.Size > size-base-t.Offset {
			return fmt.Errorf("tensor %.64q lies outside of the file: %d bytes at %d of %d", t.Name, t.Size, t.Offset, size-base)
		}
		t.Offset += base
	}
	return nil
}

func (h *header) tensor() Tensor {
	t := Tensor{Name: h.text()}
	dimensions := h.uint32()
	if dimensions > maxDimensions {
		h.fail(fmt.Errorf("it has %d dimensions; at most %d are possible", dimensions, maxDimensions))
		return t
	}
	t.Shape = make([]int64, dimensions)
	for i := range t.Shape {
		t.Shape[i] = int64(h.uint64())
	}
	t.Type = Type(h.uint32())
	t.Offset = int64(h.uint64())
	if h.err == nil {
		size, err := t.Type.size(t.Shape)
		h.fail(err)
		t.Size = size
	}
	return t
}

func (h *header) value(kind uint32) any {
	switch kind {
	case kindString:
		return h.text()
	case kindArray:
		return h.array()
	case kindFloat32, kindFloat64:
		return h.float(kind)
	case kindBool:
		return h.bytes(1)[0] != 0
	default:
		return h.integer(kind)
	}
}

func (h *header) array() any {
	kind := h.uint32()
	if h.err == nil && kind >= uint32(len(widths)) {
		h.fail(fmt.Errorf("there is no kind %d of values", kind))
	}
	if h.err == nil && kind == kindArray {
		h.fail(errors.New("an array of arrays can't be read"))
	}
	if h.err != nil {
		return nil
	}
	n := h.count("elements", widths[kind])
	switch kind {
	case kindString:
		return collect(h, n, h.text)
	case kindFloat32, kindFloat64:
		return collect(h, n, func() float64 { return h.float(kind) })
	case kindBool:
		return collect(h, n, func() bool { return h.bytes(1)[0] != 0 })
	default:
		return collect(h, n, func() int64 { return h.integer(kind) })
	}
}

// collect reads n values; count has held n against the rest of the file.
func collect[T any](h *header, n int, next func() T) []T {
	values := make([]T, 0, n)
	for len(values) < n && h.err == nil {
		values = append(values, next())
	}
	return values
}

func (h *header) float(kind uint32) float64 {
	if kind == kindFloat32 {
		return float64(math.Float32frombits(h.uint32()))
	}
	return math.Float64frombits(h.uint64())
}

func (h *header) integer(kind uint32) int64 {
	switch kind {
	case kindUint8:
		return int64(h.bytes(1)[0])
	case kindInt8:
		return int64(int8(h.bytes(1)[0]))
	case kindUint16:
		return int64(binary.LittleEndian.Uint16(h.bytes(2)))
	case kindInt16:
		return int64(int16(binary.LittleEndian.Uint16(h.bytes(2))))
	case kindUint32:
		return int64(h.uint32())
	case kindInt32:
		return int64(int32(h.uint32()))
	case kindInt64:
		return int64(h.uint64())
	case kindUint64:
		v := h.uint64()
		if v > math.MaxInt64 {
			h.fail(fmt.Errorf("the value %d doesn't fit into 63 bits", v))
		}
		return int64(v)
	}
	h.fail(fmt.Errorf("there is no kind %d of values", kind))
	return 0
}

// count reads a number of things that take at least width bytes each, and refuses more than the file can hold.
func (h *header) count(what string, width int64) int {
	n := h.uint64()
	if h.err == nil && n > uint64((h.size-h.at)/width) {
		h.fail(fmt.Errorf("%d %s are announced, but only %d bytes are left of the file", n, what, h.size-h.at))
		return 0
	}
	return int(n)
}

func (h *header) text() string {
	n := h.count("bytes of text", 1)
	if h.err != nil || n == 0 {
		return ""
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(h.r, b); err != nil {
		h.fail(errShort)
		return ""
	}
	h.at += int64(n)
	return string(b)
}

func (h *header) uint32() uint32 { return binary.LittleEndian.Uint32(h.bytes(4)) }
func (h *header) uint64() uint64 { return binary.LittleEndian.Uint64(h.bytes(8)) }

// bytes is the next n ≤ 8 bytes, which stay valid until the next read; zeros after an error.
func (h *header) bytes(n int) []byte {
	if h.err != nil {
		return make([]byte, n)
	}
	b, err := h.r.Peek(n)
	if err != nil {
		h.fail(errShort)
		return make([]byte, n)
	}
	_, _ = h.r.Discard(n) // can't fail after Peek
	h.at += int64(n)
	return b
}

func (h *header) fail(err error) {
	if h.err == nil {
		h.err = err
	}
}
