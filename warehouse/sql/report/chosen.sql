-- One row a trial that is drawn: what its line is called, and in which panel it stands. Where the trials have several
-- runtimes a line is a runtime, and a panel what their cells have in common; else a line is a cell, and a panel its run. line_at and
-- panel_at order them, by the first of their trials.
CREATE OR REPLACE TEMP TABLE chosen AS
WITH named AS (
  SELECT t.apply, t.trial_id, t.run, t.cell, t.started_at, t.validity,
    regexp_replace(t.runtime, '^runtime\.', '') AS runtime,
    map_from_entries(list_filter(map_entries(t.cell), lambda e: e.value <> t.runtime)) AS rest
  FROM trials t JOIN wanted w ON w.apply = t.apply AND w.trial_id = t.trial_id
  WHERE t.status = 'completed'
), several AS (SELECT count(DISTINCT runtime) > 1 AS runtimes, count(DISTINCT run) > 1 AS runs FROM named),
labelled AS (
  SELECT n.*, several.runtimes, several.runs,
    coalesce(array_to_string(list_transform(list_sort(map_keys(cell)), lambda k: k || ' ' || regexp_replace(cell[k], '^[a-z_]+\.', '')), ', '), '') AS cell_text,
    coalesce(array_to_string(list_transform(list_sort(map_keys(rest)), lambda k: k || ' ' || regexp_replace(rest[k], '^[a-z_]+\.', '')), ', '), '') AS rest_text
  FROM named n, several
)
SELECT apply, trial_id, validity,
  CASE WHEN runtimes THEN runtime WHEN cell_text <> '' THEN cell_text ELSE run END AS line,
  CASE WHEN NOT runtimes OR rest_text = '' THEN run WHEN runs THEN run || ': ' || rest_text ELSE rest_text END AS panel,
  min(started_at // 1000000) OVER (PARTITION BY CASE WHEN runtimes THEN runtime WHEN cell_text <> '' THEN cell_text ELSE run END) AS line_at,
  min(started_at // 1000000) OVER (PARTITION BY run, rest_text) AS panel_at
FROM labelled
WHERE validity IS DISTINCT FROM 'invalid' OR NOT EXISTS (FROM named WHERE validity IS DISTINCT FROM 'invalid');
