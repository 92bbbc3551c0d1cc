"""Everything between a signal that a video is indexed and the events that consumers receive.

The folders follow the way of a signal: `signals`, `jobs`, `extraction`, `documents`, `versions`, `events`,
`destinations`. Nothing here imports `azure.functions`: triggers belong to `handlers`.
"""
