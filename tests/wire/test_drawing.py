"""Large answers in parts: together they are what the whole would be."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tepui.model.drawn import WHOLE_PARTS_MAX, Drawn, Rows, Tree
from tepui.model.v1.master import Response
from tepui.model.v1.mesos import AgentInfo
from tepui.wire.drawing import draw
from tepui.wire.json import encode_json, wrap_jsonp
from tepui.wire.media import MediaType, decode

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3) | st.just(float("inf")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=5,
)


def as_is(item: Any) -> Any:
    return item


def flat(items: Sequence[object]) -> Rows:
    return Rows(items, as_is, 2)


def trees(rows: st.SearchStrategy[Rows]) -> st.SearchStrategy[Tree]:
    return st.dictionaries(st.text(max_size=2), PLAIN | rows, max_size=4)


FLAT = st.lists(PLAIN, max_size=5).map(flat)
NESTED = st.lists(trees(FLAT), max_size=4).map(lambda items: Rows(items, as_is, within=lambda _: 1))
TREES = st.recursive(trees(FLAT | NESTED), lambda inner: st.dictionaries(st.text(max_size=2), inner, max_size=3))


@given(TREES)
def test_any_tree_drawn_is_what_it_is_whole(tree: Tree) -> None:
    assert b"".join(draw(Drawn(tree))) == encode_json(Drawn(tree).whole())
    assert b"".join(draw(Drawn(tree), jsonp="cb")) == wrap_jsonp("cb", encode_json(Drawn(tree).whole()))


def test_a_tree_can_be_made_in_steps_in_which_nothing_is_written() -> None:
    def made() -> Generator[None, None, Tree]:
        yield
        yield
        return {"rows": flat([1, 2, 3])}

    assert list(draw(Drawn(made(), parts=1))) == [b"", b"", b'{"rows":', b"[1,2", b",3", b"]", b"}"]
    assert Drawn(made(), parts=1).whole() == {"rows": [1, 2, 3]}


def test_entries_are_made_when_their_part_is_asked_for() -> None:
    made: list[int] = []

    def make(item: int) -> int:
        made.append(item)
        return item

    parts = draw(Drawn({"rows": Rows(range(100), make, 10)}))
    assert [next(parts) for _ in range(3)] == [b'{"rows":', b"[0,1,2,3,4,5,6,7,8,9", b",10,11,12,13,14,15,16,17,18,19"]
    assert made == list(range(20))


def test_what_is_small_is_told_by_its_parts() -> None:
    assert Drawn({"a": {"b": Rows(range(WHOLE_PARTS_MAX * 10), as_is, 10)}, "c": []}).is_small
    assert not Drawn({"a": Rows(range(WHOLE_PARTS_MAX * 10), as_is, 10), "c": Rows([1], as_is)}).is_small
    assert not Drawn({"a": Rows([1], as_is, within=lambda _: WHOLE_PARTS_MAX)}).is_small


def test_readers_of_protobuf_merge_the_parts() -> None:
    """Also those that are empty but there."""
    infos = [AgentInfo(hostname=f"h{number}") for number in range(5)]
    tree = {
        "type": Response.Type.GET_STATE,
        "get_state": {
            "get_tasks": {"tasks": Rows([], as_is)},
            "get_agents": {"recovered_agents": Rows(infos, as_is, 2)},
        },
    }
    parts = list(draw(Drawn(tree, Response), MediaType.PROTOBUF))
    assert len(parts) == 4
    assert decode(MediaType.PROTOBUF, Response, b"".join(parts)) == Response(
        type=Response.Type.GET_STATE,
        get_state=Response.GetState(
            get_tasks=Response.GetTasks(), get_agents=Response.GetAgents(recovered_agents=infos)
        ),
    )
