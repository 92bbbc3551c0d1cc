"""The triggers: each module parses one, calls `keywire` and shapes the reply. No logic."""
