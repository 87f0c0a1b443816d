package load_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/llmscen/llmscen/runner/load"
)

func TestAShuffleMeetsEveryNumberOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(1, 3000).Draw(t, "n")
		s := load.NewShuffle(n, load.NewRand(rapid.Int64().Draw(t, "seed")))
		seen := make([]bool, n)
		for i := range n {
			at := s.At(i)
			if at < 0 || at >= n || seen[at] {
				t.Fatalf("%d of %d becomes %d", i, n, at)
			}
			seen[at] = true
			if s.At(i+n) != at {
				t.Fatalf("number %d does not begin again", i+n)
			}
		}
	})
}

func TestStreamsOfASeedAreDifferent(t *testing.T) {
	seen := map[uint64]string{}
	for _, stream := range [][]string{{}, {""}, {"", ""}, {"ab"}, {"a", "b"}, {"b", "a"}} {
		v := load.NewRand(1, stream...).Uint64()
		if other, ok := seen[v]; ok {
			t.Errorf("%q is the stream %s", stream, other)
		}
		seen[v] = "of another name"
	}
}
