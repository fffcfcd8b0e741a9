"""Counts words, as mapper and reducer of the demonstration. It runs alone, on the standard library.

words.py map BYTES_PER_SECOND     reads text, writes each word with how often it came
words.py reduce                   reads sorted words with numbers, writes each word with their sum
"""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby

AHEAD_SECONDS_MAX = 0.05

_WORD = re.compile(r"[^\W\d_]+")


def words_of(text: str) -> list[str]:
    """Words are letters in a row, and are the same in capitals."""
    return _WORD.findall(text.lower())


def map_words(lines: Iterable[bytes], bytes_per_second: float) -> Counter[str]:
    """The words of `lines`, read no faster than so: tasks then last about as long on every machine. What is not UTF-8
    divides words."""
    counts: Counter[str] = Counter()
    begun_at = time.monotonic()
    bytes_read = 0
    for line in lines:
        bytes_read += len(line)
        counts.update(words_of(line.decode("utf-8", "replace")))
        ahead = bytes_read / bytes_per_second - (time.monotonic() - begun_at)
        if ahead > AHEAD_SECONDS_MAX:
            time.sleep(ahead)
    return counts


def read_counts(lines: Iterable[bytes]) -> Iterator[tuple[str, int]]:
    """Lines of `word TAB number`."""
    for line in lines:
        word, _, number = line.decode().partition("\t")
        yield word, int(number)


def reduce_words(lines: Iterable[bytes]) -> Iterator[tuple[str, int]]:
    """The sums of words that stand together."""
    for word, found in groupby(read_counts(lines), key=lambda entry: entry[0]):
        yield word, sum(number for _, number in found)


def main(arguments: list[str]) -> None:
    match arguments:
        case ["map", bytes_per_second]:
            counts: Iterable[tuple[str, int]] = map_words(sys.stdin.buffer, float(bytes_per_second)).items()
        case ["reduce"]:
            counts = reduce_words(sys.stdin.buffer)
        case _:
            raise SystemExit(__doc__)
    for word, number in counts:
        sys.stdout.buffer.write(f"{word}\t{number}\n".encode())


if __name__ == "__main__":
    main(sys.argv[1:])
