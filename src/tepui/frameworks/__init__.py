"""Frameworks that come in the box, on the public libraries only."""
