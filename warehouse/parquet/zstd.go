package parquet

import (
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/klauspost/compress/zstd"
)

// reusing compresses by one encoder that is kept. Arrow's own makes a new one for each page, with a window of megabytes
// to clear: a tenth of the CPU time of a seal.
type reusing struct {
	compress.Codec
	encoder *zstd.Encoder
}

// EncodeLevel is compress.Codec's; the level is always zstdLevel, as nothing else in this program writes Parquet.
func (r reusing) EncodeLevel(dst, src []byte, _ int) []byte { return r.encoder.EncodeAll(src, dst[:0]) }

func init() {
	codec, err := compress.GetCodec(compress.Codecs.Zstd)
	if err != nil {
		panic(err) // of a codec that the package has
	}
	encoder, err := zstd.NewWriter(nil, zstd.WithZeroFrames(true), zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(zstdLevel)))
	if err != nil {
		panic(err) // of options that are right
	}
	compress.RegisterCodec(compress.Codecs.Zstd, reusing{codec, encoder})
}
