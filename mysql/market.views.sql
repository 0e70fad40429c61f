-- What the market's dashboards read. Run after market.sql and pipeline.sql, again at every start. Times are UTC.
--
-- Indicators are made when they are asked for, of 300 bars a pair: 25 hours of five minutes each. Charts show 96; the
-- others let averages settle. Each window says PARTITION BY step, symbol itself, so that MySQL takes a filter on them
-- down to the candles' primary keys; by a window that inherits it from another all of the market would be computed.
-- Prices here are in the currency that is paid, not in integers of 1e-8.

-- Every minute of a pair: as its trades made it or, where the exchange knows of more of them, as the exchange stated it.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW candles AS
SELECT symbol, minute, told_at,
       IF(trades = 0 OR stated_trades > trades, stated_open_e8, open_e8) AS open_e8,
       IF(trades = 0 OR stated_trades > trades, stated_high_e8, high_e8) AS high_e8,
       IF(trades = 0 OR stated_trades > trades, stated_low_e8, low_e8) AS low_e8,
       IF(trades = 0 OR stated_trades > trades, stated_close_e8, close_e8) AS close_e8,
       IF(trades = 0 OR stated_trades > trades, stated_trades, trades) AS trades,
       IF(trades = 0 OR stated_trades > trades, stated_quote_e8, quote_e8) AS quote_e8,
       IF(trades = 0 OR stated_trades > trades, stated_taker_buy_quote_e8, taker_buy_quote_e8) AS taker_buy_quote_e8
FROM candles_by_minute;

-- Up to when there is something to show: a market that has stopped is shown as it was then.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW newest AS
SELECT MAX(minute) AS minute FROM candles_by_minute;

-- Bars of every length. Minutes are numbered within a bar, in the bits above those of a price: so the least of them has
-- the first price, and the greatest the last one.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW bars AS
SELECT step, seconds, symbol, bar, ROW_NUMBER() OVER (PARTITION BY step, symbol ORDER BY bar) AS i,
       (first_e8 & ((1 << 50) - 1)) / 1e8 AS open, high_e8 / 1e8 AS high, low_e8 / 1e8 AS low,
       (last_e8 & ((1 << 50) - 1)) / 1e8 AS close, quote_e8 / 1e8 AS turnover, taker_e8 / 1e8 AS taker_buy, trades
FROM (
  SELECT step, seconds, symbol, FROM_UNIXTIME(UNIX_TIMESTAMP(minute) DIV seconds * seconds) AS bar,
         MIN((UNIX_TIMESTAMP(minute) MOD seconds DIV 60 << 50) + open_e8) AS first_e8,
         MAX((UNIX_TIMESTAMP(minute) MOD seconds DIV 60 << 50) + close_e8) AS last_e8,
         MAX(high_e8) AS high_e8, MIN(low_e8) AS low_e8, SUM(quote_e8) AS quote_e8,
         SUM(taker_buy_quote_e8) AS taker_e8, SUM(trades) AS trades
  FROM steps
  JOIN candles ON minute >= FROM_UNIXTIME(((SELECT UNIX_TIMESTAMP(minute) FROM newest) DIV seconds - 299) * seconds)
  GROUP BY step, seconds, symbol, bar
) AS added_up;

-- Bars, and how the price has moved since the one before.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW moves AS
SELECT bars.*, close - LAG(close) OVER w AS move, LN(close / LAG(close) OVER w) AS log_return
FROM bars
WINDOW w AS (PARTITION BY step, symbol ORDER BY i);

