"""Offer constraints: which agents a framework wants to see in a role, compiled once and asked often.

An agent passes when it passes every constraint of one group at least (protocol, semantics 7.3). Regular expressions are
RE2's, which need time linear in the text whatever the pattern, and are bounded in memory and program size as Mesos
bounds them: a framework must not be able to slow the allocator down.

Groups of a single `HOSTNAME equals` (or of any other equality) are gathered into one set of texts, so that a list of a
thousand hosts costs one look-up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import re2

from tepui.model.v1.mesos import Attribute, Value
from tepui.model.v1.scheduler import AttributeConstraint, OfferConstraints

RE2_MEMORY_BYTES_MAX = 4096
RE2_PROGRAM_SIZE_MAX = 100
"""The defaults of `--offer_constraints_re2_max_mem` and `--offer_constraints_re2_max_program_size`."""
MATCHES_REMEMBERED_MAX = 1024
"""So many texts with their verdicts each pattern remembers; then its memory is emptied."""

_Pseudo = AttributeConstraint.Selector.PseudoattributeType
_TEXT = Value.Type.TEXT

Text: TypeAlias = str | bool | None
"""What a selector finds: a text; True for an attribute that is not text; None when there is nothing."""
Selector: TypeAlias = Callable[["Description"], Text]
Test: TypeAlias = Callable[[Text], bool]


class ConstraintError(ValueError):
    """The constraints cannot be used; the text says why."""


class RegexLimits(NamedTuple):
    """How large a regular expression may be."""

    memory_bytes_max: int = RE2_MEMORY_BYTES_MAX
    program_size_max: int = RE2_PROGRAM_SIZE_MAX


class Description:
    """What constraints see of an agent."""

    __slots__ = ("attributes", "hostname", "region", "zone")

    def __init__(
        self, hostname: str = "", attributes: Sequence[Attribute] = (), domain: tuple[str, str] | None = None
    ) -> None:
        self.hostname = hostname
        self.region: str | None = None if domain is None else domain[0]
        self.zone: str | None = None if domain is None else domain[1]
        self.attributes: dict[str, Text] = {}
        """The first attribute of each name."""
        for attribute in attributes:
            text: Text = True
            if attribute.type is _TEXT:
                text = "" if attribute.text is None else attribute.text.value
            self.attributes.setdefault(attribute.name, text)


class Constraints:
    """The constraints of one framework in one role."""

    __slots__ = ("_equal", "_groups", "source")

    def __init__(self, source: OfferConstraints.RoleConstraints, limits: RegexLimits) -> None:
        self.source = source
        self._equal: list[tuple[Selector, set[str]]] = []
        """Groups of one equality each, those of one selector together."""
        self._groups: list[list[tuple[Selector, Test]]] = []
        equal: dict[object, tuple[Selector, set[str]]] = {}
        for group in source.groups:
            constraints = group.attribute_constraints
            if len(constraints) == 1 and constraints[0].predicate.text_equals is not None:
                selector = constraints[0].selector
                key = (selector.attribute_name, selector.pseudoattribute_type)
                if key not in equal:
                    equal[key] = (_selector(selector), set())
                    self._equal.append(equal[key])
                equal[key][1].add(constraints[0].predicate.text_equals.value)
            else:
                self._groups.append([(_selector(each.selector), _test(each.predicate, limits)) for each in constraints])

    def admit(self, agent: Description) -> bool:
        """Whether the framework may be offered the agent."""
        for selector, texts in self._equal:
            text = selector(agent)
            if text is True or text in texts:
                return True
        return any(all(test(selector(agent)) for selector, test in group) for group in self._groups)


def compile_constraints(
    constraints: OfferConstraints | None, limits: RegexLimits | None = None
) -> dict[str, Constraints]:
    """By role, for valid constraints (`tepui.model.validation`). Raises ConstraintError over a regular expression."""
    if constraints is None:
        return {}
    limits = limits or RegexLimits()
    return {role: Constraints(source, limits) for role, source in constraints.role_constraints.items()}


def _selector(selector: AttributeConstraint.Selector) -> Selector:
    pseudo = selector.pseudoattribute_type
    if pseudo is _Pseudo.HOSTNAME:
        return lambda agent: agent.hostname
    if pseudo is _Pseudo.REGION:
        return lambda agent: agent.region
    if pseudo is _Pseudo.ZONE:
        return lambda agent: agent.zone
    name = selector.attribute_name or ""
    return lambda agent: agent.attributes.get(name)


def _test(predicate: AttributeConstraint.Predicate, limits: RegexLimits) -> Test:
    """The table of predicates. On an attribute that is not text everything but `not_exists` holds."""
    if predicate.exists is not None:
        return lambda text: text is not None
    if predicate.not_exists is not None:
        return lambda text: text is None
    if predicate.text_equals is not None:
        value = predicate.text_equals.value
        return lambda text: text is True or text == value
    if predicate.text_not_equals is not None:
        other = predicate.text_not_equals.value
        return lambda text: text is True or text != other
    if predicate.text_matches is not None:
        matches = _matcher(predicate.text_matches.regex, limits)
        return lambda text: text is True or (isinstance(text, str) and matches(text))
    if predicate.text_not_matches is not None:
        matched = _matcher(predicate.text_not_matches.regex, limits)
        return lambda text: text is True or not (isinstance(text, str) and matched(text))
    raise ConstraintError("Unknown predicate type")


def _matcher(regex: str, limits: RegexLimits) -> Callable[[str], bool]:
    """Whether a whole text matches, with a memory: agents have few different texts."""
    options = re2.Options()
    options.max_mem = limits.memory_bytes_max
    options.log_errors = False
    try:
        pattern = re2.compile(regex, options)
    except re2.error as error:
        reason = error.args[0] if error.args else error
        text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise ConstraintError(f"Failed to construct regex from pattern '{regex}': {text}") from None
    size = pattern.programsize
    if size > limits.program_size_max:
        raise ConstraintError(
            f"Regex '{regex}' is too complex: program size of {size} is larger than the maximum of "
            f"{limits.program_size_max} allowed"
        )
    known: dict[str, bool] = {}

    def matches(text: str) -> bool:
        verdict = known.get(text)
        if verdict is None:
            if len(known) >= MATCHES_REMEMBERED_MAX:
                known.clear()
            verdict = known[text] = pattern.fullmatch(text) is not None
        return verdict

    return matches
