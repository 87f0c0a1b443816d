package gguf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// writer makes files for the tests, right ones and wrong ones.
type writer struct{ bytes.Buffer }

func (w *writer) put(values ...any) *writer {
	for _, v := range values {
		if s, ok := v.(string); ok {
			w.put(uint64(len(s)))
			w.WriteString(s)
			continue
		}
		if err := binary.Write(w, binary.LittleEndian, v); err != nil {
			panic(err)
		}
	}
	return w
}

// begin is the first fields of a file.
func begin(version uint32, tensors, entries uint64) *writer {
	w := &writer{}
	w.WriteString("GGUF")
	return w.put(version, tensors, entries)
}

func read(b []byte) (*File, error) { return Read(bytes.NewReader(b), int64(len(b))) }

// small is a file with an entry of each kind and two tensors.
func small() []byte {
	w := begin(3, 2, 16)
	w.put("u8", uint32(kindUint8), uint8(200), "i8", uint32(kindInt8), int8(-3))
	w.put("u16", uint32(kindUint16), uint16(60000), "i16", uint32(kindInt16), int16(-300))
	w.put("u32", uint32(kindUint32), uint32(4e9), "i32", uint32(kindInt32), int32(-70000))
	w.put("u64", uint32(kindUint64), uint64(1<<40), "i64", uint32(kindInt64), int64(-1<<40))
	w.put("f32", uint32(kindFloat32), float32(0.5), "f64", uint32(kindFloat64), 0.25)
	w.put("bool", uint32(kindBool), true, "text", uint32(kindString), "größe")
	w.put("texts", uint32(kindArray), uint32(kindString), uint64(2), "a", "")
	w.put("ints", uint32(kindArray), uint32(kindInt32), uint64(3), int32(1), int32(-2), int32(3))
	w.put("floats", uint32(kindArray), uint32(kindFloat32), uint64(2), float32(1), float32(-0.5))
	w.put("bools", uint32(kindArray), uint32(kindBool), uint64(2), true, false)
	w.put("a", uint32(2), uint64(4), uint64(2), uint32(F32), uint64(0))
	w.put("b", uint32(1), uint64(32), uint32(Q8_0), uint64(32))
	for w.Len()%defaultAlignment != 0 {
		w.WriteByte(0)
	}
	w.Write(make([]byte, 32+34))
	return w.Bytes()
}

func TestEveryKindOfMetadataIsRead(t *testing.T) {
	f, err := read(small())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"u8": int64(200), "i8": int64(-3), "u16": int64(60000), "i16": int64(-300), "u32": int64(4e9), "i32": int64(-70000),
		"u64": int64(1 << 40), "i64": int64(-1 << 40), "f32": 0.5, "f64": 0.25, "bool": true, "text": "größe",
		"texts": []string{"a", ""}, "ints": []int64{1, -2, 3}, "floats": []float64{1, -0.5}, "bools": []bool{true, false},
	}
	if !reflect.DeepEqual(f.Metadata, want) {
		t.Errorf("read %v\nwant %v", f.Metadata, want)
	}
	if n, ok := f.Int("u8"); n != 200 || !ok {
		t.Errorf("Int: %d %t", n, ok)
	}
	if v, ok := f.Float("u8"); v != 200 || !ok {
		t.Errorf("Float of an integer: %v %t", v, ok)
	}
	if _, ok := f.Float("text"); ok {
		t.Error("a text was read as a number")
	}
	if !f.Bool("bool", false) || !f.Bool("absent", true) || f.Text("text") != "größe" || len(f.Texts("texts")) != 2 ||
		len(f.Ints("ints")) != 3 || len(f.Floats("floats")) != 2 {
		t.Error("an accessor doesn't give what Metadata holds")
	}
}

