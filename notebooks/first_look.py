# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A first look at an apply
#
# What was run, how long requests took, how that changes with the load, and what the runtime and the client used
# meanwhile. All of it is SQL over the warehouse's Parquet files; the charts only draw the answers.
#
# Set `LLMSCEN_WAREHOUSE` to the warehouse's folder (`./results` without it), and `LLMSCEN_APPLY` to the ID of an apply
# (the latest without it).

# %%
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


apply = os.environ.get("LLMSCEN_APPLY") or ask("SELECT max(apply) AS apply FROM trials").item()
assert apply, f"the warehouse {warehouse} holds no trial"
f"{apply} in {warehouse}"

# %% [markdown]
# ## What was run
#
# One row a trial. A trial that is not `valid` says why; believe its figures accordingly. Latencies count from the time
# when a request was due, and percentiles are over the requests that succeeded.

# %%
ask(
    """
    SELECT trial_id AS trial, any_value(status) AS status, any_value(validity) AS validity,
      any_value(array_to_string(validity_reasons, '; ')) AS reasons, any_value(slo) AS slo,
      count(seq) AS requests, count(seq) FILTER (NOT ok) AS failed,
      round(median(ttft_ns) FILTER (ok) / 1e6, 1) AS ttft_p50_ms,
      round(median(e2e_ns) FILTER (ok) / 1e6, 1) AS e2e_p50_ms,
      round(median(output_tokens_per_second) FILTER (ok), 1) AS tokens_per_second_p50
    FROM trials LEFT JOIN latencies USING (scenario, apply, trial_id)
    WHERE apply = $apply AND (phase = 'measure' OR phase IS NULL)
    GROUP BY trial_id, started_at ORDER BY started_at, trial_id
    """,
    apply=apply,
)

# %% [markdown]
# ## How long did requests take?
#
# The share of the successful requests that took at most so long (the empirical distribution), a line a cell: its trials
# are pooled. The scale is logarithmic, as tails are long.

# %%
ecdf = ask(
    """
    WITH took AS (
      SELECT regexp_replace(trial_id, '#[0-9]+$', '') AS cell, latency, ns
      FROM (
        SELECT trial_id, ttft_ns AS "time to first token", e2e_ns AS "whole request" FROM latencies
        WHERE apply = $apply AND phase = 'measure' AND ok
      ) UNPIVOT (ns FOR latency IN ("time to first token", "whole request"))
    )
    SELECT cell, latency, unnest(quantile_cont(ns, $shares)) / 1e6 AS ms, unnest($shares) AS share
    FROM took GROUP BY cell, latency ORDER BY cell, latency, share
    """,
    apply=apply, shares=[i / 100 for i in range(101)],
)
cells = ask(
    """
    SELECT regexp_replace(trial_id, '#[0-9]+$', '') AS cell FROM trials WHERE apply = $apply
    GROUP BY 1 ORDER BY min(started_at), 1
    """,
    apply=apply,
)["cell"].to_list()

chart = alt.Chart(ecdf, title="Latency: share of requests that took at most so long").mark_line().encode(
    alt.X("ms:Q", title="ms").scale(type="log", nice=False),
    alt.Y("share:Q", title="share of requests").axis(format="%"),
    alt.Color("cell:N", title="cell").sort(cells),
    alt.Column("latency:N", title=None),
    order="share:Q",
).resolve_scale(x="independent").properties(width=330, height=260)
draw(chart, ecdf)

# %% [markdown]
# ## Time to first token against the load
#
# A point is one stage of one trial: how many requests a second were offered, and quantiles of their time to first token.
# The lines join the medians of repetitions. A quantile that has too few requests behind it is left out (the floors are
# those of MLPerf's early stopping at 95 % confidence). Where the lines turn up is where the runtime's capacity ends.

