# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Runtimes side by side
#
# Which runtime is faster, by how much, and at what cost: latencies, the difference from run to run with its interval,
# throughput against latency, and resources. All of it is SQL over the warehouse's Parquet files; the charts only draw the
# answers.
#
# Set `LLMSCEN_WAREHOUSE` to the warehouse's folder (`./results` without it), and `LLMSCEN_APPLY` to the ID of an apply
# (without it, the latest that has several runtimes).

# %%
import math
import os
from pathlib import Path

import altair as alt
import duckdb
import polars as pl

warehouse = Path(os.environ.get("LLMSCEN_WAREHOUSE", "results")).resolve()
views = (warehouse / "views.sql").read_text()

con = duckdb.connect()
con.execute("SET VARIABLE llmscen_warehouse = $1", [str(warehouse)])
con.execute(views)

# Charts as pictures: they need no network, and a viewer without JavaScript shows them too.
alt.renderers.enable("png", scale_factor=2)
alt.data_transformers.disable_max_rows()


def ask(sql, **values):
    """The answer to a question, as a polars frame."""
    return con.sql(sql, params=values or None).pl()


def draw(chart, frame):
    """The chart, or a word where its frame has no rows: such a chart has no size."""
    return chart if len(frame) else "Nothing to draw: there are no such rows."


apply = os.environ.get("LLMSCEN_APPLY") or ask(
    """
    SELECT apply FROM trials WHERE status = 'completed'
    GROUP BY apply ORDER BY count(DISTINCT runtime) > 1 DESC, apply DESC LIMIT 1
    """
).item()
f"{apply} in {warehouse}"

# %% [markdown]
# ## What is compared
#
# A line a runtime. `answers` is the beginning of the digest of what it answered, asked greedily, to a few fixed prompts:
# runtimes with the same one are the same model, and others are not, whatever they are called. Invalid trials are left out
# of all that follows, unless there are no others.

# %%
con.execute(
    """
    CREATE OR REPLACE TEMP TABLE chosen AS
    SELECT apply, trial_id, regexp_replace(runtime, '^runtime\\.', '') AS runtime, validity, started_at, model, answers_sha256,
      coalesce(array_to_string([k || ' ' || cell[k] FOR k IN list_sort(map_keys(cell)) IF cell[k] <> trials.runtime], ', '), '') AS rest,
      run
    FROM trials WHERE apply = $1 AND status = 'completed' AND (
      validity IS DISTINCT FROM 'invalid'
      OR NOT EXISTS (FROM trials o WHERE o.apply = $1 AND o.status = 'completed' AND o.validity IS DISTINCT FROM 'invalid'))
    """,
    [apply],
)
con.execute("ALTER TABLE chosen ADD COLUMN cell VARCHAR")
con.execute("UPDATE chosen SET cell = trim(run || ' ' || rest)")
ask(
    """
    SELECT runtime, any_value(model) AS model, string_agg(DISTINCT left(answers_sha256, 12)) AS answers, count(*) AS trials,
      count(*) FILTER (validity = 'valid') AS valid, count(*) FILTER (validity = 'flagged') AS flagged,
      count(*) FILTER (validity = 'invalid') AS invalid
    FROM chosen GROUP BY runtime ORDER BY min(started_at)
    """
)

# %%
runtimes = ask("SELECT runtime FROM chosen GROUP BY 1 ORDER BY min(started_at)")["runtime"].to_list()
cells = ask("SELECT cell FROM chosen GROUP BY 1 ORDER BY min(started_at)")["cell"].to_list()
runtime_colour = alt.Color("runtime:N", title="runtime").scale(domain=runtimes)

# %% [markdown]
# ## How long requests took
#
# The share of the successful requests that took at most so long (the empirical distribution), a line a runtime, its
# repetitions pooled. Further to the left is faster.

