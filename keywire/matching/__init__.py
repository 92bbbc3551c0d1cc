"""Which interests a document concerns: words, an index of terms, and the rules that explain a match."""
