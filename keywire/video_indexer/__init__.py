"""Video Indexer's API, as far as Keywire uses it: tokens, Get Video Index, List Videos, limits and errors."""