# %%
ecdf = ask(
    """
    WITH took AS (
      SELECT runtime, cell, latency, ns FROM (
        SELECT runtime, cell, ttft_ns AS "time to first token", e2e_ns AS "whole request"
        FROM latencies JOIN chosen USING (apply, trial_id) WHERE phase = 'measure' AND ok
      ) UNPIVOT (ns FOR latency IN ("time to first token", "whole request"))
    )
    SELECT runtime, cell, latency, unnest(quantile_cont(ns, $shares)) / 1e6 AS ms, unnest($shares) AS share
    FROM took GROUP BY runtime, cell, latency ORDER BY cell, runtime, latency, share
    """,
    shares=[i / 100 for i in range(101)],
)
chart = alt.Chart(ecdf, title="Latency: share of requests that took at most so long").mark_line(interpolate="step-after").encode(
    alt.X("ms:Q", title="ms").scale(type="log", nice=False),
    alt.Y("share:Q", title="share of requests").axis(format="%"),
    runtime_colour,
    alt.Column("latency:N", title=None),
    alt.Row("cell:N", title=None).sort(cells),
    order="share:Q",
).properties(width=330, height=200)
draw(chart, ecdf)

# %% [markdown]
# ## How sure is the difference?
#
# The unit is the repetition: requests of one trial are alike, and pooling them would find differences where there are
# none. Each point is the Hodges–Lehmann estimate against the first runtime, the median of the ratios of every repetition
# of one to every one of the other; the line is the interval that these ratios' ranks give, at 95 % or as near above it as
# so few repetitions can. Where the line crosses 1, no difference is proven. `llmscen compare --by runtime` tells the same
# with the probability.

# %%


def least_rank(m, n, level=0.95):
    """How many of the m·n ratios lie outside the interval on each side, by the exact Mann–Whitney distribution."""
    ways = {(0, 0): {0: 1}}
    for i in range(m + 1):
        for j in range(n + 1):
            counts = ways.setdefault((i, j), {})
            for before, shift in (((i - 1, j), j), ((i, j - 1), 0)):
                for u, c in ways.get(before, {}).items():
                    counts[u + shift] = counts.get(u + shift, 0) + c
    total, below, k = math.comb(m + n, m), 0, -1
    while (below := below + ways[m, n].get(k + 1, 0)) / total <= (1 - level) / 2:
        k += 1
    return k


figures = ask(
    """
    SELECT cell, runtime, metric || ' ' || stat AS figure, list(value ORDER BY trial_id) AS figures
    FROM summaries JOIN chosen USING (apply, trial_id)
    WHERE stage IS NULL AND value > 0 AND (metric, stat) IN (
      ('ttft', 'p50'), ('end_to_end', 'p50'), ('output_tokens_per_second', 'system'), ('runtime_cpu_cores', 'mean'),
      ('output_tokens_per_cpu_second', 'system'), ('runtime_memory_working_set_bytes', 'max'))
    GROUP BY cell, runtime, figure
    """
)
effects = []
for (cell, figure), group in figures.group_by("cell", "figure", maintain_order=True):
    of = dict(zip(group["runtime"], group["figures"].to_list()))
    if runtimes[0] not in of:
        continue
    for runtime in runtimes[1:]:
        if runtime not in of:
            continue
        ratios = sorted(b / a for a in of[runtimes[0]] for b in of[runtime])
        k = least_rank(len(of[runtimes[0]]), len(of[runtime]))
        half = len(ratios) // 2
        effects.append({
            "cell": cell, "figure": figure, "runtime": runtime,
            "ratio": math.sqrt(ratios[half] * ratios[~half]),
            "low": ratios[k] if k >= 0 else None, "high": ratios[-1 - k] if k >= 0 else None,
        })
effects = pl.DataFrame(effects, schema={"cell": str, "figure": str, "runtime": str, "ratio": float, "low": float, "high": float})

