-- What a line's runtime used: a row a trial and figure, with the median of its repetitions.
WITH used AS (
  SELECT c.*, s.value, CASE s.metric || ' ' || s.stat
    WHEN 'runtime_cpu_cores mean' THEN 'CPU, cores'
    WHEN 'runtime_memory_working_set_bytes max' THEN 'memory, MiB'
    WHEN 'runtime_network_transmit_bytes sum' THEN 'network sent, MiB'
    WHEN 'runtime_network_receive_bytes sum' THEN 'network received, MiB'
    WHEN 'output_tokens_per_cpu_second system' THEN 'tokens per CPU second'
    END AS resource, s.unit
  FROM summaries s JOIN chosen c USING (apply, trial_id) WHERE s.stage IS NULL AND s.value IS NOT NULL
), scaled AS (
  SELECT *, CASE WHEN unit = 'bytes' THEN value / 1048576 ELSE value END AS used FROM used WHERE resource IS NOT NULL
)
SELECT resource, panel, panel_at, line, trial_id, used AS value,
  median(used) OVER repetitions AS typical, min(used) OVER repetitions AS lowest, max(used) OVER repetitions AS highest,
  count(*) OVER repetitions AS trials
FROM scaled WINDOW repetitions AS (PARTITION BY resource, panel, line)
ORDER BY resource, panel_at, panel, line_at, line, trial_id;
