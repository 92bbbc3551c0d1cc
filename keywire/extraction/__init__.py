"""Extraction: from a job to a published version of the video's keyword document."""
