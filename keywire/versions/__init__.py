"""Versions of documents in Blob Storage, and the outbox that publishes their events."""
