"""Keyword documents: what Keywire stores about one version of a video. Pure."""
