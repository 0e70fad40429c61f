"""A checkpoint that does not belong is refused, and a rebuild makes MySQL anew and goes on exactly."""

from __future__ import annotations

import os

import pytest

from local.native.stack import Stack
from stores import mysql
from tests.integration.pipeline import FAULTS, assert_exact, minutes_ago, shop, spark_jobs

pytestmark = pytest.mark.integration

SEED = 20_260_315
EVENTS, OPEN_MINUTES = 10_000, 10


@pytest.fixture(scope="module")
def stopped(pipeline: Stack) -> Stack:
    """The stack with a shop that was counted, and Spark stopped."""
    assert shop(pipeline.settings, SEED, minutes_ago(OPEN_MINUTES), OPEN_MINUTES, EVENTS, **FAULTS).wait() == 0
    assert_exact(pipeline)
    pipeline.stop("spark")
    return pipeline


@pytest.mark.parametrize("loss", ["lost", "another stack's"])
def test_a_checkpoint_that_does_not_belong_is_refused(stopped: Stack, loss: str) -> None:
    checkpoint = stopped.settings.checkpoints_dir / stopped.settings.domain / "aggregate"
    kept = checkpoint.with_name("kept")
    checkpoint.rename(kept)
    if loss != "lost":
        checkpoint.mkdir()
        for path in kept.iterdir():
            (checkpoint / path.name).symlink_to(path)
        (checkpoint / "checkpoint_id").unlink()
        (checkpoint / "checkpoint_id").write_text("11111111-2222-4333-8444-555555555555")
    refused = spark_jobs(stopped.settings)
    assert refused.returncode == os.EX_CONFIG
    assert loss in refused.stdout
    assert "make rebuild" in refused.stdout
    if loss != "lost":
        for path in checkpoint.iterdir():
            path.unlink()
        checkpoint.rmdir()
    kept.rename(checkpoint)


def test_rebuild_recomputes_mysql_and_goes_on(stopped: Stack) -> None:
    settings = stopped.settings
    with mysql.connected(settings, "root", settings.domain) as connection, mysql.transaction(connection) as cursor:
        cursor.execute("DELETE FROM checkpoints")
        cursor.execute("UPDATE sales_by_minute SET revenue_cents = revenue_cents + 1")
        cursor.execute("DELETE FROM sessions")
    assert spark_jobs(settings).returncode == os.EX_CONFIG
    rebuilt = spark_jobs(settings, "rebuild")
    assert rebuilt.returncode == 0, rebuilt.stdout[-3000:]
    assert shop(settings, SEED + 1, minutes_ago(OPEN_MINUTES), OPEN_MINUTES, EVENTS, **FAULTS).wait() == 0
    stopped.start("spark")
    assert_exact(stopped)