func TestTensorsAreWhereTheFileSays(t *testing.T) {
	b := small()
	f, err := read(b)
	if err != nil {
		t.Fatal(err)
	}
	base := int64(len(b)) - 32 - 34
	want := []Tensor{
		{Name: "a", Type: F32, Shape: []int64{4, 2}, Offset: base, Size: 32},
		{Name: "b", Type: Q8_0, Shape: []int64{32}, Offset: base + 32, Size: 34},
	}
	if !reflect.DeepEqual(f.Tensors, want) {
		t.Errorf("read %+v\nwant %+v", f.Tensors, want)
	}
	if f.Parameters() != 40 || f.Quantization() != "Q8_0" {
		t.Errorf("%d parameters of %s", f.Parameters(), f.Quantization())
	}
	if a, ok := f.Tensor("a"); !ok || a.Elements() != 8 {
		t.Errorf("Tensor: %+v %t", a, ok)
	}
	if _, ok := f.Tensor("c"); ok {
		t.Error("found a tensor that there isn't")
	}
}

func TestWrongFilesSayWhatIsWrong(t *testing.T) {
	tensor := func(dimensions uint32, values ...any) []byte {
		return begin(3, 1, 0).put("t", dimensions).put(values...).put(make([]byte, 64)).Bytes()
	}
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"nothing", nil, "not a GGUF"},
		{"a tokenizer.json", []byte(`{"version": "1.0"}`), "not a GGUF"},
		{"only the magic", []byte("GGUF"), "ends before"},
		{"version 1", begin(1, 0, 0).Bytes(), "version 1"},
		{"big-endian", begin(3<<24, 0, 0).Bytes(), "big-endian"},
		{"a huge count of entries", begin(3, 0, 1<<62).Bytes(), "4611686018427387904 metadata entries are announced"},
		{"a huge count of tensors", begin(3, math.MaxUint64, 0).Bytes(), "tensors are announced"},
		{"a huge key", begin(3, 0, 1).put(uint64(1<<50), make([]byte, 20)).Bytes(), "bytes of text are announced"},
		{"a huge array", begin(3, 0, 1).put("k", uint32(kindArray), uint32(kindString), uint64(1<<60), "").Bytes(), "elements are announced"},
		{"an array of arrays", begin(3, 0, 1).put("k", uint32(kindArray), uint32(kindArray), uint64(1), make([]byte, 30)).Bytes(), "array of arrays"},
		{"an array of nothing known", begin(3, 0, 1).put("k", uint32(kindArray), uint32(77), uint64(1), uint64(1)).Bytes(), "no kind 77"},
		{"a value of nothing known", begin(3, 0, 1).put("k", uint32(13), uint64(1)).Bytes(), "no kind 13"},
		{"an integer of 64 bits", begin(3, 0, 1).put("k", uint32(kindUint64), uint64(math.MaxUint64)).Bytes(), "63 bits"},
		{"a text that is cut", begin(3, 0, 1).put("key", uint32(kindString), uint64(3)).Bytes(), "are announced"},
		{"five dimensions", tensor(5), "5 dimensions"},
		{"a dimension of nothing", tensor(1, uint64(0), uint32(F32), uint64(0)), "not possible"},
		{"a negative dimension", tensor(1, uint64(math.MaxUint64), uint32(F32), uint64(0)), "not possible"},
		{"a shape that overflows", tensor(3, uint64(1<<30), uint64(1<<30), uint64(1<<30), uint32(F32), uint64(0)), "not possible"},
		{"an unknown type", tensor(1, uint64(1), uint32(999), uint64(0)), "no type 999"},
		{"half a block", tensor(1, uint64(16), uint32(Q8_0), uint64(0)), "blocks of 32"},
		{"data outside of the file", tensor(1, uint64(1000), uint32(F32), uint64(0)), "outside of the file"},
		{"an offset that overflows", tensor(1, uint64(1), uint32(F32), uint64(math.MaxInt64)), "outside of the file"},
		{"a negative offset", tensor(1, uint64(1), uint32(F32), uint64(1<<63)), "outside of the file"},
		{"an alignment of 3", begin(3, 0, 1).put("general.alignment", uint32(kindUint32), uint32(3)).Bytes(), "general.alignment"},
		{"an alignment of 0", begin(3, 0, 1).put("general.alignment", uint32(kindUint32), uint32(0)).Bytes(), "general.alignment"},
	} {
		f, err := read(c.file)
		if err == nil {
			t.Errorf("%s: read %+v", c.name, f)
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %q doesn't say %q", c.name, err, c.want)
		}
	}
	if _, err := read([]byte("hello")); !errors.Is(err, ErrNotGGUF) {
		t.Errorf("%v is not ErrNotGGUF", err)
	}
}

