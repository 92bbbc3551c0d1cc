"""CloudEvents about versions of keyword documents. Pure."""
