"""The clients and use cases of one process."""