-- Averages of 20 and 50 bars, simple; of 12 and 26 bars, exponential; Bollinger's band, 2 standard deviations about the 20;
-- RSI of 14 bars as Wilder has it; volatility of a year by the returns of 14 and 50 bars. An exponential average is the
-- sum of what weighs the more the younger it is, divided by the weights: their ratio is 1 / (1 - 2 / (n + 1)), and
-- for Wilder's 1 / (1 - 1 / n).
CREATE OR REPLACE SQL SECURITY INVOKER VIEW indicators AS
SELECT step, seconds, symbol, bar, i, open, high, low, close, turnover, taker_buy, trades,
       AVG(close) OVER w20 AS sma_20, AVG(close) OVER w50 AS sma_50,
       SUM(close * POW(13e0 / 11, i)) OVER w / SUM(POW(13e0 / 11, i)) OVER w AS ema_12,
       SUM(close * POW(27e0 / 25, i)) OVER w / SUM(POW(27e0 / 25, i)) OVER w AS ema_26,
       AVG(close) OVER w20 + 2 * STDDEV_POP(close) OVER w20 AS band_upper,
       AVG(close) OVER w20 - 2 * STDDEV_POP(close) OVER w20 AS band_lower,
       100 * SUM(GREATEST(move, 0) * POW(14e0 / 13, i)) OVER w / NULLIF(SUM(ABS(move) * POW(14e0 / 13, i)) OVER w, 0) AS rsi_14,
       log_return,
       STDDEV_SAMP(log_return) OVER w14 * SQRT(365 * 86400 / seconds) AS volatility_14,
       STDDEV_SAMP(log_return) OVER w50 * SQRT(365 * 86400 / seconds) AS volatility_50,
       STDDEV_SAMP(log_return) OVER earlier AS usual_return
FROM moves
WINDOW w AS (PARTITION BY step, symbol ORDER BY i),
       w14 AS (PARTITION BY step, symbol ORDER BY i ROWS 13 PRECEDING),
       w20 AS (PARTITION BY step, symbol ORDER BY i ROWS 19 PRECEDING),
       w50 AS (PARTITION BY step, symbol ORDER BY i ROWS 49 PRECEDING),
       earlier AS (PARTITION BY step, symbol ORDER BY i ROWS BETWEEN 60 PRECEDING AND 5 PRECEDING);

-- The last 96 bars, and whether their price is out of the ordinary: it goes 4 % beyond both its first and its last one, as
-- by a fat finger, or it changes by 1 % and by eight times as much as was usual a little before, as in a flash crash.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW shown_indicators AS
SELECT indicators.*,
       LN(high / GREATEST(open, close)) > 0.04 OR LN(LEAST(open, close) / low) > 0.04
         OR COALESCE(ABS(log_return) > GREATEST(0.01, 8 * usual_return), FALSE) AS unusual
FROM indicators
WHERE bar > FROM_UNIXTIME(((SELECT UNIX_TIMESTAMP(minute) FROM newest) DIV seconds - 96) * seconds);

-- The same as points of a chart in which a candle is four points, a millisecond apart: a wick is a line from the
-- second to the third, a body is a bar at the second, and the outer ones make every place of the pointer find the prices.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW candle_points AS
SELECT step, symbol, bar + INTERVAL part * 1000 MICROSECOND AS at, part, bar, open, high, low, close, unusual,
       CASE part WHEN 1 THEN IF(close >= open, low, NULL) WHEN 2 THEN IF(close >= open, high, NULL) END AS wick_up,
       CASE part WHEN 1 THEN IF(close < open, low, NULL) WHEN 2 THEN IF(close < open, high, NULL) END AS wick_down,
       IF(part = 1, LEAST(open, close), NULL) AS base,
       IF(part = 1 AND close >= open AND NOT unusual, GREATEST(close - open, close * 0.00002), NULL) AS up,
       IF(part = 1 AND close < open AND NOT unusual, open - close, NULL) AS down,
       IF(part = 1 AND unusual, GREATEST(ABS(close - open), close * 0.00002), NULL) AS leap,
       sma_20, sma_50, ema_12, ema_26, band_upper, band_lower
FROM shown_indicators
CROSS JOIN (VALUES ROW(0), ROW(1), ROW(2), ROW(3)) AS parts (part);

