-- The shop's aggregates. Each table is what the function of the same name in spark_jobs/domains/ecommerce.py returns,
-- merged by the rules declared with it. Times are UTC, amounts are cents of the reporting currency (EUR),
-- ids are UUIDs in 16 bytes. Statements are idempotent: they are run at every start.

-- Every measure adds up over every dimension. An event counts once, in the category that leads it: that of its
-- most valuable line, ties to the first line; '(none)' for an event without items. An order is such an event, so
-- orders and order_value_cents stand in the leading category, while units and revenue_cents stand line by line in
-- the category of the line. Both kinds add up to the same total, and under any filter nothing is counted twice.
CREATE TABLE IF NOT EXISTS sales_by_minute (
  minute             DATETIME NOT NULL COMMENT 'of occurred_at',
  category           VARCHAR(32) NOT NULL,
  country            CHAR(2) NOT NULL,
  device             VARCHAR(16) NOT NULL,
  source             VARCHAR(32) NOT NULL COMMENT 'utm_source, (direct) where absent',
  currency           CHAR(3) NOT NULL COMMENT 'of the storefront; amounts here are in EUR all the same',
  events             BIGINT NOT NULL,
  page_views         BIGINT NOT NULL COMMENT 'events that show a page: all but those that say what was done on one',
  views              BIGINT NOT NULL COMMENT 'view_item',
  carts              BIGINT NOT NULL COMMENT 'add_to_cart',
  checkouts          BIGINT NOT NULL COMMENT 'begin_checkout',
  payment_failures   BIGINT NOT NULL,
  orders             BIGINT NOT NULL COMMENT 'purchase, in the leading category',
  order_value_cents  BIGINT NOT NULL COMMENT 'whole orders, in the leading category',
  units              BIGINT NOT NULL COMMENT 'items bought, in the category of the line',
  revenue_cents      BIGINT NOT NULL COMMENT 'lines bought, in the category of the line; refunds not taken off',
  refunds            BIGINT NOT NULL COMMENT 'refund events, in the leading category',
  refund_cents       BIGINT NOT NULL COMMENT 'lines refunded, in the category of the line',
  PRIMARY KEY (minute, category, country, device, source, currency)
);

CREATE TABLE IF NOT EXISTS items_by_minute (
  minute         DATETIME NOT NULL COMMENT 'of occurred_at',
  item_id        BINARY(16) NOT NULL,
  item_name      VARCHAR(128) NOT NULL,
  brand          VARCHAR(64) NOT NULL,
  category       VARCHAR(32) NOT NULL,
  views          BIGINT NOT NULL COMMENT 'view_item',
  carts          BIGINT NOT NULL COMMENT 'units added to carts',
  units          BIGINT NOT NULL COMMENT 'units bought',
  revenue_cents  BIGINT NOT NULL,
  refund_units   BIGINT NOT NULL,
  refund_cents   BIGINT NOT NULL,
  PRIMARY KEY (minute, item_id)
);

-- The lines of orders by what one piece cost and how many were bought.
CREATE TABLE IF NOT EXISTS order_lines_by_minute (
  minute         DATETIME NOT NULL COMMENT 'of occurred_at',
  category       VARCHAR(32) NOT NULL,
  country        CHAR(2) NOT NULL,
  device         VARCHAR(16) NOT NULL,
  source         VARCHAR(32) NOT NULL,
  currency       CHAR(3) NOT NULL,
  price_cents    BIGINT NOT NULL COMMENT 'price of one after discount: lower bound of its band (0, 10, 20, 50, 100 ... EUR)',
  quantity       BIGINT NOT NULL COMMENT 'pieces of the line, 10 for ten or more',
  order_lines    BIGINT NOT NULL,
  revenue_cents  BIGINT NOT NULL,
  PRIMARY KEY (minute, category, country, device, source, currency, price_cents, quantity)
);

CREATE TABLE IF NOT EXISTS payments_by_minute (
  minute          DATETIME NOT NULL COMMENT 'of occurred_at',
  country         CHAR(2) NOT NULL,
  device          VARCHAR(16) NOT NULL,
  source          VARCHAR(32) NOT NULL,
  currency        CHAR(3) NOT NULL,
  payment_type    VARCHAR(32) NOT NULL COMMENT '(unknown) where absent',
  failure_reason  VARCHAR(64) NOT NULL COMMENT '(none) for a purchase, and where absent',
  attempts        BIGINT NOT NULL COMMENT 'purchase and payment_failed',
  failures        BIGINT NOT NULL COMMENT 'payment_failed',
  PRIMARY KEY (minute, country, device, source, currency, payment_type, failure_reason)
);

