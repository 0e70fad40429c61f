"""Where results go: Cassandra, the dead letter, MySQL."""
