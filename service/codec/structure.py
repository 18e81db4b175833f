"""How much structure a body may have, counted before it is parsed, because parsing is on the event loop.

A body of 32 MiB may hold millions of unknown names: to parse them and to report each would take half a minute and
gigabytes. So may it hold millions of numbers.
"""

import re
from collections.abc import Iterator
from itertools import islice

from service.errors import BodyTooLarge
from service.settings import Settings

# a text with its escapes, taken whole so that nothing in it counts; or what opens an object, a list or a value
TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[{\[:]', re.DOTALL)
# such a text, or what lies before the next text, list or object begins: numbers and commas
NUMBERS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|([^["{]++)', re.DOTALL)

TOKENS_OF_A_ROW = 64  # an example with every field needs 13, each of several labels one more, each slot 8
TOKENS_OF_METADATA = 20_000
LONGEST = 131_072  # numbers in a row, whatever models take: what was meant for another model is told its path
SPARE_NUMBERS = 500_000  # beside inputs: targets, say
NUMBER_BYTES = 80  # of memory that a number takes while it is parsed, beside its digits


def check_structure(body: bytes, settings: Settings, widest: int = 0) -> int:
    """Raise BodyTooLarge for a body with more structure than the largest request needs; about what parsing it takes.

    `widest` is the longest list of numbers that a model takes.
    """
    max_rows = max(settings.max_examples, settings.max_inputs)
    limit = TOKENS_OF_A_ROW * max_rows + TOKENS_OF_METADATA
    if len(body) > limit and _most(body) > limit and sum(1 for _ in islice(TOKEN.finditer(body), limit + 1)) > limit:
        raise BodyTooLarge(f"The body holds more than {limit} objects, lists, names and texts.")
    return NUMBER_BYTES * _check_numbers(body, max(widest, LONGEST), max_rows * widest + SPARE_NUMBERS, limit)


def _check_numbers(body: bytes, longest: int, most: int, limit: int) -> int:
    """A bound on how many there are. Raises BodyTooLarge for more than `most`, or than `longest` one after another.

    There are at most `limit` texts, lists and objects, so that no walk has many more steps.
    """
    bound = body.count(b",")  # which takes no time, but counts what is inside texts too
    if bound <= most and (bound <= longest or (body.count(b"]") <= limit and max(_commas(body)) <= longest)):
        return bound
    total = 0
    for found in NUMBERS.finditer(body):
        count = body.count(b",", *found.span(1)) if found[1] else 0
        total += count
        if count > longest or total > most:
            raise BodyTooLarge(f"The body holds more than {most} numbers, or {longest} one after another.")
    return total


def _commas(body: bytes) -> Iterator[int]:
    """How many there are before each end of a list, and behind the last."""
    start = 0
    while (end := body.find(b"]", start)) >= 0:
        yield body.count(b",", start, end)
        start = end + 1
    yield body.count(b",", start)


def _most(body: bytes) -> int:
    """A bound on the number of tokens that takes no time: it also counts what is inside texts."""
    return (body.count(b'"') + 1) // 2 + sum(body.count(mark) for mark in (b"{", b"[", b":"))