height = alt.Y("runtime:N", title=None).sort(runtimes)
points = alt.Chart().mark_point(filled=True, size=60, opacity=1).encode(
    alt.X("ratio:Q", title=f"times {runtimes[0]}").scale(type="log", nice=False), height, runtime_colour
)
intervals = alt.Chart().mark_rule(strokeWidth=2).encode(alt.X("low:Q"), alt.X2("high:Q"), height, runtime_colour)
one = alt.Chart().mark_rule(strokeDash=[3, 3], color="grey").encode(alt.X(datum=1))
chart = alt.layer(one, intervals, points, data=effects).properties(width=250, height=40).facet(
    row=alt.Row("figure:N", title=None).header(labelAngle=0, labelAlign="left"),
    column=alt.Column("cell:N", title=None).sort(cells),
).properties(title=f"Against {runtimes[0]}, from run to run")
draw(chart, effects)

# %% [markdown]
# ## Throughput against latency
#
# A point is a cell of a runtime, by the medians of its repetitions: right is more, low is sooner. Those with a ring are
# not beaten in both by any other.

# %%
pareto = ask(
    """
    WITH typical AS (
      SELECT c.runtime, c.cell, median(output_tokens_per_second) AS tokens_per_second, median(ttft_p50_seconds) * 1e3 AS ttft_ms
      FROM trial_summary s JOIN chosen c USING (apply, trial_id)
      WHERE output_tokens_per_second IS NOT NULL AND ttft_p50_seconds IS NOT NULL GROUP BY c.runtime, c.cell
    )
    SELECT *, NOT EXISTS (
      FROM typical o WHERE o.tokens_per_second >= t.tokens_per_second AND o.ttft_ms <= t.ttft_ms
        AND (o.tokens_per_second > t.tokens_per_second OR o.ttft_ms < t.ttft_ms)
    ) AS best
    FROM typical t ORDER BY runtime, tokens_per_second
    """
)
base = alt.Chart(pareto).encode(
    alt.X("tokens_per_second:Q", title="output tokens per second"),
    alt.Y("ttft_ms:Q", title="time to first token, median, ms").scale(type="log", nice=False, padding=15),
    runtime_colour,
)
chart = alt.layer(
    base.mark_line(opacity=0.5),
    base.mark_point(filled=True, size=70, opacity=1),
    base.transform_filter("datum.best").mark_point(size=280),
).properties(width=700, height=300, title="Throughput against latency")
draw(chart, pareto)

# %% [markdown]
# ## What it took
#
# Over the measured window: the bar is the median of the repetitions, a dot is one of them. What could not be read is
# missing, and never zero.

# %%
used = ask(
    """
    SELECT runtime, cell, value / CASE unit WHEN 'bytes' THEN 1048576 ELSE 1 END AS used,
      CASE metric WHEN 'runtime_cpu_cores' THEN 'CPU, cores' WHEN 'runtime_memory_working_set_bytes' THEN 'memory, MiB'
        WHEN 'runtime_network_transmit_bytes' THEN 'network sent, MiB' ELSE 'tokens per CPU second' END AS resource
    FROM summaries JOIN chosen USING (apply, trial_id)
    WHERE stage IS NULL AND value IS NOT NULL AND (metric, stat) IN (
      ('runtime_cpu_cores', 'mean'), ('runtime_memory_working_set_bytes', 'max'),
      ('runtime_network_transmit_bytes', 'sum'), ('output_tokens_per_cpu_second', 'system'))
    ORDER BY resource, cell, runtime
    """
)
bars = alt.Chart().mark_bar(opacity=0.55).encode(alt.X("median(used):Q", title=None), height, runtime_colour.legend(None))
dots = alt.Chart().mark_point(filled=True, size=30, opacity=0.9).encode(alt.X("used:Q"), height, runtime_colour.legend(None))
chart = alt.layer(bars, dots, data=used).properties(width=170, height=25 * len(runtimes)).facet(
    column=alt.Column("resource:N", title=None), row=alt.Row("cell:N", title=None).sort(cells)
).resolve_scale(x="independent").properties(title="Resources of the runtimes")
draw(chart, used)
