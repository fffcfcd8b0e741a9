"""Tally, first version: counts the words of files, one task a file."""

VERSION = "1.0"
