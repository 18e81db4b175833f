"""What a key is, and what one allows."""

import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service import keys
from service.errors import Forbidden, Unauthenticated
from service.keys import check_right, check_secret, digest, new_token, read_token
from tests.service.samples import stored

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def test_a_key_is_read_as_it_was_written() -> None:
    token = new_token()
    assert read_token(str(token)) == token
    assert len(bytes.fromhex(token.secret)) * 8 == 256
    assert new_token().secret != token.secret


@pytest.mark.parametrize("text", ["", "kshot_", "kshot_0123456789ab_", "x" * 10_000, "kshot_0123456789AB_" + "0" * 64])
def test_what_is_not_a_key(text: str) -> None:
    with pytest.raises(Unauthenticated):
        read_token(text)
    with pytest.raises(Unauthenticated):
        read_token(str(new_token()) + "\n")


def test_only_the_digest_is_stored_and_nothing_shows_the_secret() -> None:
    token = new_token()
    assert token.secret not in repr(token) and token.secret not in repr(stored(token, "adapt"))
    assert stored(token, "adapt").digest == digest(token.secret)


def test_the_secret_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[Any, Any]] = []

    def compare(one: Any, two: Any) -> bool:
        compared.append((one, two))
        return hmac.compare_digest(one, two)

    monkeypatch.setattr(keys, "hmac", type("", (), {"compare_digest": staticmethod(compare)}))
    token, other = new_token(), new_token()
    key = stored(token, "adapt")
    assert check_secret(token, key) is key
    for wrong, found in ((keys.Token(token.prefix, other.secret), key), (token, None)):
        with pytest.raises(Unauthenticated, match="There is no such API key"):
            check_secret(wrong, found)
    assert compared == [(key.digest, key.digest), (digest(other.secret), key.digest)]


@pytest.mark.parametrize(
    ("scopes", "allowed"),
    [(["adapt"], {"adapt"}), (["predict"], {"predict"}), (["admin"], {"adapt", "predict", "admin"}), ([], set())],
)
def test_scopes(scopes: list[keys.Scope], allowed: set[str]) -> None:
    for scope in keys.SCOPES:
        if scope in allowed:
            check_right(stored(new_token(), *scopes), scope, NOW)
        else:
            with pytest.raises(Forbidden, match=scope):
                check_right(stored(new_token(), *scopes), scope, NOW)


def test_a_key_ends_at_its_moment() -> None:
    key = stored(new_token(), "admin", expires_at=NOW)
    check_right(key, "adapt", NOW - timedelta(microseconds=1))
    with pytest.raises(Unauthenticated, match="expired"):
        check_right(key, "adapt", NOW)
    with pytest.raises(Unauthenticated, match="revoked"):
        check_right(stored(new_token(), "admin", revoked_at=NOW), "adapt", NOW)
