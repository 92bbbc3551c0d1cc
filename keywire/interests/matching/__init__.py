"""Match a document against millions of interests, and explain each match. Pure."""
