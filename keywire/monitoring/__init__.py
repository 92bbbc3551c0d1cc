"""How a running Keywire is: what is looked at, noted and judged."""