func TestAFileThatIsCutAnywhereIsRefused(t *testing.T) {
	b := small()
	for n := range b {
		if _, err := read(b[:n]); err == nil {
			t.Errorf("the first %d of %d bytes were read without an error", n, len(b))
		}
	}
}

// mostBytes is what reading a file of n bytes may allocate: one of a string's sixteen bytes for each that the file
// spends on it, several times over, and the buffer.
func mostBytes(n int) uint64 { return 128<<10 + 64*uint64(n) }

func allocated(work func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	work()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestAHostileFileTakesNoMoreMemoryThanItsSizeExplains(t *testing.T) {
	empty := begin(3, 0, 1).put("k", uint32(kindArray), uint32(kindString), uint64(100_000))
	empty.Write(make([]byte, 800_000))
	for name, file := range map[string][]byte{
		"an array that is announced": begin(3, 0, 1).put("k", uint32(kindArray), uint32(kindInt8), uint64(1<<40)).Bytes(),
		"empty strings":              empty.Bytes(),
		"tensors":                    slices.Concat(begin(3, 20_000, 0).Bytes(), make([]byte, 700_000)),
	} {
		if n := allocated(func() { _, _ = read(file) }); n > mostBytes(len(file)) {
			t.Errorf("%s: a file of %d bytes took %d", name, len(file), n)
		}
	}
}

func TestStoredNumbersAreDecoded(t *testing.T) {
	q8 := binary.LittleEndian.AppendUint16(nil, 0x3800) // a half
	for i := range 32 {
		q8 = append(q8, byte(int8(i-16)))
	}
	q8want := make([]float32, 32)
	for i := range q8want {
		q8want[i] = float32(i-16) / 2
	}
	inf := float32(math.Inf(1))
	for _, c := range []struct {
		kind Type
		from []byte
		want []float32
	}{
		{F32, []byte{0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0}, []float32{1, -2}},
		{BF16, []byte{0x80, 0x3f, 0, 0xc0}, []float32{1, -2}},
		// one, minus two, the largest, the smallest, an infinity, minus zero
		{F16, []byte{0, 0x3c, 0, 0xc0, 0xff, 0x7b, 1, 0, 0, 0x7c, 0, 0x80}, []float32{1, -2, 65504, 0x1p-24, inf, float32(math.Copysign(0, -1))}},
		{Q8_0, q8, q8want},
	} {
		got := make([]float32, len(c.want))
		if err := Decode(c.kind, got, c.from); err != nil {
			t.Errorf("%v: %v", c.kind, err)
		} else if !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.kind, got, c.want)
		}
		if err := Decode(c.kind, got, c.from[1:]); err == nil {
			t.Errorf("%v: a byte too few was decoded", c.kind)
		}
	}
	if nan := half(0x7e00); nan == nan {
		t.Errorf("%v should be no number", nan)
	}
	if err := Decode(12, make([]float32, 256), make([]byte, 144)); err == nil || !strings.Contains(err.Error(), "Q4_K") {
		t.Errorf("Q4_K: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(small())
	f.Add(begin(3, 1<<60, 0).Bytes())
	f.Add(begin(3, 0, 1).put("k", uint32(kindArray), uint32(kindString), uint64(1<<60), "").Bytes())
	f.Add(begin(2, 1, 0).put("t", uint32(1), uint64(4), uint32(F32), uint64(0)).Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := read(b)
		if err != nil {
			return
		}
		for _, x := range file.Tensors {
			if x.Offset < 0 || x.Size <= 0 || x.Offset+x.Size > int64(len(b)) || x.Elements() <= 0 {
				t.Errorf("tensor %+v in a file of %d bytes", x, len(b))
			}
		}
		file.Quantization()
		file.Parameters()
	})
}
