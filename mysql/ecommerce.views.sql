-- What the dashboards read beside the tables: one row stays one fact, nothing is aggregated here, so that every
-- filter still works on it. Run after ecommerce.sql and pipeline.sql, again at every start. Times are UTC.

-- What shoppers do right now: the sessions seen in this minute and the ten before. One that has bought may fill a cart
-- again.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW right_now AS
SELECT seen_minute, country, device, source, currency,
       seen_minute >= UTC_TIMESTAMP() - INTERVAL SECOND(UTC_TIMESTAMP()) + 300 SECOND AS visiting,
       cart_cents > 0 AND furthest_step NOT IN (3, 4) AS with_cart,
       cart_cents > 0 AND furthest_step IN (3, 4) AS checking_out,
       COALESCE(first_order_at >= UTC_TIMESTAMP(3) - INTERVAL 10 MINUTE, 0) AS bought
FROM sessions
WHERE seen_minute >= UTC_TIMESTAMP() - INTERVAL SECOND(UTC_TIMESTAMP()) + 600 SECOND;

-- How many shoppers were active in each of the last thirty minutes: seen in that minute or the five before. A session
-- counts from its first minute (`more` is 1) until five minutes after its last one (-1): the sum up to a minute is what
-- there were.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW active_shoppers AS
SELECT CASE WHEN more < 0 THEN seen_minute + INTERVAL 6 MINUTE
            ELSE GREATEST(TIMESTAMP(DATE(first_seen), MAKETIME(HOUR(first_seen), MINUTE(first_seen), 0)),
                          UTC_TIMESTAMP() - INTERVAL SECOND(UTC_TIMESTAMP()) + 1800 SECOND) END AS minute,
       more, country, device, source, currency
FROM sessions
JOIN (VALUES ROW(1), ROW(-1)) AS changes (more)
WHERE seen_minute >= UTC_TIMESTAMP() - INTERVAL SECOND(UTC_TIMESTAMP()) + 1800 + 300 SECOND;

-- Sessions in the form of the tables of hours that they are added up into. Each row counts something there. They are taken by
-- the time at which they began: by the other index, which is narrower, MySQL would rather read all that there are.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW visits_by_session AS
SELECT session_id, first_seen, country, device, source, currency, experiment, variant, was_known, 1 AS sessions, bounced,
       furthest_step >= 1 AS viewed, furthest_step >= 2 AS carted, furthest_step >= 3 AS checked_out,
       furthest_step >= 4 AS paid, furthest_step >= 5 AS bought, order_value_cents
FROM sessions IGNORE INDEX (by_seen_minute);

CREATE OR REPLACE SQL SECURITY INVOKER VIEW entry_pages_by_session AS
SELECT session_id, first_seen, country, device, source, currency, landing_page, 1 AS sessions, bounced, furthest_step >= 5 AS bought
FROM sessions IGNORE INDEX (by_seen_minute);

CREATE OR REPLACE SQL SECURITY INVOKER VIEW visit_lengths_by_session AS
SELECT session_id, first_seen, country, device, source, currency, seconds_spent, 1 AS sessions FROM sessions IGNORE INDEX (by_seen_minute);

CREATE OR REPLACE SQL SECURITY INVOKER VIEW times_to_order_by_session AS
SELECT session_id, first_seen, country, device, source, currency,
       LEAST(TIMESTAMPDIFF(MINUTE, first_seen, first_order_at), 15) AS minutes_to_order, 1 AS bought,
       TIMESTAMPDIFF(SECOND, first_seen, first_order_at) AS seconds_to_order
FROM sessions IGNORE INDEX (by_seen_minute)
WHERE first_order_at IS NOT NULL;

CREATE OR REPLACE SQL SECURITY INVOKER VIEW promoted_orders_by_session AS
SELECT session_id, first_seen, country, device, source, currency, promotion, 1 AS orders, order_value_cents
FROM sessions IGNORE INDEX (by_seen_minute)
WHERE first_order_at >= promoted_at;
