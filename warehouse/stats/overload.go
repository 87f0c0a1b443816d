package stats

import "math"

// OverloadShare is the share of requests lost to overload from which on a server counts as overloaded.
const OverloadShare = 0.01

// growthShare is the share of the arrivals of a stretch of time by which the backlog must have grown over it.
const growthShare = 0.10

// BacklogGrew tells whether a backlog grew by more than chance lets it over a stretch of time that had so many arrivals: by
// a tenth of them, and by three times the square root of their number, as that of a server at its capacity wanders. severe
// times both; 1 is for one look at a stretch, more for a look that is taken again and again.
func BacklogGrew(growth, arrivals, severe float64) bool {
	return growth > severe*max(growthShare*arrivals, 3*math.Sqrt(arrivals))
}
