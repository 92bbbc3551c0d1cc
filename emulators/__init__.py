"""Stand-ins for Azure on one machine. Each package's docstring lists what it leaves out."""
