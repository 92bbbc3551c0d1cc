"""Signals: hints that a video may be ready. Each one queues a job; extraction finds out if it is true."""
