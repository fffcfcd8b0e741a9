"""Filters of a framework, as in the paper: "only nodes from list L" and "only nodes with at least R free"."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec

from tepui.model.v1.mesos import OfferFilters, Value
from tepui.model.v1.scheduler import AttributeConstraint, OfferConstraints
from tepui.model.values import thousandths
from tepui.scheduler.offers import Offer

UNWANTED_REFUSE_SECONDS = 3600.0
"""An offer of an agent that the framework never wants is declined for so long; changed filters end that."""

_Selector = AttributeConstraint.Selector
_Predicate = AttributeConstraint.Predicate


class Filters(msgspec.Struct, frozen=True):
    """Which offers a framework wants to see. Agents are named by their host names."""

    only_agents: frozenset[str] | None = None
    """None: any agent."""
    never_agents: frozenset[str] = frozenset()
    minimum: Mapping[str, float] = {}
    """An offer holds at least so much of each of these scalars."""

    def wants(self, offer: Offer) -> bool:
        """Whether the framework is to see `offer`. For masters that do not look at all of the filters."""
        if offer.hostname in self.never_agents:
            return False
        if self.only_agents is not None and offer.hostname not in self.only_agents:
            return False
        return all(offer.left.scalar(name) >= thousandths(amount) for name, amount in self.minimum.items())

    def offer_filters(self, roles: Sequence[str]) -> dict[str, OfferFilters]:
        """The minimum as FrameworkInfo holds it."""
        if not self.minimum:
            return {}
        quantities = OfferFilters.ResourceQuantities(quantities=self._scalars())
        least = OfferFilters.MinAllocatableResources(quantities=[quantities])
        return {role: OfferFilters(min_allocatable_resources=least) for role in roles}

    def offer_constraints(self, roles: Sequence[str]) -> OfferConstraints | None:
        """The agents as constraints on their host names."""
        if self.only_agents is None and not self.never_agents:
            return None
        if self.only_agents is not None:
            wanted = sorted(self.only_agents - self.never_agents)
            groups = [[_Predicate(text_equals=_Predicate.TextEquals(value=host))] for host in wanted]
        else:
            unwanted = sorted(self.never_agents)
            groups = [[_Predicate(text_not_equals=_Predicate.TextNotEquals(value=host)) for host in unwanted]]
        constraints = OfferConstraints.RoleConstraints(groups=[_group(predicates) for predicates in groups])
        return OfferConstraints(role_constraints=dict.fromkeys(roles, constraints))

    def _scalars(self) -> dict[str, Value.Scalar]:
        return {name: Value.Scalar(value=amount) for name, amount in self.minimum.items()}


def make_filters(
    only_agents: Collection[str] | None, never_agents: Collection[str], minimum: Mapping[str, float] | None
) -> Filters:
    """Raises ValueError when no agent could ever pass."""
    only = None if only_agents is None else frozenset(only_agents)
    if only is not None and not only - frozenset(never_agents):
        raise ValueError("The filters leave no agent: only_agents is empty, or all of it is in never_agents")
    return Filters(only, frozenset(never_agents), dict(minimum or {}))


def _group(predicates: list[AttributeConstraint.Predicate]) -> OfferConstraints.RoleConstraints.Group:
    host = _Selector(pseudoattribute_type=_Selector.PseudoattributeType.HOSTNAME)
    return OfferConstraints.RoleConstraints.Group(
        attribute_constraints=[AttributeConstraint(selector=host, predicate=predicate) for predicate in predicates]
    )
