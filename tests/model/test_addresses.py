"""Addresses as people write them, the same for servers and commands."""

from __future__ import annotations

import pytest

from tepui.model.addresses import AddressError, host_and_port, parse_host_and_port


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("h", ("h", 5050)),
        (" h:1 ", ("h", 1)),
        ("http://h.example:8080/", ("h.example", 8080)),
        ("[::1]:5051", ("::1", 5051)),
        ("[::1]", ("::1", 5050)),
        ("[fe80::1%eth0]:1", ("fe80::1%eth0", 1)),
    ],
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    assert parse_host_and_port(text) == address
    assert parse_host_and_port(host_and_port(*address)) == address


@pytest.mark.parametrize(
    "text",
    ["", ":1", "h:", "h:0", "h:65536", "h:x", "h:１", "h h:1", "h:1/x", "u@h:1", "a..b:1", "[h]:1", "[h"],
)
def test_texts_that_are_no_address(text: str) -> None:
    with pytest.raises(AddressError) as refused:
        parse_host_and_port(text)
    assert str(refused.value) == f"expects HOST:PORT, such as 127.0.0.1:5050, not '{text}'"


@pytest.mark.parametrize("text", ["::1", "::1:5050", "fe80::1%eth0:5050", "::1]", "[::1", "[::1]x"])
def test_an_ipv6_address_stands_in_brackets(text: str) -> None:
    with pytest.raises(AddressError, match=r": IPv6 addresses stand in brackets, such as \[::1\]:5050$"):
        parse_host_and_port(text)
