"""The triggers: each module parses one kind, calls `keywire` and shapes the reply. No logic."""
