"""Identifiers that sort by the time they were made."""

import secrets
import time
from collections.abc import Sequence

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: its order is that of ASCII
CHARACTERS = frozenset(ALPHABET)
PAIRS = [first + second for first in ALPHABET for second in ALPHABET]
LENGTH = 26


def new_id(prefix: str) -> str:
    """An identifier such as task_01JD...: 48 bits of milliseconds, then 80 random bits."""
    return new_ids([prefix])[0]


def new_ids(prefixes: Sequence[str]) -> list[str]:
    """One of each prefix. Drawn together: each draw lets other threads run before it returns."""
    moment, draws = time.time_ns() // 1_000_000 << 80, secrets.token_bytes(10 * len(prefixes))
    numbers = [moment | int.from_bytes(draws[at : at + 10]) for at in range(0, len(draws), 10)]
    return [f"{prefix}_{_written(number)}" for prefix, number in zip(prefixes, numbers, strict=True)]


def is_id(text: str, prefix: str) -> bool:
    """Whether `new_id(prefix)` could have made this; anything else need not be looked up."""
    head, _, tail = text.partition("_")
    return head == prefix and len(tail) == LENGTH and CHARACTERS.issuperset(tail)


def _written(number: int) -> str:
    return "".join([PAIRS[number >> shift & 1023] for shift in range(5 * LENGTH - 10, -1, -10)])
