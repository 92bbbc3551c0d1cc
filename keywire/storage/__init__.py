"""Small building blocks on Blob Storage: names, notes, leases, compare-and-swap."""
