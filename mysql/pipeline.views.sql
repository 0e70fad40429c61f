-- What the dashboards of every domain read beside the pipeline's tables. Run after the tables, again at every start.
-- Times are UTC.

-- How old the data is: the age of the newest event, or of the last commit where that is older (a sender's clock may
-- run ahead, a commit's can't).
CREATE OR REPLACE SQL SECURITY INVOKER VIEW freshness AS
SELECT newest_event, last_commit,
       TIMESTAMPDIFF(MICROSECOND, LEAST(newest_event, last_commit), UTC_TIMESTAMP(3)) / 1000000 AS age_seconds
FROM (SELECT (SELECT MAX(newest_event) FROM batches) AS newest_event,
             (SELECT MAX(committed_at) FROM batches) AS last_commit) AS latest;

-- From when on every minute is whole, or its hour. Late events reach further back, but only a few of each minute.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW history AS
SELECT GREATEST(COALESCE(first_commit, (SELECT MIN(committed_at) FROM batches)), hours_from) AS complete_from
FROM coverage;

-- How many events each expectation was held against, and how many failed it; all rules, whatever their action.
-- keep: the events that count, by the minute in which they occurred. drop and fail: by the minute in which the broker
-- took them, the events that count and the records that this rule rejected; what another rule rejected is in neither.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW expectation_rates AS
SELECT minute, expectation AS rule, action, checked, failed, 1 - failed / checked AS pass_rate
FROM (SELECT kept.minute, kept.expectation, rules.action, kept.passed + kept.failed AS checked, kept.failed
      FROM expectations_by_minute AS kept
      JOIN expectations AS rules ON rules.expectation = kept.expectation AND rules.action = 'keep'
      UNION ALL
      SELECT validated.minute, rules.expectation, rules.action, SUM(validated.checked), SUM(validated.failed)
      FROM (SELECT minute, NULL AS reason, events AS checked, 0 AS failed FROM lateness_by_minute
            UNION ALL
            SELECT minute, reason, rejects, rejects FROM rejects_by_minute) AS validated
      JOIN expectations AS rules
        ON rules.action <> 'keep'
       AND (validated.reason IS NULL OR validated.reason = CONCAT('expectation:', rules.expectation))
      GROUP BY validated.minute, rules.expectation, rules.action) AS counted;
