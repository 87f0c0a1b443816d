-- One row a trial: what a token cost in resources of the runtime, over the measured window.
-- cpu_core_seconds, gpu_seconds (utilization over time), memory_gib_seconds and joules are means over the window times
-- its length; NULL where no series tells. Tokens are the output tokens of the successes that were due in the window.
-- Network bytes are those of the runtime by its counters; one that begins anew, as after a restart, goes on from 0.
CREATE OR REPLACE VIEW efficiency AS
WITH sampled AS (
  SELECT s.apply, s.trial_id, s.series_id, s.name, p.value,
    lag(p.value) OVER (PARTITION BY s.apply, s.trial_id, s.series_id ORDER BY p."at") AS before
  FROM series s JOIN samples p USING (apply, trial_id, series_id) JOIN trials t USING (apply, trial_id)
  WHERE s.target = 'runtime' AND p."at" BETWEEN t.measure_from AND t.measure_until
), level AS (
  SELECT apply, trial_id, series_id, name, avg(value) AS mean,
    sum(CASE WHEN value < before THEN value ELSE value - before END) AS grown
  FROM sampled GROUP BY ALL
), used AS (
  SELECT apply, trial_id,
    sum(mean) FILTER (name = 'cpu_cores') AS cpu_cores,
    sum(mean) FILTER (name = 'gpu_utilization_ratio') AS gpus,
    sum(mean) FILTER (name = 'memory_working_set_bytes') AS memory_bytes,
    sum(mean) FILTER (name = 'gpu_power_watts') AS watts,
    sum(grown) FILTER (name IN ('network_receive_bytes_total', 'network_transmit_bytes_total')) AS network_bytes
  FROM level GROUP BY apply, trial_id
), answered AS (
  SELECT apply, trial_id, sum(output_tokens) AS tokens, count(*) AS requests
  FROM requests WHERE final AND phase = 'measure' AND error_kind IS NULL GROUP BY apply, trial_id
)
SELECT t.scenario, t.apply, t.trial_id, t.run, t.cell, t.repetition, t.status, t.validity,
  CAST(a.tokens AS BIGINT) AS output_tokens,
  (t.measure_until - t.measure_from) / 1e9 AS measured_seconds,
  u.cpu_cores * measured_seconds AS cpu_core_seconds,
  u.gpus * measured_seconds AS gpu_seconds,
  u.memory_bytes / 1073741824 * measured_seconds AS memory_gib_seconds,
  u.watts * measured_seconds AS joules,
  output_tokens / nullif(cpu_core_seconds, 0) AS tokens_per_cpu_core_second,
  output_tokens / nullif(gpu_seconds, 0) AS tokens_per_gpu_second,
  output_tokens / nullif(memory_gib_seconds, 0) AS tokens_per_gib_second,
  output_tokens / nullif(joules, 0) AS tokens_per_joule,
  u.network_bytes / nullif(output_tokens, 0) AS network_bytes_per_token
FROM trials t LEFT JOIN used u USING (apply, trial_id) LEFT JOIN answered a USING (apply, trial_id);
