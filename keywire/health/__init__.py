"""Health: checks of storage, queues, Video Indexer, interests and reconciliation."""
