"""Measurements of Keywire: ratios against a floor and a baseline of the same run, figures that repeat."""
