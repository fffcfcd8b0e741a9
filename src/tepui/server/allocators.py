"""The allocator that the flags ask for."""

from __future__ import annotations

from tepui.allocator import Allocator, AllocatorOptions, DrfAllocator
from tepui.server.flags import Flags


def make_allocator(flags: Flags) -> Allocator:
    """Fair sharing by dominant resources, the one policy there is so far."""
    weights, minimum = flags.value("weights"), flags.value("min_allocatable_resources")
    return DrfAllocator(
        AllocatorOptions(
            min_allocatable_resources=minimum if isinstance(minimum, list) else [],
            filter_gpu_resources=flags.switch("filter_gpu_resources"),
            allocation_interval_seconds=flags.seconds("allocation_interval"),
            weights=weights if isinstance(weights, dict) else {},
        )
    )
