"""Signals: hints that a video may be ready. Each becomes a job; none is believed."""
