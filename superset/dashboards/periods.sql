-- The chosen time range, and the range of equal length before it, as `periods` (since, until, period, chosen).
-- Superset adds a filter by the chosen range, worked out a moment later than the one here: a period's own time lies well
-- inside the range, so that both are kept. There is no earlier period where the history does not cover it whole.
-- Join rows of both (grain.py's `earlier`), added up by `is_chosen`, by `is_chosen <= periods.chosen`: those of the earlier
-- period then stand in the chosen one too, to count as zero there (`is_chosen = periods.chosen`): with nothing in it, that
-- one is 0, not missing.
WITH chosen AS (
  SELECT since, until, TIMESTAMPDIFF(MICROSECOND, since, until) AS length
  FROM (SELECT CAST('{{ from_dttm or "1970-01-02" }}' AS DATETIME(6)) AS since,
               CAST('{{ to_dttm or "2100-01-01" }}' AS DATETIME(6)) AS until) AS given
), earlier AS (
  SELECT since - INTERVAL length MICROSECOND AS since FROM chosen
), periods AS (
  SELECT earlier.since, chosen.since AS until, chosen.since + INTERVAL length / 3 MICROSECOND AS period, 0 AS chosen
  FROM chosen, earlier, history
  WHERE history.complete_from <= earlier.since
  UNION ALL
  SELECT since, until, since + INTERVAL length * 2 / 3 MICROSECOND, 1 FROM chosen
)
