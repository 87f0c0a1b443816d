"""Writes oracle.json: what numpy 2 and scipy 1.16 say of fixed samples. Run it beside this file; the tests read the result."""
import json
import numpy as np
from scipy import stats

rng = np.random.default_rng(7)
xs = rng.lognormal(size=50).round(6).tolist()
small = [([1.1, 2.2, 3.3, 4.4], [5.5, 6.6, 7.7, 8.8]),
         ([10, 12, 11, 15, 14, 13], [12.5, 16, 17, 14.5, 18, 19]),
         (rng.normal(10, 1, 12).round(4).tolist(), rng.normal(10.6, 1, 9).round(4).tolist())]
tied = [([1, 2, 2, 3, 4], [2, 3, 3, 5, 6])]
trend = (np.arange(20) * 0.2 + rng.normal(size=20)).round(4).tolist()

out = {
    "quantile": {"xs": xs, "q": [0, 0.01, 0.25, 0.5, 0.9, 0.99, 1],
                 "want": [float(np.quantile(xs, q)) for q in [0, 0.01, 0.25, 0.5, 0.9, 0.99, 1]]},
    "mann_whitney": [{"a": a, "b": b, "p": float(stats.mannwhitneyu(a, b, method="exact").pvalue)} for a, b in small],
    # Ties: exact by enumerating every way of labelling the pooled sample.
    "mann_whitney_tied": [{"a": a, "b": b, "p": float(stats.permutation_test(
        (a, b), lambda x, y: abs(stats.mannwhitneyu(x, y).statistic - len(x) * len(y) / 2),
        permutation_type="independent", n_resamples=np.inf, alternative="greater").pvalue)} for a, b in tied],
    "wilson": [{"k": k, "n": n, "low": float(i.low), "high": float(i.high)}
               for k, n in [(0, 20), (1, 20), (99, 100), (473, 473)]
               for i in [stats.binomtest(k, n).proportion_ci(0.95, method="wilson")]],
    "kendall": {"xs": trend, "tau": float(stats.kendalltau(range(20), trend).statistic)},
    "quantile_ranks": [{"n": n, "q": q,
                        "low": int(max(k for k in range(n + 1) if stats.binom.cdf(k - 1, n, q) <= 0.025)),
                        "high": int(min(k for k in range(n + 2) if stats.binom.sf(k - 1, n, q) <= 0.025))}
                       for n, q in [(10, .5), (100, .5), (100, .9), (473, .99), (1000, .99), (5000, .999)]],
}
json.dump(out, open("oracle.json", "w"), indent=1)