CREATE TABLE IF NOT EXISTS searches_by_minute (
  minute          DATETIME NOT NULL COMMENT 'of occurred_at',
  term            VARCHAR(256) NOT NULL COMMENT 'in small letters, without blanks around it; (none) where absent',
  searches        BIGINT NOT NULL,
  without_result  BIGINT NOT NULL COMMENT 'search_results is 0',
  PRIMARY KEY (minute, term)
);

CREATE TABLE IF NOT EXISTS pages_by_minute (
  minute      DATETIME NOT NULL COMMENT 'of occurred_at',
  page        VARCHAR(255) NOT NULL COMMENT 'path of page_url: without server, query and fragment; (none) where absent',
  page_views  BIGINT NOT NULL COMMENT 'as in sales_by_minute',
  PRIMARY KEY (minute, page)
);

CREATE TABLE IF NOT EXISTS promotions_by_minute (
  minute     DATETIME NOT NULL COMMENT 'of occurred_at',
  promotion  VARCHAR(64) NOT NULL COMMENT '(none) where absent',
  country    CHAR(2) NOT NULL,
  device     VARCHAR(16) NOT NULL,
  source     VARCHAR(32) NOT NULL,
  currency   CHAR(3) NOT NULL,
  shown      BIGINT NOT NULL COMMENT 'view_promotion',
  chosen     BIGINT NOT NULL COMMENT 'select_promotion',
  PRIMARY KEY (minute, promotion, country, device, source, currency)
);

-- One row a session. furthest_step: 0 visited, 1 viewed an item, 2 added to the cart, 3 began the checkout,
-- 4 gave payment details, 5 bought.
CREATE TABLE IF NOT EXISTS sessions (
  session_id          BINARY(16) NOT NULL,
  first_seen          DATETIME(3) NOT NULL,
  last_seen           DATETIME(3) NOT NULL,
  country             CHAR(2) NOT NULL COMMENT 'of the first event, as device, source, currency',
  device              VARCHAR(16) NOT NULL,
  source              VARCHAR(32) NOT NULL,
  currency            CHAR(3) NOT NULL,
  experiment          VARCHAR(64) NOT NULL COMMENT 'of the first event, (none) where absent, as variant',
  variant             VARCHAR(64) NOT NULL,
  landing_page        VARCHAR(255) NOT NULL COMMENT 'path of the first event''s page_url, (none) where absent',
  was_known           TINYINT NOT NULL COMMENT '1 where the first event carries a user_id: a returning shopper',
  furthest_step       TINYINT NOT NULL,
  events              BIGINT NOT NULL,
  views               BIGINT NOT NULL,
  cart_cents          BIGINT NOT NULL COMMENT 'added, less removed, less bought',
  payment_failures    BIGINT NOT NULL,
  orders              BIGINT NOT NULL,
  order_value_cents   BIGINT NOT NULL COMMENT 'whole orders (was `order_cents`)',
  refund_value_cents  BIGINT NOT NULL COMMENT 'whole refunds (was `refund_cents`)',
  first_order_at      DATETIME(3) NULL COMMENT 'NULL without an order',
  promotion           VARCHAR(64) NOT NULL COMMENT 'that was chosen first, (none) without one',
  promoted_at         DATETIME(3) NULL COMMENT 'when it was chosen, NULL without one',
  -- Nearly every event moves last_seen and events, and an index on one of them was a third of the work of merging a
  -- session. These change a few times in a session.
  seen_minute         DATETIME AS (TIMESTAMP(DATE(last_seen), MAKETIME(HOUR(last_seen), MINUTE(last_seen), 0))) VIRTUAL COMMENT 'of last_seen',
  bounced             TINYINT AS (events = 1) VIRTUAL COMMENT '1 where its first event is its only one',
  seconds_spent       INT AS (ELT(1 + INTERVAL(TIMESTAMPDIFF(SECOND, first_seen, last_seen), 10, 30, 60, 180, 600, 1800), 0, 10, 30, 60, 180, 600, 1800)) VIRTUAL COMMENT 'from the first event to the last, at least',
  PRIMARY KEY (session_id),
  -- All that the charts of sessions read, so that they need not look up row after row.
  KEY by_first_seen (first_seen, furthest_step, country, device, source, currency, was_known, variant, experiment,
                     order_value_cents, first_order_at, bounced, seconds_spent, landing_page, promotion, promoted_at),
  KEY by_seen_minute (seen_minute, cart_cents, first_seen, furthest_step, first_order_at, country, device, source,
                      currency)
);

