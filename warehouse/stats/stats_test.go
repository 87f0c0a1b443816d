package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func sortedCopy(xs []float64) []float64 {
	out := slices.Clone(xs)
	slices.Sort(out)
	return out
}

// ar1 is a Gaussian series of variance 1 in which each observation keeps rho of the one before.
func ar1(seed uint64, n int, rho float64) []float64 {
	rng := rand.New(rand.NewPCG(seed, 1))
	xs := make([]float64, n)
	x := rng.NormFloat64()
	for i := range xs {
		x = rho*x + math.Sqrt(1-rho*rho)*rng.NormFloat64()
		xs[i] = x
	}
	return xs
}

func TestFloorsAreThoseOfMLPerf(t *testing.T) {
	for _, c := range []struct {
		q          float64
		at99, at95 int
	}{
		{0.99, 662, 473},
		{0.95, 130, 93},
		{0.90, 64, 46},
		{0.50, 11, 8},
		{0.01, 662, 473}, // mirrored
	} {
		if got := Floor(c.q, 0.99); got != c.at99 {
			t.Errorf("floor of the %v quantile at 99 %% is %d, want %d", c.q, got, c.at99)
		}
		if got := Floor(c.q, 0.95); got != c.at95 {
			t.Errorf("floor of the %v quantile at 95 %% is %d, want %d", c.q, got, c.at95)
		}
	}
}

func TestQuantilesLieWithinTheSampleAndGrow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		xs := sortedCopy(rapid.SliceOfN(rapid.Float64Range(-1e6, 1e6), 1, 200).Draw(t, "xs"))
		p := rapid.Float64Range(0, 1).Draw(t, "p")
		q := rapid.Float64Range(p, 1).Draw(t, "q")
		a, b := Quantile(xs, p), Quantile(xs, q)
		if a < xs[0] || b > xs[len(xs)-1] || a > b+1e-9*math.Abs(b) {
			t.Fatalf("quantiles %v and %v of %v are %v and %v", p, q, xs, a, b)
		}
	})
}

func TestAQuantileOfNothingIsNotANumber(t *testing.T) {
	if q := Quantile(nil, 0.5); !math.IsNaN(q) {
		t.Errorf("got %v", q)
	}
	if _, method, ok := QuantileInterval(nil, 0.5, 0.95); ok || method != TooFew {
		t.Errorf("got an interval by %q", method)
	}
}

func TestAnIntervalHoldsItsEstimate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		xs := rapid.SliceOfN(rapid.Float64Range(0, 1e3), 1, 300).Draw(t, "xs")
		q := rapid.SampledFrom([]float64{0.1, 0.5, 0.9, 0.99}).Draw(t, "q")
		if i, _, ok := QuantileInterval(xs, q, 0.95); ok && !i.Contains(Quantile(sortedCopy(xs), q)) {
			t.Fatalf("the interval %v does not hold the quantile %v", i, Quantile(sortedCopy(xs), q))
		}
	})
}

func TestQuantileIntervalsHoldTheTruthAsOftenAsTheySay(t *testing.T) {
	const series, n = 120, 1000
	for _, c := range []struct{ rho, q float64 }{
		{0, 0.5}, {0, 0.95}, {0, 0.99}, {0.5, 0.5}, {0.5, 0.95}, {0.8, 0.5}, {0.8, 0.95},
	} {
		given, held := 0, 0
		for s := range uint64(series) {
			i, _, ok := QuantileInterval(ar1(s, n, c.rho), c.q, 0.95)
			if !ok {
				continue
			}
			given++
			if i.Contains(normalQuantile(c.q)) {
				held++
			}
		}
		if given < series/2 {
			t.Errorf("rho %v, quantile %v: only %d of %d series have an interval", c.rho, c.q, given, series)
		}
		if coverage := float64(held) / float64(given); coverage < 0.90 {
			t.Errorf("rho %v, quantile %v: coverage is %.3f", c.rho, c.q, coverage)
		}
	}
}

func TestAStronglyCorrelatedSeriesGetsNoInterval(t *testing.T) {
	xs := ar1(3, 1000, 0.98)
	if _, method, ok := QuantileInterval(xs, 0.5, 0.95); ok || method != TooFewEffective {
		t.Errorf("got %v by %q", ok, method)
	}
	if _, method, ok := MeanInterval(xs, 0.95); ok || method != TooFewEffective {
		t.Errorf("the mean got %v by %q", ok, method)
	}
}

func TestMeanIntervalsWidenWithAutocorrelation(t *testing.T) {
	width := func(rho float64) float64 {
		i, _, ok := MeanInterval(ar1(5, 5000, rho), 0.95)
		if !ok {
			t.Fatalf("no interval at rho %v", rho)
		}
		return i.High - i.Low
	}
	if w, v := width(0), width(0.8); v < 2*w { // √9 in theory
		t.Errorf("the interval is %v wide at rho 0.8 and %v at 0", v, w)
	}
}

