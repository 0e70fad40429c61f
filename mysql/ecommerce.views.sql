-- What the dashboards read beside the tables: one row stays one fact, nothing is aggregated here, so that every
-- filter still works on it. Run after ecommerce.sql and pipeline.sql, again at every start. Times are UTC.

-- A session once for every step that it reached, of the five that lead to an order.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW funnel AS
SELECT sessions.first_seen, sessions.country, sessions.device, sessions.source,
       sessions.currency, steps.step
FROM sessions
JOIN (VALUES ROW(0, '1 Visit'), ROW(1, '2 Item viewed'), ROW(2, '3 Added to cart'), ROW(3, '4 Checkout'),
             ROW(4, '5 Payment'), ROW(5, '6 Order')) AS steps (reached, step)
  ON sessions.furthest_step >= steps.reached;

-- A shopper is active now when the session was seen in the last five minutes.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW active_shoppers AS
SELECT last_seen, country, device, source, currency
FROM sessions
WHERE last_seen >= UTC_TIMESTAMP(3) - INTERVAL 5 MINUTE
  AND seen_slot >= TO_SECONDS(UTC_TIMESTAMP(3) - INTERVAL 5 MINUTE) DIV 300;

-- What shoppers do right now: the sessions of the last ten minutes. One that has bought may fill a cart again.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW right_now AS
SELECT last_seen, country, device, source, currency,
       last_seen >= UTC_TIMESTAMP(3) - INTERVAL 5 MINUTE AS visiting,
       cart_cents > 0 AND furthest_step NOT IN (3, 4) AS with_cart,
       cart_cents > 0 AND furthest_step IN (3, 4) AS checking_out,
       COALESCE(first_order_at >= UTC_TIMESTAMP(3) - INTERVAL 10 MINUTE, 0) AS bought
FROM sessions
WHERE last_seen >= UTC_TIMESTAMP(3) - INTERVAL 10 MINUTE
  AND seen_slot >= TO_SECONDS(UTC_TIMESTAMP(3) - INTERVAL 10 MINUTE) DIV 300;

-- How old the data is: the age of the newest event, or of the last commit where that is older (a sender's clock may
-- run ahead, a commit's can't).
CREATE OR REPLACE SQL SECURITY INVOKER VIEW freshness AS
SELECT newest_event, last_commit,
       TIMESTAMPDIFF(MICROSECOND, LEAST(newest_event, last_commit), UTC_TIMESTAMP(3)) / 1000000 AS age_seconds
FROM (SELECT (SELECT MAX(last_seen) FROM sessions
              WHERE seen_slot = (SELECT MAX(seen_slot) FROM sessions)) AS newest_event,
             (SELECT MAX(committed_at) FROM batches) AS last_commit) AS latest;

-- From when on every minute is whole. Late events reach further back, but only a few of each minute.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW history AS
SELECT MIN(committed_at) AS complete_from FROM batches;
