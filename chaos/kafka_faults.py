"""Faults of Kafka and of the producer."""

from __future__ import annotations

from kafka import KafkaAdminClient, TopicPartition

from chaos.fault import fault
from chaos.mysql_faults import root
from chaos.scene import Scene
from stores import cassandra, mysql, progress

LEAD = 1000
"""Records."""


@fault(
    happens="Kafka is killed",
    outcome="producer and queries wait, try again and say so; what was acknowledged is there, nothing is sent twice",
    reported=("producer", r"Kafka"),
)
def kafka_killed(scene: Scene) -> None:
    scene.hold(0, 3)
    scene.stack.kill("kafka")
    scene.stack.wait_ready("kafka")


@fault(
    happens="Kafka is away for 15 s",
    outcome="as when it is killed",
    to_do="mend Kafka",
    reported=("producer", r"Kafka does not answer"),
)
def kafka_down(scene: Scene) -> None:
    scene.stack.stop("kafka")
    scene.hold(10, 15)
    scene.stack.start("kafka")


@fault(
    happens="Kafka stands still for 15 s",
    outcome="as when it is killed",
    reported=("producer", r"Kafka does not answer"),
)
def kafka_frozen(scene: Scene) -> None:
    with scene.frozen("kafka"):
        scene.hold(15, 20)


@fault(
    happens="Kafka has deleted records that Cassandra has, but MySQL has not yet",
    outcome="Spark refuses to run, exit code 78, and says which offsets are gone",
    to_do="`make rebuild`: no event is lost, and raise `KAFKA_RETENTION_HOURS`",
    reported=("spark", r"Kafka has deleted"),
    rebuilds=True,
)
def kafka_retention_passed(scene: Scene) -> None:
    settings = scene.settings
    with (
        cassandra.connected(settings, "reader", settings.domain) as session,
        mysql.connected(settings, "reader", settings.domain) as connection,
    ):

        def lead() -> int:
            return progress.aggregated(connection).lag(progress.archived(session).offsets)

        with root(scene) as cursor:
            cursor.execute("SELECT * FROM checkpoints FOR UPDATE")  # the aggregates wait, the archive goes on
            cursor.fetchall()
            scene.wait_for("the archive is ahead", lambda: lead() > LEAD)
            scene.stack.kill("spark")
            scene.stack.stop("spark")  # before it is up again
        archived = progress.archived(session).offsets
    admin = KafkaAdminClient(bootstrap_servers=settings.kafka)
    admin.delete_records({TopicPartition(settings.events_topic, p): offset for p, offset in archived.items()})
    admin.close()
    scene.refuse_and_rebuild()


@fault(
    happens="the producer is killed with records in flight",
    outcome="the next one finds in the topic what had reached it, and counts it once",
    reported=("producer", r"simulating"),
)
def producer_killed(scene: Scene) -> None:
    scene.hold(0, 3)
    scene.stack.kill("producer")
