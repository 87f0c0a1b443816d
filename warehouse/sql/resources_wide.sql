-- One row an instant at which something of a target was sampled, one column a series: what a plot of resources needs.
-- Series of one name, as of two GPUs, are added up. all_series holds every series by name, also those without a column.
CREATE OR REPLACE VIEW resources_wide AS
WITH named AS (
  SELECT s.scenario, s.apply, s.trial_id, s.target, s.target_id, s.node, p."at", s.name, sum(p.value) AS value
  FROM samples p JOIN series s USING (apply, trial_id, series_id)
  GROUP BY ALL
)
SELECT scenario, apply, trial_id, target, target_id, node, "at",
  max(value) FILTER (name = 'cpu_cores') AS cpu_cores,
  max(value) FILTER (name = 'cpu_utilization_ratio') AS cpu_utilization_ratio,
  max(value) FILTER (name = 'memory_rss_bytes') AS memory_rss_bytes,
  max(value) FILTER (name = 'memory_working_set_bytes') AS memory_working_set_bytes,
  max(value) FILTER (name = 'memory_available_bytes') AS memory_available_bytes,
  max(value) FILTER (name = 'network_receive_bytes_total') AS network_receive_bytes_total,
  max(value) FILTER (name = 'network_transmit_bytes_total') AS network_transmit_bytes_total,
  max(value) FILTER (name = 'gpu_utilization_ratio') AS gpu_utilization_ratio,
  max(value) FILTER (name = 'gpu_memory_used_bytes') AS gpu_memory_used_bytes,
  max(value) FILTER (name = 'gpu_power_watts') AS gpu_power_watts,
  max(value) FILTER (name = 'throttled_ratio') AS throttled_ratio,
  max(value) FILTER (name = 'steal_ratio') AS steal_ratio,
  max(value) FILTER (name = 'psi_cpu_some_ratio') AS psi_cpu_some_ratio,
  map_from_entries(list({k: name, v: value} ORDER BY name)) AS all_series
FROM named
GROUP BY ALL;
