-- One row a figure of a cell: the median of its repetitions, how far they spread, and how many there were.
-- A cell is one choice of everything in a run; invalid trials don't count. To compare two applies join the view with
-- itself on run, cell, metric and stat; whether a difference is proven, `llmscen compare` tells.
CREATE OR REPLACE VIEW comparison AS
SELECT t.scenario, t.apply, t.run, t.cell, s.metric, s.stat, any_value(s.unit) AS unit,
  median(s.value) AS median, min(s.value) AS lowest, max(s.value) AS highest, count(s.value) AS trials
FROM summaries s JOIN trials t USING (apply, trial_id)
WHERE s.stage IS NULL AND s.value IS NOT NULL AND t.status = 'completed' AND t.validity IS DISTINCT FROM 'invalid'
GROUP BY t.scenario, t.apply, t.run, t.cell, s.metric, s.stat;
