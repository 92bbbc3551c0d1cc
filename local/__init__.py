"""The local stack: plays Azure and Video Indexer on one machine, so that Keywire runs there unchanged.

Nothing in `keywire` or `handlers` knows of this package.
"""
