"""The archive: every moment of a keyword in every video, in PostgreSQL. Optional; imported where its setting is set."""
