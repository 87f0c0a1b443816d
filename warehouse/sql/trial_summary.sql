-- One row a trial: what it was, how it ended, and its figures, from the rows that were computed when it was sealed.
-- Latencies are in seconds over the successes of the measured phase; a figure below its sample floor is NULL. The columns
-- _low and _high are the 95 % interval of the one before. Figures without a column are in summaries.
CREATE OR REPLACE VIEW trial_summary AS
WITH figure AS (
  SELECT apply, trial_id, metric || ' ' || stat AS name, value, ci_low, ci_high, n FROM summaries WHERE stage IS NULL
), wide AS (
  SELECT apply, trial_id,
    max(value) FILTER (name = 'requests due') AS requests,
    max(value) FILTER (name = 'requests succeeded') AS succeeded,
    max(value) FILTER (name = 'requests failed') AS failed,
    max(value) FILTER (name = 'errors ratio') AS error_ratio,
    max(value) FILTER (name = 'goodput ratio') AS goodput_ratio,
    max(value) FILTER (name = 'goodput per_second') AS goodput_per_second,
    max(value) FILTER (name = 'requests_per_second sent') AS sent_per_second,
    max(value) FILTER (name = 'requests_per_second succeeded') AS succeeded_per_second,
    max(value) FILTER (name = 'ttft p50') AS ttft_p50_seconds,
    max(ci_low) FILTER (name = 'ttft p50') AS ttft_p50_low,
    max(ci_high) FILTER (name = 'ttft p50') AS ttft_p50_high,
    max(value) FILTER (name = 'ttft p90') AS ttft_p90_seconds,
    max(value) FILTER (name = 'ttft p95') AS ttft_p95_seconds,
    max(value) FILTER (name = 'ttft p99') AS ttft_p99_seconds,
    max(ci_low) FILTER (name = 'ttft p99') AS ttft_p99_low,
    max(ci_high) FILTER (name = 'ttft p99') AS ttft_p99_high,
    max(value) FILTER (name = 'ttft p999') AS ttft_p999_seconds,
    max(value) FILTER (name = 'end_to_end p50') AS e2e_p50_seconds,
    max(ci_low) FILTER (name = 'end_to_end p50') AS e2e_p50_low,
    max(ci_high) FILTER (name = 'end_to_end p50') AS e2e_p50_high,
    max(value) FILTER (name = 'end_to_end p90') AS e2e_p90_seconds,
    max(value) FILTER (name = 'end_to_end p95') AS e2e_p95_seconds,
    max(value) FILTER (name = 'end_to_end p99') AS e2e_p99_seconds,
    max(ci_low) FILTER (name = 'end_to_end p99') AS e2e_p99_low,
    max(ci_high) FILTER (name = 'end_to_end p99') AS e2e_p99_high,
    max(value) FILTER (name = 'end_to_end p999') AS e2e_p999_seconds,
    max(value) FILTER (name = 'tpot p50') AS tpot_p50_seconds,
    max(value) FILTER (name = 'tpot p99') AS tpot_p99_seconds,
    max(value) FILTER (name = 'inter_token p50') AS inter_token_p50_seconds,
    max(value) FILTER (name = 'inter_token p99') AS inter_token_p99_seconds,
    max(value) FILTER (name = 'output_tokens_per_second system') AS output_tokens_per_second,
    max(value) FILTER (name = 'output_tokens_per_second p50') AS output_tokens_per_second_p50,
    max(value) FILTER (name = 'prompt_tokens mean') AS prompt_tokens_mean,
    max(value) FILTER (name = 'output_tokens mean') AS output_tokens_mean,
    max(value) FILTER (name = 'output_tokens sum') AS output_tokens_sum,
    max(value) FILTER (name = 'runtime_cpu_cores mean') AS runtime_cpu_cores_mean,
    max(value) FILTER (name = 'runtime_cpu_cores max') AS runtime_cpu_cores_max,
    max(value) FILTER (name = 'runtime_memory_working_set_bytes max') AS runtime_memory_bytes_max,
    max(value) FILTER (name = 'client_cpu_cores mean') AS client_cpu_cores_mean
  FROM figure GROUP BY apply, trial_id
)
SELECT t.scenario, t.apply, t.trial_id, t.run, t.cell, t.repetition, t.labels, t.runtime, t.engine, t.model, t.quantization,
  t.load, t.load_shape, t.replicas, t.node_pool, t.status, t.validity, t.validity_reasons, t.slo, t.binding_objective,
  t.knee_rate_per_second, t.started_at, (t.measure_until - t.measure_from) / 1e9 AS measured_seconds,
  w.* EXCLUDE (apply, trial_id)
FROM trials t LEFT JOIN wide w USING (apply, trial_id);
