"""Tables, whatever is in their cells."""

from __future__ import annotations

from tepui.cli.output import NAME_CHARACTERS_MAX, Column, table


def test_what_others_wrote_stays_in_its_cell() -> None:
    """Neither a line of its own, nor an escape sequence, nor a column that is wider than a screen."""
    columns = [Column("NAME", lambda row: row["name"], name=True), Column("WHY", lambda row: row["why"])]
    rows = [
        {"name": "a", "why": "no\nfolder"},
        {"name": "\x1b[2Jb", "why": "\x9b31m"},
        {"name": "c" * 300 + "/end", "why": "é…"},
    ]
    head, *lines = table(columns, rows, "").splitlines()
    assert [line.split() for line in lines[:2]] == [["a", "no\\nfolder"], ["\\x1b[2Jb", "\\x9b31m"]]
    assert lines[2].endswith("/end  é…")
    assert {line.index(word) for line, word in ((head, "WHY"), (lines[0], "no"))} == {NAME_CHARACTERS_MAX + 2}
