-- What charts need of statistics. Functions of their arguments alone: no table is read. Run at every start.

-- The normal distribution's cumulative probability up to z, right to 7.5e-8.
-- Formula: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.2.17.
CREATE FUNCTION IF NOT EXISTS normal_cdf(z DOUBLE) RETURNS DOUBLE DETERMINISTIC NO SQL SQL SECURITY INVOKER
RETURN IF(z < 0, 0, 1) - SIGN(z + 1e-300) * EXP(-z * z / 2) / SQRT(2 * PI()) * (
    0.319381530 / (1 + 0.2316419 * ABS(z))
  - 0.356563782 / POW(1 + 0.2316419 * ABS(z), 2)
  + 1.781477937 / POW(1 + 0.2316419 * ABS(z), 3)
  - 1.821255978 / POW(1 + 0.2316419 * ABS(z), 4)
  + 1.330274429 / POW(1 + 0.2316419 * ABS(z), 5));

-- Two-sided p-value for the hypothesis that two proportions are equal (z-test, pooled variance); NULL without data.
CREATE FUNCTION IF NOT EXISTS proportions_p_value(hits DOUBLE, trials DOUBLE, hits_b DOUBLE, trials_b DOUBLE)
RETURNS DOUBLE DETERMINISTIC NO SQL SQL SECURITY INVOKER
RETURN 2 * normal_cdf(-ABS(hits / NULLIF(trials, 0) - hits_b / NULLIF(trials_b, 0)) / NULLIF(SQRT(
  (hits + hits_b) / NULLIF(trials + trials_b, 0) * (1 - (hits + hits_b) / NULLIF(trials + trials_b, 0))
  * (1 / NULLIF(trials, 0) + 1 / NULLIF(trials_b, 0))), 0));

-- Half the width of the 95 % confidence interval of the difference of two proportions (Wald); NULL without data.
CREATE FUNCTION IF NOT EXISTS proportions_margin(hits DOUBLE, trials DOUBLE, hits_b DOUBLE, trials_b DOUBLE)
RETURNS DOUBLE DETERMINISTIC NO SQL SQL SECURITY INVOKER
RETURN 1.959964 * SQRT(hits / NULLIF(trials, 0) * (1 - hits / NULLIF(trials, 0)) / NULLIF(trials, 0)
                     + hits_b / NULLIF(trials_b, 0) * (1 - hits_b / NULLIF(trials_b, 0)) / NULLIF(trials_b, 0));

-- What a proportion says against that of a control, in words. The normal approximation holds for ten hits and ten misses
-- in each (the success-failure condition).
CREATE FUNCTION IF NOT EXISTS proportions_verdict(hits DOUBLE, trials DOUBLE, hits_b DOUBLE, trials_b DOUBLE)
RETURNS VARCHAR(64) DETERMINISTIC NO SQL SQL SECURITY INVOKER
RETURN CASE
  WHEN COALESCE(LEAST(hits, trials - hits, hits_b, trials_b - hits_b), 0) < 10 THEN 'too little data yet to tell'
  WHEN proportions_p_value(hits, trials, hits_b, trials_b) >= 0.05 THEN 'no difference shown so far'
  WHEN hits / trials > hits_b / trials_b THEN 'better than the control, hardly by chance'
  ELSE 'worse than the control, hardly by chance' END;
