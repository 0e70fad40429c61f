-- The pipeline's own tables, the same for every domain, in the domain's database. Times are UTC.

-- Where a checkpoint stands. The row of the aggregate query is written in the transaction that merges its
-- micro-batch: that makes the merge exactly-once.
CREATE TABLE IF NOT EXISTS checkpoints (
  query          VARCHAR(32) NOT NULL,
  checkpoint_id  CHAR(36) NOT NULL COMMENT 'as in the checkpoint folder; another one is refused',
  batch_id       BIGINT NOT NULL COMMENT 'last micro-batch merged, -1 before the first',
  offsets        JSON NOT NULL COMMENT 'partition -> next Kafka offset after that micro-batch',
  records        BIGINT NOT NULL COMMENT 'records counted in all: aggregated + rejected + duplicates',
  aggregated     BIGINT NOT NULL,
  rejected       BIGINT NOT NULL,
  duplicates     BIGINT NOT NULL,
  committed_at   DATETIME(3) NOT NULL,
  PRIMARY KEY (query)
);

-- Events by name, of which every domain has some: the figures that `make verify` holds against the producer's ledger. Old
-- rows become rows of hours, as those of a domain's own tables do.
CREATE TABLE IF NOT EXISTS events_by_minute (
  minute      DATETIME NOT NULL COMMENT 'of occurred_at',
  event_name  VARCHAR(32) NOT NULL,
  events      BIGINT NOT NULL,
  amount      BIGINT NOT NULL COMMENT 'of those that the contract has one for, 0 for others (was `revenue_cents`)',
  PRIMARY KEY (minute, event_name)
);
CREATE TABLE IF NOT EXISTS events_by_hour LIKE events_by_minute;

-- The ids of the events that were counted, by the minute in which they occurred: 16 bytes each, those of one
-- micro-batch in one value. They are written in the transaction that counts the events, so that no duplicate is ever
-- counted, whatever crashes; and deleted when the contract's bound for late events has passed.
CREATE TABLE IF NOT EXISTS seen_ids (
  minute    DATETIME NOT NULL COMMENT 'of occurred_at',
  batch_id  BIGINT NOT NULL,
  ids       LONGBLOB NOT NULL,
  digests   LONGBLOB NOT NULL COMMENT 'of what was received under each id, 8 bytes; empty in rows from before they were kept',
  PRIMARY KEY (minute, batch_id)
);

-- In the same way the business keys of the events that were counted: of those that have one.
CREATE TABLE IF NOT EXISTS seen_business_keys (
  minute    DATETIME NOT NULL COMMENT 'of occurred_at',
  batch_id  BIGINT NOT NULL,
  ids       LONGBLOB NOT NULL,
  digests   LONGBLOB NOT NULL COMMENT 'of the event that counts',
  PRIMARY KEY (minute, batch_id)
);

-- Records that are good and do not count, because an event counts that is the same.
CREATE TABLE IF NOT EXISTS duplicates_by_minute (
  minute   DATETIME NOT NULL COMMENT 'of appended_at, the broker''s time',
  kind     VARCHAR(16) NOT NULL COMMENT 'copy: received as it was; conflict: other than what was received under its id; repeat: under another id, with the business key of one that counts',
  records  BIGINT NOT NULL,
  PRIMARY KEY (minute, kind)
);

-- Dead letters that were found good later: written in the transaction that counts them, deleted when Cassandra has
-- them, too. Rows stay only where a replay was killed; the next one writes these events to Cassandra.
CREATE TABLE IF NOT EXISTS replays_under_way (
  kafka_partition  INT NOT NULL COMMENT 'as in Cassandra''s replayed',
  kafka_offset     BIGINT NOT NULL COMMENT 'the record''s address in the events'' topic',
  outcome          VARCHAR(16) NOT NULL COMMENT 'as in Cassandra''s replayed',
  PRIMARY KEY (kafka_partition, kafka_offset)
);

-- One row a micro-batch, for the charts of the pipeline's health; bounded by retention.
CREATE TABLE IF NOT EXISTS batches (
  checkpoint_id  CHAR(36) NOT NULL,
  batch_id       BIGINT NOT NULL,
  committed_at   DATETIME(3) NOT NULL,
  duration_ms    BIGINT NOT NULL COMMENT 'from Spark''s call to the commit',
  records        BIGINT NOT NULL,
  aggregated     BIGINT NOT NULL,
  rejected       BIGINT NOT NULL,
  duplicates     BIGINT NOT NULL,
  ids_held       BIGINT NOT NULL COMMENT 'ids seen that are held after it: what another job keeps as Spark''s state',
  ids_bytes      BIGINT AS (24 * ids_held) VIRTUAL COMMENT 'in seen_ids, and a little more in the driver''s memory',
  newest_event   DATETIME(3) NULL COMMENT 'when the newest of its events occurred; NULL without any',
  PRIMARY KEY (checkpoint_id, batch_id),
  KEY by_committed_at (committed_at),
  KEY by_newest_event (newest_event)
);