-- A pair as it is now, and what the exchange said last of its 24 hours.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW pairs AS
SELECT symbol, price_e8 / 1e8 AS price, price_e8 / 1e0 / hour_ago_e8 - 1 AS change_1h,
       price_e8 / 1e0 / open_e8 - 1 AS change_24h, high_e8 / 1e8 AS high, low_e8 / 1e8 AS low, quote_e8 / 1e8 AS turnover, trades,
       quote_e8 / 1e0 / SUM(quote_e8) OVER () AS share, last_told_at,
       TIMESTAMPDIFF(MICROSECOND, last_told_at, UTC_TIMESTAMP(3)) / 1e6 AS age_seconds
FROM (
  SELECT ticker.symbol, ticker.open_e8, ticker.quote_e8, ticker.trades, last.close_e8 AS price_e8,
         GREATEST(ticker.high_e8, last.high_e8) AS high_e8, LEAST(ticker.low_e8, last.low_e8) AS low_e8,
         GREATEST(ticker.stated_at, last.told_at) AS last_told_at,
         (SELECT hour_ago.close_e8 FROM candles AS hour_ago
          WHERE hour_ago.symbol = ticker.symbol AND hour_ago.minute = last.minute - INTERVAL 1 HOUR) AS hour_ago_e8
  FROM (SELECT symbol, MAX(minute) AS minute FROM tickers_by_minute GROUP BY symbol) AS newest_ticker
  JOIN tickers_by_minute AS ticker ON ticker.symbol = newest_ticker.symbol AND ticker.minute = newest_ticker.minute
  JOIN (SELECT symbol, MAX(minute) AS minute FROM candles_by_minute GROUP BY symbol) AS newest_candle
    ON newest_candle.symbol = ticker.symbol
  JOIN candles AS last ON last.symbol = newest_candle.symbol AND last.minute = newest_candle.minute
) AS now_;

-- The same with the line of its last 24 hours, a picture in a cell of a table.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW price_table AS
SELECT pairs.*,
       CONCAT('<img alt="" width="120" height="30" src="data:image/svg+xml,', REPLACE(REPLACE(REPLACE(CONCAT(
         '<svg xmlns=\'http://www.w3.org/2000/svg\' viewBox=\'0 0 120 30\'><polyline fill=\'none\' stroke-width=\'1.5\' stroke=\'',
         IF(change_24h >= 0, '#0072B2', '#D55E00'), '\' points=\'', path, '\'/></svg>'), '#', '%23'), '<', '%3C'), '>', '%3E'), '">') AS last_24h
FROM pairs
LEFT JOIN (
  SELECT symbol, GROUP_CONCAT(CONCAT(ROUND(118e0 * (number - 1) / (points - 1) + 1), ',',
                                     ROUND(27 - 24 * (close - bottom) / NULLIF(top - bottom, 0), 1)) ORDER BY number SEPARATOR ' ') AS path
  FROM (
    SELECT symbol, close, ROW_NUMBER() OVER (PARTITION BY symbol ORDER BY bar) AS number, COUNT(*) OVER (PARTITION BY symbol) AS points,
           MAX(close) OVER (PARTITION BY symbol) AS top, MIN(close) OVER (PARTITION BY symbol) AS bottom
    FROM bars WHERE step = '5m' AND MINUTE(bar) IN (0, 30)
  ) AS numbered
  GROUP BY symbol
) AS lines_ ON lines_.symbol = pairs.symbol;

-- How far pairs move together: the correlation of their returns in five minutes, of 25 hours. DISTINCT, here and below, has
-- MySQL work out once what is read twice.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW correlations AS
WITH returns AS (SELECT DISTINCT symbol, bar, log_return FROM moves WHERE step = '5m')
SELECT one.symbol, REPLACE(other.symbol, 'USDT', '') AS other_symbol,
       (AVG(one.log_return * other.log_return) - AVG(one.log_return) * AVG(other.log_return))
         / NULLIF(STDDEV_POP(one.log_return) * STDDEV_POP(other.log_return), 0) AS correlation