-- What the rows above are added up into once nothing can come of their hour any more: rows of hours, kept for
-- MYSQL_HOURS_RETENTION_DAYS. They have the same columns; `minute` is the one with which the hour begins. The table
-- `coverage` says which hours are there, and which minutes beside them.
CREATE TABLE IF NOT EXISTS sales_by_hour LIKE sales_by_minute;
CREATE TABLE IF NOT EXISTS items_by_hour LIKE items_by_minute;
CREATE TABLE IF NOT EXISTS order_lines_by_hour LIKE order_lines_by_minute;
CREATE TABLE IF NOT EXISTS payments_by_hour LIKE payments_by_minute;
CREATE TABLE IF NOT EXISTS searches_by_hour LIKE searches_by_minute;
CREATE TABLE IF NOT EXISTS pages_by_hour LIKE pages_by_minute;
CREATE TABLE IF NOT EXISTS promotions_by_hour LIKE promotions_by_minute;

-- Of sessions there are several such tables, by the hour in which they began. One with all columns would have nearly as many
-- rows as there were sessions. Each is filled from a view, *_by_session, in which a session is a row of the same form.
CREATE TABLE IF NOT EXISTS visits_by_hour (
  minute             DATETIME NOT NULL COMMENT 'with which the hour begins, as in the tables below',
  country            CHAR(2) NOT NULL,
  device             VARCHAR(16) NOT NULL,
  source             VARCHAR(32) NOT NULL,
  currency           CHAR(3) NOT NULL,
  experiment         VARCHAR(64) NOT NULL,
  variant            VARCHAR(64) NOT NULL,
  was_known          TINYINT NOT NULL,
  sessions           BIGINT NOT NULL,
  bounced            BIGINT NOT NULL COMMENT 'those with a single event',
  viewed             BIGINT NOT NULL COMMENT 'those that viewed an item at least, as furthest_step says',
  carted             BIGINT NOT NULL COMMENT 'added to the cart at least',
  checked_out        BIGINT NOT NULL COMMENT 'began the checkout at least',
  paid               BIGINT NOT NULL COMMENT 'gave payment details at least',
  bought             BIGINT NOT NULL,
  order_value_cents  BIGINT NOT NULL COMMENT 'whole orders (was `order_cents`)',
  PRIMARY KEY (minute, country, device, source, currency, experiment, variant, was_known)
);

CREATE TABLE IF NOT EXISTS entry_pages_by_hour (
  minute        DATETIME NOT NULL,
  country       CHAR(2) NOT NULL,
  device        VARCHAR(16) NOT NULL,
  source        VARCHAR(32) NOT NULL,
  currency      CHAR(3) NOT NULL,
  landing_page  VARCHAR(255) NOT NULL,
  sessions      BIGINT NOT NULL,
  bounced       BIGINT NOT NULL,
  bought        BIGINT NOT NULL,
  PRIMARY KEY (minute, country, device, source, currency, landing_page)
);

CREATE TABLE IF NOT EXISTS visit_lengths_by_hour (
  minute         DATETIME NOT NULL,
  country        CHAR(2) NOT NULL,
  device         VARCHAR(16) NOT NULL,
  source         VARCHAR(32) NOT NULL,
  currency       CHAR(3) NOT NULL,
  seconds_spent  INT NOT NULL COMMENT 'as in sessions',
  sessions       BIGINT NOT NULL,
  PRIMARY KEY (minute, country, device, source, currency, seconds_spent)
);

CREATE TABLE IF NOT EXISTS times_to_order_by_hour (
  minute            DATETIME NOT NULL,
  country           CHAR(2) NOT NULL,
  device            VARCHAR(16) NOT NULL,
  source            VARCHAR(32) NOT NULL,
  currency          CHAR(3) NOT NULL,
  minutes_to_order  BIGINT NOT NULL COMMENT 'whole ones from the first event to the first order, 15 for 15 or more',
  bought            BIGINT NOT NULL,
  seconds_to_order  BIGINT NOT NULL,
  PRIMARY KEY (minute, country, device, source, currency, minutes_to_order)
);

CREATE TABLE IF NOT EXISTS promoted_orders_by_hour (
  minute             DATETIME NOT NULL,
  country            CHAR(2) NOT NULL,
  device             VARCHAR(16) NOT NULL,
  source             VARCHAR(32) NOT NULL,
  currency           CHAR(3) NOT NULL,
  promotion          VARCHAR(64) NOT NULL COMMENT 'that was chosen first',
  orders             BIGINT NOT NULL COMMENT 'sessions that ordered after that',
  order_value_cents  BIGINT NOT NULL COMMENT 'whole orders (was `revenue_cents`)',
  PRIMARY KEY (minute, country, device, source, currency, promotion)
);
