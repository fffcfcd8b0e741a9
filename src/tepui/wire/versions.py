"""Versions as peers see them."""

from __future__ import annotations

MESOS_VERSION = "1.11.0"
"""The version of Apache Mesos whose APIs are spoken. Clients read it to know what they may use, so /version and
MasterInfo tell it; Tepui's own version stands beside it."""


def build_facts(software_version: str) -> dict[str, object]:
    """What /version tells: Mesos's keys, and `tepui_version`."""
    return {
        "build_date": "",
        "build_time": 0.0,
        "build_user": "",
        "tepui_version": software_version,
        "version": MESOS_VERSION,
    }
