"""API keys: how they are made, and who may do what with one.

A key reads kshot_<prefix>_<secret>: the prefix finds it, and is shown; of the secret, 256 random bits, only the
SHA-256 is stored, which needs no salt and no slowness where there is nothing to guess.
"""

import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Literal, TypeAlias, get_args

from service.errors import Forbidden, Unauthenticated
from service.storage.api_keys import StoredKey

Scope: TypeAlias = Literal["adapt", "predict", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

FORM = re.compile(r"kshot_([0-9a-f]{12})_([0-9a-f]{64})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Token:
    """A key as a client sends it."""

    prefix: str
    secret: str

    def __str__(self) -> str:
        return f"kshot_{self.prefix}_{self.secret}"

    def __repr__(self) -> str:  # so that no log or traceback can show the secret
        return f"Token({self.prefix!r})"


def new_token() -> Token:
    """A key that nobody can guess."""
    return Token(secrets.token_hex(6), secrets.token_hex(32))


def read_token(text: str) -> Token:
    """The key in a text. Raises Unauthenticated."""
    found = FORM.fullmatch(text)
    if found is None:
        raise Unauthenticated("This is not an API key: expected kshot_<prefix>_<secret>.")
    return Token(*found.groups())


def digest(secret: str) -> str:
    """What is stored of a secret."""
    return sha256(secret.encode()).hexdigest()


def check_secret(token: Token, key: StoredKey | None) -> StoredKey:
    """The stored key, if the token holds its secret. Raises Unauthenticated, alike for every key that is not one."""
    if key is None or not hmac.compare_digest(digest(token.secret), key.digest):
        raise Unauthenticated("There is no such API key.")
    return key


def check_right(key: StoredKey, scope: Scope, now: datetime) -> None:
    """Raise Unauthenticated for a key that is no longer valid, Forbidden for one that was not given this scope."""
    if key.revoked_at is not None:
        raise Unauthenticated(f"The key kshot_{key.prefix} has been revoked.")
    if key.expires_at is not None and key.expires_at <= now:
        raise Unauthenticated(f"The key kshot_{key.prefix} has expired.")
    if not {scope, "admin"} & set(key.scopes):
        raise Forbidden(f"This needs a key with the scope {scope!r}; kshot_{key.prefix} has {', '.join(key.scopes)}.")
