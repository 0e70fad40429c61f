-- What a change of columns alone can't tell. Run at every start, when the tables are what the schema says.

-- Refunds stood here without their amount; in sales they had it.
UPDATE events_by_minute AS events
SET amount = (SELECT COALESCE(SUM(refund_cents), 0) FROM sales_by_minute AS sales WHERE sales.minute = events.minute)
WHERE event_name = 'refund' AND amount = 0;
UPDATE events_by_hour AS events
SET amount = (SELECT COALESCE(SUM(refund_cents), 0) FROM sales_by_hour AS sales WHERE sales.minute = events.minute)
WHERE event_name = 'refund' AND amount = 0;

-- Visits without an order stood here with none; a row counts something.
DELETE FROM promoted_orders_by_hour WHERE orders = 0;
