package stats

import (
	"math/bits"

	"gonum.org/v1/gonum/dsp/fourier"
)

// AutocorrelationTime is the integrated autocorrelation time τ of a series, in observations: n of them are worth n ÷ τ
// independent ones. It is at least 1, and 1 for a constant series.
//
// τ = 1 + 2 Σ ρ(k) is summed up to the first window of at least 5 τ (A. Sokal, "Monte Carlo Methods in Statistical
// Mechanics", 1997, §3), and corrected for the bias that the estimated mean puts in, of the order of τ ÷ n.
func AutocorrelationTime(xs []float64) float64 {
	n := len(xs)
	if n < 4 {
		return 1
	}
	rho := autocorrelation(xs)
	if rho == nil {
		return 1
	}
	tau := 1.0
	for k := 1; k < n/2; k++ {
		tau += 2 * rho[k]
		if float64(k) >= 5*tau {
			tau *= 1 + (2*float64(k)+1)/float64(n)
			break
		}
	}
	return min(max(tau, 1), float64(n))
}

// constant is the variance, by the square of the mean, up to which a series is: the mean of equal numbers is rounded.
const constant = 1e-20

// autocorrelation is ρ(k) for every lag, by the fast Fourier transform of the padded series; nil for a constant one.
func autocorrelation(xs []float64) []float64 {
	n := len(xs)
	mean, variance := meanVariance(xs)
	if variance <= constant*mean*mean {
		return nil
	}
	// Padded to at least twice the length, so that the series does not meet its own end.
	padded := make([]float64, 1<<bits.Len(uint(2*n-1)))
	for i, x := range xs {
		padded[i] = x - mean
	}
	fft := fourier.NewFFT(len(padded))
	spectrum := fft.Coefficients(nil, padded)
	for i, c := range spectrum {
		spectrum[i] = complex(real(c)*real(c)+imag(c)*imag(c), 0)
	}
	sums := fft.Sequence(padded, spectrum)
	rho := make([]float64, n)
	for k := range rho {
		rho[k] = sums[k] / sums[0]
	}
	return rho
}
