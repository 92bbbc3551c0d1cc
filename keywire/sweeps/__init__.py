"""Comparing an account's list of videos with its documents, step by step."""
