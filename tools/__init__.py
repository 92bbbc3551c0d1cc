"""Developer commands; `dev.py` runs them."""
