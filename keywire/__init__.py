"""Everything between a signal that a video is indexed and the events that tell of its keywords.

Imports nothing of `azure.functions`: triggers are the business of `handlers`.
"""
