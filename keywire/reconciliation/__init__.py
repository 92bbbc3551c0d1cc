"""Reconciliation: compare Video Indexer's list with the documents, and queue what is missing or outdated."""
