-- The market's tables. Each is what the function of the same name in spark_jobs/domains/market.py returns, merged by the
-- rules declared with it. Times are UTC; prices and amounts are integers of 1e-8 of the currency that is paid. Statements
-- are idempotent: they are run at every start.

-- A minute of a pair. As its trades made it, in whatever order they came and however often: its prices are exact, for what
-- was first and what was last goes by the trades' numbers. And beside that as the exchange stated it (`stated_*`), once it
-- was over: of the time before there were trades here, and of trades that were missed. A part without anything is NULL.
CREATE TABLE IF NOT EXISTS candles_by_minute (
  symbol                     VARCHAR(20) NOT NULL,
  minute                     DATETIME NOT NULL COMMENT 'that it tells of, which may be long before it was told',
  trades                     BIGINT NOT NULL,
  quote_e8                   BIGINT NOT NULL COMMENT 'paid in all',
  taker_buy_quote_e8         BIGINT NOT NULL COMMENT 'paid by takers who bought',
  low_e8                     BIGINT,
  first_trade                BIGINT COMMENT 'its number',
  high_e8                    BIGINT,
  last_trade                 BIGINT COMMENT 'its number',
  statement                  BIGINT COMMENT 'rises from statement to statement; no two of a pair have the same',
  told_at                    DATETIME(3) NOT NULL COMMENT 'occurred_at of the newest that was told of it',
  open_e8                    BIGINT COMMENT 'price of the first trade',
  close_e8                   BIGINT COMMENT 'price of the last trade',
  stated_open_e8             BIGINT,
  stated_high_e8             BIGINT,
  stated_low_e8              BIGINT,
  stated_close_e8            BIGINT,
  stated_trades              BIGINT,
  stated_quote_e8            BIGINT,
  stated_taker_buy_quote_e8  BIGINT,
  PRIMARY KEY (symbol, minute),
  KEY (minute),
  KEY (told_at)
);

-- What the exchange said last in each minute of the 24 hours before.
CREATE TABLE IF NOT EXISTS tickers_by_minute (
  symbol             VARCHAR(20) NOT NULL,
  minute             DATETIME NOT NULL COMMENT 'in which it was stated',
  statement          BIGINT NOT NULL COMMENT 'as in candles_by_minute',
  stated_at          DATETIME(3) NOT NULL,
  open_e8            BIGINT NOT NULL COMMENT 'price 24 hours before',
  high_e8            BIGINT NOT NULL,
  low_e8             BIGINT NOT NULL,
  close_e8           BIGINT NOT NULL COMMENT 'last price',
  trades             BIGINT NOT NULL,
  quote_e8           BIGINT NOT NULL COMMENT 'paid in all',
  change_e8          BIGINT COMMENT 'of the price; NULL where it was not stated',
  change_percent_e3  BIGINT COMMENT 'thousandths of a percent; NULL where it was not stated',
  PRIMARY KEY (symbol, minute),
  KEY (minute)
);

-- The lengths of bars that one can choose from.
CREATE TABLE IF NOT EXISTS steps (
  step     VARCHAR(8) NOT NULL,
  seconds  BIGINT NOT NULL,
  PRIMARY KEY (step)
);
INSERT INTO steps VALUES ('1m', 60), ('5m', 300), ('15m', 900), ('1h', 3600), ('4h', 14400), ('1d', 86400) AS chosen
ON DUPLICATE KEY UPDATE seconds = chosen.seconds;