FROM returns AS one JOIN returns AS other ON one.bar = other.bar
GROUP BY one.symbol, other.symbol;

-- The market as a whole, and an index of its mood from 0 to 100. It is ours: the mean of four parts, each from 0 to 1. How
-- many pairs are above their price of 24 hours ago; where prices are between the lowest and the highest of 24 hours; how
-- much takers buy of what is traded (40 % is 0, 60 % is 1); and how calm the last hour was against 25 hours.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW mood AS
WITH each_bar AS (
  SELECT bar, AVG(log_return) AS market_return, SUM(taker_buy) AS taker_buy, SUM(turnover) AS turnover
  FROM moves WHERE step = '5m' GROUP BY bar
), of_bars AS (
  SELECT SUM(taker_buy) / NULLIF(SUM(turnover), 0) AS buy_share,
         STDDEV_SAMP(IF(bar > (SELECT minute FROM newest) - INTERVAL 1 HOUR, market_return, NULL))
           / NULLIF(STDDEV_SAMP(market_return), 0) AS unrest
  FROM each_bar
), parts AS (
  SELECT SUM(change_24h > 0) AS advancers, SUM(change_24h < 0) AS decliners, AVG(change_24h > 0) AS breadth,
         SUM(change_24h * turnover) / SUM(turnover) AS change_24h, SUM(turnover) AS turnover,
         COALESCE(AVG((price - low) / NULLIF(high - low, 0)), 0.5) AS place
  FROM pairs
), all_parts AS (
  SELECT parts.*, buy_share, COALESCE(LEAST(GREATEST((buy_share - 0.4) / 0.2, 0), 1), 0.5) AS buying,
         COALESCE(LEAST(GREATEST(1.5 - unrest, 0), 1), 0.5) AS calm
  FROM parts, of_bars
)
SELECT all_parts.*, 100 * (breadth + place + buying + calm) / 4 AS mood FROM all_parts;

-- What somebody may want to be told of, for alerts: prices that leapt in the last five minutes, feeds that stand still,
-- and returns of the last minutes that are three times as large as those of the hours before. `size` says by how much: a
-- part of the price, seconds, a ratio.
CREATE OR REPLACE SQL SECURITY INVOKER VIEW warnings_now AS
WITH of_minutes AS (
  SELECT DISTINCT symbol, bar, open, high, low, close, log_return FROM moves WHERE step = '1m'
), usual AS (
  SELECT symbol, STDDEV_SAMP(IF(bar < (SELECT minute FROM newest) - INTERVAL 5 MINUTE, log_return, NULL)) AS usual_return,
         STDDEV_SAMP(IF(bar >= (SELECT minute FROM newest) - INTERVAL 15 MINUTE, log_return, NULL)) AS late_return
  FROM of_minutes GROUP BY symbol
), leaps AS (
  SELECT symbol, bar, log_return, LN(high / GREATEST(open, close)) AS above, LN(LEAST(open, close) / low) AS below
  FROM of_minutes
)
SELECT 'leap' AS kind, symbol, bar AS since, GREATEST(ABS(COALESCE(log_return, 0)), above, below) AS size
FROM leaps JOIN usual USING (symbol)
WHERE bar >= (SELECT minute FROM newest) - INTERVAL 5 MINUTE
  AND (above > 0.04 OR below > 0.04 OR ABS(log_return) > GREATEST(0.01, 8 * usual_return))
UNION ALL
SELECT 'stale', symbol, last_told_at, age_seconds FROM pairs WHERE age_seconds > 60
UNION ALL
SELECT 'volatile', symbol, (SELECT minute FROM newest), late_return / usual_return FROM usual
WHERE late_return > 3 * usual_return;
