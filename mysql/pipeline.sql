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

-- The ids of the events that were counted, by the minute in which they occurred: 16 bytes each, those of one
-- micro-batch in one value. They are written in the transaction that counts the events, so that no duplicate is ever
-- counted, whatever crashes; and deleted when the contract's bound for late events has passed.
CREATE TABLE IF NOT EXISTS seen_ids (
  minute    DATETIME NOT NULL COMMENT 'of occurred_at',
  batch_id  BIGINT NOT NULL,
  ids       LONGBLOB NOT NULL,
  PRIMARY KEY (minute, batch_id)
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
  PRIMARY KEY (checkpoint_id, batch_id),
  KEY by_committed_at (committed_at)
);

-- How long events took from the broker to the commit in MySQL.
CREATE TABLE IF NOT EXISTS latency_by_minute (
  minute      DATETIME NOT NULL COMMENT 'of the commit',
  latency_ms  BIGINT NOT NULL COMMENT 'upper bound of the bucket: steps of 100 ms up to 10 s, of 10 s above',
  events      BIGINT NOT NULL,
  PRIMARY KEY (minute, latency_ms)
);

CREATE TABLE IF NOT EXISTS rejects_by_minute (
  minute   DATETIME NOT NULL COMMENT 'of appended_at, the broker''s time',
  reason   VARCHAR(64) NOT NULL COMMENT 'the kind of reason; its details are in the dead letter',
  rejects  BIGINT NOT NULL,
  PRIMARY KEY (minute, reason)
);

-- Expectations with the action keep.
CREATE TABLE IF NOT EXISTS expectations_by_minute (
  minute       DATETIME NOT NULL COMMENT 'of occurred_at',
  expectation  VARCHAR(64) NOT NULL,
  passed       BIGINT NOT NULL,
  failed       BIGINT NOT NULL,
  PRIMARY KEY (minute, expectation)
);