# %%
floors = {0.5: 8, 0.9: 46, 0.95: 93, 0.99: 473}  # quantile: requests needed
ttft = ask(
    """
    WITH stage AS (
      SELECT apply, trial_id, runtime, stage, coalesce(from_at, measure_from) AS from_at, coalesce(until_at, measure_until) AS until_at
      FROM stages JOIN trials USING (scenario, apply, trial_id) WHERE apply = $apply
    ),
    measured AS (
      SELECT trial_id, runtime, stage, count(*) / any_value(until_at - from_at) * 1e9 AS per_second, count(*) FILTER (ok) AS n,
        unnest(quantile_cont(ttft_ns, $quantiles) FILTER (ok)) / 1e6 AS ms, unnest($quantiles) AS q
      FROM stage JOIN latencies USING (apply, trial_id, stage)
      WHERE phase = 'measure' AND until_at > from_at
      GROUP BY trial_id, runtime, stage
    )
    SELECT runtime, 'p' || round(100 * q)::INT AS quantile, per_second, ms,
      median(per_second) OVER repetitions AS typical_per_second, median(ms) OVER repetitions AS typical_ms
    FROM measured WHERE n >= $floors[list_position($quantiles, q)]
    WINDOW repetitions AS (PARTITION BY regexp_replace(trial_id, '#[0-9]+$', ''), stage, q)
    ORDER BY runtime, quantile, typical_per_second
    """,
    apply=apply, quantiles=list(floors), floors=list(floors.values()),
)
quantile = alt.Color("quantile:N", title="quantile")
points = alt.Chart(ttft).mark_point(filled=True, opacity=0.6).encode(
    alt.X("per_second:Q", title="requests offered per second"),
    alt.Y("ms:Q", title="time to first token, ms").scale(type="log", nice=False),
    quantile,
)
lines = alt.Chart(ttft).mark_line().encode(alt.X("typical_per_second:Q"), alt.Y("typical_ms:Q"), quantile)
chart = (points + lines).properties(width=700, height=260).facet(row=alt.Row("runtime:N", title=None)).properties(
    title="Time to first token against the load"
)
draw(chart, ttft)

# %% [markdown]
# ## Resources under the load
#
# The trial with the highest load, second by second: requests on their way, and below them what the runtime and the
# client used. A client that needs as many cores as it may have measures itself; a runtime that uses all of its cores is
# at its limit.

# %%
trial, began, ended = ask(
    """
    SELECT trial_id, min(intended_at) AS began, max(coalesce(done_at, intended_at)) AS ended
    FROM latencies WHERE apply = $apply
    GROUP BY trial_id ORDER BY count(*) / (1 + max(intended_at) - min(intended_at)) DESC, trial_id LIMIT 1
    """,
    apply=apply,
).row(0)
bin_ns = max((ended - began) // 400, 1)

on_their_way = ask(
    """
    WITH change AS (
      SELECT dispatched_at AS moment, 1 AS n FROM latencies WHERE apply = $apply AND trial_id = $trial AND dispatched_at IS NOT NULL
      UNION ALL
      SELECT done_at, -1 FROM latencies WHERE apply = $apply AND trial_id = $trial AND done_at IS NOT NULL
    ),
    level AS (SELECT moment, sum(n) OVER (ORDER BY moment, n DESC ROWS UNBOUNDED PRECEDING) AS n FROM change)
    SELECT (moment - $began) // $bin_ns * $bin_ns / 1e9 AS seconds, max(n)::DOUBLE AS requests FROM level GROUP BY 1 ORDER BY 1
    """,
    apply=apply, trial=trial, began=began, bin_ns=bin_ns,
)
used = ask(
    """
    SELECT ("at" - $began) // $bin_ns * $bin_ns / 1e9 AS seconds, target, name, avg(value) AS value
    FROM samples JOIN series USING (scenario, apply, trial_id, series_id)
    WHERE apply = $apply AND trial_id = $trial AND "at" BETWEEN $began AND $ended
      AND target IN ('runtime', 'client') AND name IN ('cpu_cores', 'memory_working_set_bytes')
    GROUP BY 1, target, name ORDER BY target, name, seconds
    """,
    apply=apply, trial=trial, began=began, ended=ended, bin_ns=bin_ns,
)

time = alt.X("seconds:Q", title=None).scale(domain=[0, (ended - began) / 1e9], nice=False)


frames = [
    ("requests on their way", on_their_way.select("seconds", value="requests", target=pl.lit("requests"))),
    ("CPU, cores", used.filter(pl.col("name") == "cpu_cores")),
    ("memory, MiB", used.filter(pl.col("name") != "cpu_cores").with_columns(pl.col("value") / 2**20)),
]
panels = [
    alt.Chart(frame).mark_line(interpolate="step-after").encode(
        time, alt.Y("value:Q", title=title), alt.Color("target:N", title=None)
    ).properties(width=700, height=120)
    for title, frame in frames
    if len(frame)
]
draw(alt.vconcat(*panels, title=f"Load and resources of {trial}, by seconds since its first request"), panels)

# %% [markdown]
# ## Where the resources come from
#
# Which series the trial has, where each was read (`source`), and how often. A series that is missing was not known: it
# is never written as zero. `llmscen show samples` and the manual say what each name means.

# %%
ask(
    """
    SELECT target, name, unit, labels['source'] AS source, count(value) AS samples,
      round((max("at") - min("at")) / 1e6 / nullif(count(*) - 1, 0)) AS every_ms,
      round(avg(value), 4) AS mean, round(max(value), 4) AS max
    FROM series LEFT JOIN samples USING (scenario, apply, trial_id, series_id)
    WHERE apply = $apply AND trial_id = $trial
    GROUP BY ALL ORDER BY target, name
    """,
    apply=apply, trial=trial,
)
