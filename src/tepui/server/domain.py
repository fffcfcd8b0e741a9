"""Fault domains from flags."""

from __future__ import annotations

from tepui.model.v1.mesos import DomainInfo


def fault_domain(names: dict[str, str]) -> DomainInfo:
    """A fault domain from the names of its region and zone."""
    return DomainInfo(
        fault_domain=DomainInfo.FaultDomain(
            region=DomainInfo.FaultDomain.RegionInfo(name=names["region"]),
            zone=DomainInfo.FaultDomain.ZoneInfo(name=names["zone"]),
        )
    )
