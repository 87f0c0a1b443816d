package stats

import (
	"encoding/json"
	"math"
	"os"
	"testing"
)

// oracle is what numpy and scipy say; testdata/oracle.py made it.
type oracle struct {
	Quantile struct {
		Xs, Q, Want []float64
	}
	MannWhitney     []rankCase `json:"mann_whitney"`
	MannWhitneyTied []rankCase `json:"mann_whitney_tied"`
	Wilson          []struct{ K, N, Low, High float64 }
	Kendall         struct {
		Xs  []float64
		Tau float64
	}
	QuantileRanks []struct {
		N         int
		Q         float64
		Low, High int
	} `json:"quantile_ranks"`
}

type rankCase struct {
	A, B []float64
	P    float64
}

func readOracle(t *testing.T) oracle {
	t.Helper()
	b, err := os.ReadFile("testdata/oracle.json")
	if err != nil {
		t.Fatal(err)
	}
	var o oracle
	if err := json.Unmarshal(b, &o); err != nil {
		t.Fatal(err)
	}
	return o
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got-want) > tolerance {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

func TestFiguresAreThoseOfNumpyAndScipy(t *testing.T) {
	o := readOracle(t)
	for i, q := range o.Quantile.Q {
		near(t, "quantile", Quantile(sortedCopy(o.Quantile.Xs), q), o.Quantile.Want[i], 1e-12)
	}
	for _, c := range append(o.MannWhitney, o.MannWhitneyTied...) {
		near(t, "rank test", MannWhitney(c.A, c.B), c.P, 1e-9)
	}
	for _, c := range o.Wilson {
		i, ok := Wilson(c.K, c.N, 0.95)
		if !ok {
			t.Errorf("Wilson(%v, %v) has no interval", c.K, c.N)
		}
		near(t, "lower bound", i.Low, c.Low, 1e-9)
		near(t, "upper bound", i.High, c.High, 1e-9)
	}
	tau, p := MannKendall(o.Kendall.Xs)
	near(t, "Kendall's tau", tau, o.Kendall.Tau, 1e-12)
	if p > 0.001 {
		t.Errorf("a steep trend has p = %v", p)
	}
	for _, c := range o.QuantileRanks {
		low, high, _ := QuantileRanks(c.N, c.Q, 0.95)
		if low != c.Low || high != c.High {
			t.Errorf("ranks of the %v quantile of %d are %d–%d, want %d–%d", c.Q, c.N, low, high, c.Low, c.High)
		}
	}
}
