package lang

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// nearest is the candidate that a person most likely meant; "" where none is near.
func nearest(word string, candidates []string) string {
	best, bestDistance := "", 0
	for _, c := range candidates {
		if strings.EqualFold(c, word) {
			return c
		}
		d := levenshtein.Distance(word, c, nil)
		if d <= max(1, len(c)/3, len(word)/3) && d < max(len(c), len(word)) && (best == "" || d < bestDistance) {
			best, bestDistance = c, d
		}
	}
	return best
}

// didYouMean is the second sentence of a finding about an unknown word: " Did you mean x?", or "".
func didYouMean(prefix, word string, candidates []string) string {
	if near := nearest(word, candidates); near != "" {
		return fmt.Sprintf(" Did you mean %s%s?", prefix, near)
	}
	return ""
}

// maxListed bounds the names that a finding lists.
const maxListed = 12

// listed joins names for a sentence, sorted.
func listed(names []string) string {
	names = slices.Sorted(slices.Values(names))
	if len(names) > maxListed {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxListed], ", "), len(names)-maxListed)
	}
	return strings.Join(names, ", ")
}
