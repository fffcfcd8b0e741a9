"""Tepui: one cluster, many frameworks, shared by resource offers."""

__version__ = "0.1.0.dev0"