-- How Spark's queries get on, from its StreamingQueryListener, and how far they are behind Kafka. A minute and query is a
-- row, not a micro-batch: 86,400 rows in 30 days where those would be millions, found by the primary key.
-- Records a second in are records / 60, records a second while at work records / duration_ms * 1000.
CREATE TABLE IF NOT EXISTS progress_by_minute (
  minute       DATETIME NOT NULL COMMENT 'in which the micro-batch ended',
  query        VARCHAR(32) NOT NULL COMMENT 'archive, aggregate',
  batches      BIGINT NOT NULL,
  records      BIGINT NOT NULL COMMENT 'read from Kafka',
  duration_ms  BIGINT NOT NULL COMMENT 'of whole micro-batches, the sum of the four phases and of little else',
  offsets_ms   BIGINT NOT NULL COMMENT 'of it: asking Kafka what there is',
  planning_ms  BIGINT NOT NULL COMMENT 'of it: Spark''s plan',
  work_ms      BIGINT NOT NULL COMMENT 'of it: reading, validating, writing to the store',
  log_ms       BIGINT NOT NULL COMMENT 'of it: the checkpoint''s logs',
  longest_ms   BIGINT NOT NULL COMMENT 'the longest micro-batch',
  lag_records  BIGINT NOT NULL COMMENT 'the most records in Kafka that the query had not processed, of a look every two seconds',
  lag_ms       BIGINT NOT NULL COMMENT 'the age of the oldest of them, by the broker''s time for it; 0 without any',
  PRIMARY KEY (minute, query)
);

-- The last micro-batch of each query, and its lag. That one was counted in progress_by_minute, and none after it.
CREATE TABLE IF NOT EXISTS queries (
  query           VARCHAR(32) NOT NULL,
  spark_query_id  CHAR(36) NOT NULL COMMENT 'of the checkpoint: batch_id counts within it',
  batch_id        BIGINT NOT NULL,
  ended_at        DATETIME(3) NOT NULL,
  records         BIGINT NOT NULL,
  duration_ms     BIGINT NOT NULL,
  lag_records     BIGINT NULL COMMENT 'as in progress_by_minute, at looked_at; NULL before the first look, as lag_ms',
  lag_ms          BIGINT NULL,
  looked_at       DATETIME(3) NULL,
  PRIMARY KEY (query)
);

-- How long events took to the commit in MySQL, from when they were created and from when the broker took them. Every
-- event is there twice: as created, and as appended or backlog.
CREATE TABLE IF NOT EXISTS latency_by_minute (
  minute      DATETIME NOT NULL COMMENT 'of the commit',
  since       VARCHAR(8) NOT NULL COMMENT 'created: occurred_at, the sender''s time; appended: the broker''s, while the stream was caught up; backlog: the same, while it was behind',
  latency_ms  BIGINT NOT NULL COMMENT 'upper bound of the bucket: steps of 100 ms up to 10 s, of 10, 100 and 1,000 s up to ten times as much',
  events      BIGINT NOT NULL,
  PRIMARY KEY (minute, since, latency_ms)
);

-- How late the events that count were when the broker took them. Cassandra does not keep when that was, so a rebuild
-- leaves this table as it is.
CREATE TABLE IF NOT EXISTS lateness_by_minute (
  minute       DATETIME NOT NULL COMMENT 'of appended_at, the broker''s time',
  late_from_s  BIGINT NOT NULL COMMENT 'lower bound of appended_at - occurred_at: 0 (and what a fast clock sent), 10, 60, 600, 3600',
  events       BIGINT NOT NULL,
  PRIMARY KEY (minute, late_from_s)
);

CREATE TABLE IF NOT EXISTS rejects_by_minute (
  minute   DATETIME NOT NULL COMMENT 'of appended_at, the broker''s time',
  reason   VARCHAR(64) NOT NULL COMMENT 'the kind of reason; its details are in the dead letter',
  rejects  BIGINT NOT NULL,
  PRIMARY KEY (minute, reason)
);

-- The newest rejected record of each reason and minute, by the last micro-batch that had one. Whole records are in the
-- dead letter.
CREATE TABLE IF NOT EXISTS reject_samples_by_minute (
  reason          VARCHAR(64) NOT NULL,
  minute          DATETIME NOT NULL COMMENT 'of appended_at, the broker''s time',
  detail          TEXT NOT NULL COMMENT 'the reason in words',
  topic           VARCHAR(249) NOT NULL,
  kafka_partition INT NOT NULL,
  kafka_offset    BIGINT NOT NULL,
  appended_at     DATETIME(3) NOT NULL,
  sample          VARCHAR(200) NOT NULL COMMENT 'the start of the record as text; bytes that are none are replaced',
  PRIMARY KEY (reason, minute),  -- in this order: the newest minute of each reason is found without reading the others
  KEY by_minute (minute)
);

-- What events are held against, as the running job knows it: the contract's expectations, and as field:<name> that an
-- optional field fits; one that doesn't is left out of an event that counts.
CREATE TABLE IF NOT EXISTS expectations (
  expectation  VARCHAR(64) NOT NULL,
  action       VARCHAR(8) NOT NULL COMMENT 'keep: failures are counted; drop: the record is rejected; fail: the query stops',
  description  TEXT NOT NULL,
  PRIMARY KEY (expectation)
);

-- Expectations with the action keep.
CREATE TABLE IF NOT EXISTS expectations_by_minute (
  minute       DATETIME NOT NULL COMMENT 'of occurred_at',
  expectation  VARCHAR(64) NOT NULL,
  passed       BIGINT NOT NULL,
  failed       BIGINT NOT NULL,
  PRIMARY KEY (minute, expectation)
);

-- How far back the domain's tables reach. One row.
CREATE TABLE IF NOT EXISTS coverage (
  only_row      TINYINT NOT NULL,
  hours_from    DATETIME NOT NULL COMMENT 'an hour''s beginning: all that happened since is there, by minute or by hour',
  minutes_from  DATETIME NOT NULL COMMENT 'an hour''s beginning: all that happened since is there by minute',
  hours_until   DATETIME NULL COMMENT 'an hour''s beginning: all from hours_from up to it is there by hour; NULL where it is minutes_from',
  first_commit  DATETIME(3) NULL COMMENT 'of the first micro-batch that there was; NULL while it is in batches',
  PRIMARY KEY (only_row)
);
