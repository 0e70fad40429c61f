"""Kafka, Cassandra and MySQL as the stack uses them: connections, outages, and the set-up of schema and users."""
