"""Tally, second version: counts different words too, and leaves short ones out. Its halves talk in JSON now."""

VERSION = "2.0"
