"""The allocator that the flags ask for."""

from __future__ import annotations

from random import Random, SystemRandom

from tepui.allocator import Allocator, AllocatorOptions, Engine
from tepui.server.flags import Flags
from tepui.server.policies import HIERARCHICAL, SORTERS, policy_named


def make_allocator(flags: Flags, random: Random | None = None) -> Allocator:
    """The engine with the policy that `--allocator` names; those that draw use `random`, one of its own if none is
    given."""
    random = random or Random(SystemRandom().getrandbits(128))
    name = flags.text("allocator") or HIERARCHICAL[0]
    if name in HIERARCHICAL:
        role_policy = SORTERS[flags.text("role_sorter") or "drf"]
        framework_policy = SORTERS[flags.text("framework_sorter") or "drf"]
    else:
        role_policy = framework_policy = policy_named(name)
    return Engine(role_policy(random), framework_policy(random), allocator_options(flags))


def allocator_options(flags: Flags) -> AllocatorOptions:
    """What the flags say beside the policy."""
    weights, minimum = flags.value("weights"), flags.value("min_allocatable_resources")
    priorities, domain = flags.value("role_priorities"), flags.value("domain")
    excluded, share = flags.value("fair_sharing_excluded_resource_names"), flags.value("gathering_share")
    return AllocatorOptions(
        min_allocatable_resources=minimum if isinstance(minimum, list) else [],
        filter_gpu_resources=flags.switch("filter_gpu_resources"),
        allocation_interval_seconds=flags.seconds("allocation_interval"),
        fair_sharing_excluded_resource_names=excluded if isinstance(excluded, frozenset) else frozenset(),
        weights=weights if isinstance(weights, dict) else {},
        priorities=priorities if isinstance(priorities, dict) else {},
        region=domain["region"] if isinstance(domain, dict) else None,
        gathering_share_max=share if isinstance(share, float) else 0.0,
        gathering_patience_seconds=flags.seconds("gathering_patience"),
        gathering_seconds=flags.seconds("gathering_timeout"),
    )
