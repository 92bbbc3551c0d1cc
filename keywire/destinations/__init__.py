"""Destinations: where the outbox sends events."""
