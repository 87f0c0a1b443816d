package scenarios

// Distribution is a law that numbers are drawn from; the zero Distribution is none.
type Distribution struct {
	Kind string `json:",omitempty"` // constant, uniform, normal, lognormal, gamma, empirical
	// Mean and StdDev are of the values themselves, also for lognormal and gamma.
	Mean   float64 `json:",omitempty"`
	StdDev float64 `json:",omitempty"`
	// Min and Max bound uniform, and clip the others where Max is above Min.
	Min float64 `json:",omitempty"`
	Max float64 `json:",omitempty"`
	// Values of an empirical law, drawn with equal chance.
	Values []float64 `json:",omitempty"`
}

// IsZero tells whether there is no law.
func (d Distribution) IsZero() bool { return d.Kind == "" }

// Constant is the law of one value.
func Constant(v float64) Distribution { return Distribution{Kind: "constant", Mean: v} }
