"""A short prediction that came whole, at a glance: a parser would make more of it than a refusal needs.

Only what is plainly one is taken for it; whatever is unusual goes to the parser, as it would without this.
"""

import re
from typing import Final

PLAIN: Final = re.compile(rb"POST /[!\"$->@-~]*/predictions HTTP/1\.1(?:\r\n[A-Za-z0-9-]++:[\t -~]*+)*+")
LENGTH: Final = b"\r\ncontent-length:"
UNUSUAL: Final = (b"\r\ntransfer-encoding:", b"\r\nupgrade:", b"\r\nexpect:")
CONNECTION: Final = b"\r\nconnection:"
KEPT: Final = b"\r\nconnection: keep-alive\r\n"
KEY: Final = b"\r\nauthorization:"


def refusable(data: bytes, max_bytes: int) -> tuple[bool, str | None]:
    """Whether this is such a request, whole and no more, with a body of so much at most; and its credential, if any."""
    head, end, body = data.partition(b"\r\n\r\n")
    if not end or len(body) > max_bytes or PLAIN.fullmatch(head) is None:
        return False, None
    names = head.lower() + b"\r\n"
    if names.count(LENGTH) != 1 or _value(names, names, LENGTH) != str(len(body)):
        return False, None
    if any(name in names for name in UNUSUAL) or (CONNECTION in names and names.count(CONNECTION) > names.count(KEPT)):
        return False, None
    return True, _value(names, head + b"\r\n", KEY) if KEY in names else None


def _value(names: bytes, head: bytes, name: bytes) -> str:
    begin = names.index(name) + len(name)
    return str(head[begin : head.index(b"\r\n", begin)].strip(b" \t"), "latin-1")
