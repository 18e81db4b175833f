"""Identifiers that sort by the time they were made."""

import secrets
import time

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: its order is that of ASCII
CHARACTERS = frozenset(ALPHABET)
PAIRS = [first + second for first in ALPHABET for second in ALPHABET]
LENGTH = 26


def new_id(prefix: str) -> str:
    """An identifier such as task_01JD...: 48 bits of milliseconds, then 80 random bits."""
    number = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    return f"{prefix}_" + "".join([PAIRS[number >> shift & 1023] for shift in range(5 * LENGTH - 10, -1, -10)])


def is_id(text: str, prefix: str) -> bool:
    """Whether `new_id(prefix)` could have made this; anything else need not be looked up."""
    head, _, tail = text.partition("_")
    return head == prefix and len(tail) == LENGTH and CHARACTERS.issuperset(tail)
