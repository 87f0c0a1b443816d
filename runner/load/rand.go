package load

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
)

// NewRand is the generator of one stream of a seed: ChaCha8 keyed with the SHA-256 of both, so that one more stream
// reshuffles no other. The same seed and stream give the same numbers on every machine.
func NewRand(seed int64, stream ...string) *rand.Rand {
	return rand.New(rand.NewChaCha8(streamKey(seed, stream...)))
}

func streamKey(seed int64, stream ...string) [32]byte {
	b := binary.LittleEndian.AppendUint64(make([]byte, 0, 64), uint64(seed))
	for _, s := range stream {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	return sha256.Sum256(b)
}

// Shuffle is a permutation of the numbers below n that needs no memory: a Feistel network of four rounds over the next
// power of four, walked until it falls below n (Black and Rogaway, "Ciphers with arbitrary finite domains", 2002).
type Shuffle struct {
	n    uint64
	half uint // bits of one half
	keys [4]uint64
}

// NewShuffle is the permutation of the numbers below n that rng chooses.
func NewShuffle(n int64, rng *rand.Rand) Shuffle {
	s := Shuffle{n: uint64(max(n, 1)), half: 1}
	for s.half < 32 && uint64(1)<<(2*s.half) < s.n {
		s.half++
	}
	for i := range s.keys {
		s.keys[i] = rng.Uint64()
	}
	return s
}

// At is what number i becomes; numbers from n on begin again.
func (s Shuffle) At(i int64) int64 {
	x := uint64(i) % s.n
	mask := uint64(1)<<s.half - 1
	for {
		left, right := x>>s.half, x&mask
		for _, k := range s.keys {
			left, right = right, left^(mix(right^k)&mask)
		}
		if x = left<<s.half | right; x < s.n {
			return int64(x)
		}
	}
}

// mix is the finalizer of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
