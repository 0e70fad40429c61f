"""The Spark job: two streaming queries over one topic, archive and aggregate."""
