// Package gguf reads the files that llama.cpp and Ollama keep models in: facts about the model, and tensors.
//
// The format is described in https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Versions 2 and 3 are read,
// little-endian. A file is not trusted: every count is held against what is left of the file before memory is taken for
// it, so that reading takes at most a small multiple of the size of the file's header.
package gguf

import (
	"errors"
	"io"
)

// ErrNotGGUF says that a file doesn't begin as a GGUF does.
var ErrNotGGUF = errors.New("this is not a GGUF file: it doesn't begin with the bytes \"GGUF\"")

// File is what a GGUF says about itself; the tensors' data stay where they are.
type File struct {
	// Metadata holds int64, float64, bool, string and slices of these. Integers of all widths are int64, and floats of
	// both widths float64.
	Metadata map[string]any
	Tensors  []Tensor
}

// Tensor is one array of numbers in the file.
type Tensor struct {
	Name string
	Type Type
	// Shape counts elements, the dimension that lies together in memory first.
	Shape  []int64
	Offset int64 // of the data, from the start of the file
	Size   int64 // of the data, in bytes
}

// Elements is how many numbers the tensor holds.
func (t Tensor) Elements() int64 {
	n := int64(1)
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Read reads a header from the first of size bytes. It returns ErrNotGGUF for anything else than a GGUF, and checks
// that the data of each tensor lie within size.
func Read(r io.ReaderAt, size int64) (*File, error) {
	h := newHeader(r, size)
	f, err := h.read()
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Tensor finds a tensor by its name.
func (f *File) Tensor(name string) (Tensor, bool) {
	for _, t := range f.Tensors {
		if t.Name == name {
			return t, true
		}
	}
	return Tensor{}, false
}

// Parameters is the number of weights in all tensors.
func (f *File) Parameters() int64 {
	var n int64
	for _, t := range f.Tensors {
		n += t.Elements()
	}
	return n
}

// Quantization names the type that most of the tensors' bytes have, as in F32 or Q8_0; "" for a file without tensors.
func (f *File) Quantization() string {
	bytes := map[Type]int64{}
	var most Type
	for _, t := range f.Tensors {
		bytes[t.Type] += t.Size
		if bytes[t.Type] > bytes[most] {
			most = t.Type
		}
	}
	if len(f.Tensors) == 0 {
		return ""
	}
	return most.String()
}

// Int is the integer under key; ok is false where there is none.
func (f *File) Int(key string) (value int64, ok bool) {
	value, ok = f.Metadata[key].(int64)
	return value, ok
}

// Float is the number under key, an integer included; ok is false where there is none.
func (f *File) Float(key string) (value float64, ok bool) {
	switch v := f.Metadata[key].(type) {
	case float64:
		return v, true
	case int64:
		return float64(v), true
	}
	return 0, false
}

// Bool is the flag under key, or otherwise where there is none.
func (f *File) Bool(key string, otherwise bool) bool {
	if v, ok := f.Metadata[key].(bool); ok {
		return v
	}
	return otherwise
}

// Text is the string under key; "" where there is none.
func (f *File) Text(key string) string {
	v, _ := f.Metadata[key].(string)
	return v
}

// Texts is the array of strings under key.
func (f *File) Texts(key string) []string {
	v, _ := f.Metadata[key].([]string)
	return v
}

// Ints is the array of integers under key.
func (f *File) Ints(key string) []int64 {
	v, _ := f.Metadata[key].([]int64)
	return v
}

// Floats is the array of numbers under key.
func (f *File) Floats(key string) []float64 {
	v, _ := f.Metadata[key].([]float64)
	return v
}
