"""How much structure a body may have, counted before it is parsed, because parsing is on the event loop.

A body of 32 MiB may hold millions of unknown names: to parse them and to report each would take half a minute and
gigabytes.
"""

import re
from itertools import islice

from service.errors import BodyTooLarge
from service.settings import Settings

# a text with its escapes, taken whole so that nothing in it counts; or what opens an object, a list or a value
TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[{\[:]', re.DOTALL)

TOKENS_OF_A_ROW = 64  # an example with every field needs 13, each of several labels one more, each slot 8
TOKENS_OF_METADATA = 20_000
MAX_NUMBERS = 4_000_000  # 5,000 vectors of 768


def check_structure(body: bytes, settings: Settings) -> None:
    """Raise BodyTooLarge for a body with more structure than the largest request needs."""
    if body.count(b",") > MAX_NUMBERS:
        raise BodyTooLarge(f"The body holds more than {MAX_NUMBERS} values.")
    limit = TOKENS_OF_A_ROW * max(settings.max_examples, settings.max_inputs) + TOKENS_OF_METADATA
    if _most(body) > limit and sum(1 for _ in islice(TOKEN.finditer(body), limit + 1)) > limit:
        raise BodyTooLarge(f"The body holds more than {limit} objects, lists, names and texts.")


def _most(body: bytes) -> int:
    """A bound on the number of tokens that takes no time: it also counts what is inside texts."""
    return (body.count(b'"') + 1) // 2 + sum(body.count(mark) for mark in (b"{", b"[", b":"))