func TestAutocorrelationTimeIsThatOfTheProcess(t *testing.T) {
	for _, c := range []struct{ rho, want float64 }{{0, 1}, {0.5, 3}, {0.9, 19}} {
		mean := 0.0
		for s := range uint64(20) {
			mean += AutocorrelationTime(ar1(s, 5000, c.rho)) / 20
		}
		near(t, "the mean estimate", mean, c.want, 0.1*c.want)
	}
	if tau := AutocorrelationTime(make([]float64, 100)); tau != 1 {
		t.Errorf("a constant series has τ = %v", tau)
	}
}

func TestWarmUpIsCutWhereItEnds(t *testing.T) {
	for _, c := range []struct{ warm, least, most int }{{0, 0, 60}, {200, 120, 260}} {
		xs := ar1(2, 2000, 0)
		for i := range c.warm {
			xs[i] += 8 * math.Exp(-4*float64(i)/float64(c.warm+1))
		}
		if cut := MSER5(xs); cut < c.least || cut > c.most {
			t.Errorf("a warm-up of %d is cut at %d", c.warm, cut)
		}
	}
	if cut := MSER5([]float64{1, 2, 3}); cut != 0 {
		t.Errorf("too few observations are cut at %d", cut)
	}
}

func TestATrendIsToldFromChance(t *testing.T) {
	alarms := 0
	for s := range uint64(200) {
		if _, p := MannKendall(BatchMedians(ar1(s, 400, 0), 20)); p < 0.05 {
			alarms++
		}
	}
	if alarms > 20 {
		t.Errorf("%d of 200 series without a trend are said to have one", alarms)
	}
	falling := []float64{9, 8, 7, 6, 5, 4, 3, 2}
	if tau, p := MannKendall(falling); tau != -1 || p > 0.001 {
		t.Errorf("a falling series has tau %v, p %v", tau, p)
	}
	if tau, p := MannKendall([]float64{3, 3, 3, 3, 3}); tau != 0 || p != 1 {
		t.Errorf("a constant series has tau %v, p %v", tau, p)
	}
	if m := BatchMedians(falling, 9); m != nil {
		t.Errorf("eight observations make nine batches: %v", m)
	}
}

func TestAShiftIsFoundWithItsExactInterval(t *testing.T) {
	a := []float64{10, 11, 12, 13}
	b := []float64{15, 16, 17, 18}
	shift, i, ok := HodgesLehmann(a, b, 0.95)
	if shift != 5 || !ok {
		t.Errorf("the shift is %v, its interval %v", shift, ok)
	}
	// Of four against four, only the extremes can be left out at 95 %: 2/70.
	if i != (Interval{2, 8}) {
		t.Errorf("the interval is %v", i)
	}
	if _, _, ok := HodgesLehmann(a[:3], b[:3], 0.95); ok {
		t.Error("three against three has an interval at 95 %")
	}
}

func TestAShiftOfOneSampleShiftsTheEstimate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		xs := rapid.SliceOfN(rapid.IntRange(-1000, 1000), 4, 12).Draw(t, "xs")
		by := float64(rapid.IntRange(-500, 500).Draw(t, "by"))
		var a, b []float64
		for _, x := range xs {
			a, b = append(a, float64(x)), append(b, float64(x)+by)
		}
		shift, i, ok := HodgesLehmann(a, b, 0.95)
		if shift != by || ok && !i.Contains(by) {
			t.Fatalf("a shift of %v is found as %v within %v", by, shift, i)
		}
	})
}

func TestTheLeastDetectableDifferenceIsBenchstats(t *testing.T) {
	near(t, "four against four", LeastP(4, 4), 2.0/70, 1e-12)
	if n := EnoughFor(0.05); n != 4 {
		t.Errorf("0.05 wants %d", n)
	}
	if n := EnoughFor(0.01); n != 5 {
		t.Errorf("0.01 wants %d", n)
	}
	if p := MannWhitney([]float64{1, 1}, []float64{1, 1}); p != 1 {
		t.Errorf("equal samples differ with p %v", p)
	}
}

func TestHolmKeepsTheOrderAndOnlyRaises(t *testing.T) {
	got := Holm([]float64{0.01, 0.04, 0.03})
	for i, want := range []float64{0.03, 0.06, 0.06} {
		near(t, "corrected p", got[i], want, 1e-12)
	}
	rapid.Check(t, func(t *rapid.T) {
		ps := rapid.SliceOfN(rapid.Float64Range(0, 1), 0, 20).Draw(t, "ps")
		for i, p := range Holm(ps) {
			if p < ps[i] || p > 1 {
				t.Fatalf("%v became %v", ps[i], p)
			}
		}
	})
}

func TestAProportionOfNothingHasNoInterval(t *testing.T) {
	if _, ok := Wilson(0, 0, 0.95); ok {
		t.Error("it has")
	}
}

func TestASeriesOfEqualNumbersHasNoAutocorrelationWhateverTheirMeanIsRoundedTo(t *testing.T) {
	xs := make([]float64, 150)
	for _, x := range []float64{0, 0.1, 0.3, 1e-9, 12345.678} {
		for i := range xs {
			xs[i] = x
		}
		if tau := AutocorrelationTime(xs); tau != 1 {
			t.Errorf("%v has %v", x, tau)
		}
	}
}
