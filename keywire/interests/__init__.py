"""Interests: what customers care about, read from a file that people edit, and matched against documents."""
