"""`kshot limits`: what the service allows, and how much of it is used."""

from typing import TYPE_CHECKING

from service import screen
from service.terminal import LOCAL, AsJson, Url, clear_errors, connect, print_json

if TYPE_CHECKING:
    from service.allowances import Quotas


NONE = "no limit"


def limits(url: Url = LOCAL, as_json: AsJson = False) -> None:
    """Show what one request may hold, what the tenant of KSHOT_API_KEY may store and send, and what it has."""
    with clear_errors(), connect(url) as kshot:
        found = kshot.limits()
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    fields = found.model_dump(exclude={"quotas"}).items()
    requests = [(name.removeprefix("max_").replace("_", " "), f"{value:,}") for name, value in fields]
    screen.show(
        screen.table("one request", "at most", rows=requests),
        "",
        screen.table("the tenant", "at most", "now", rows=rows(found.quotas)),
    )


def rows(quotas: "Quotas") -> list[tuple[str, str, str]]:
    """A line for each quota: its name, its limit, what is used of it."""
    lines = []
    for name in ("tasks", "examples", "bytes", "in_flight"):
        quota = getattr(quotas, name)
        lines.append((name.replace("_", " "), NONE if quota.limit is None else f"{quota.limit:,}", f"{quota.used:,}"))
    rate = quotas.requests
    if rate.per_s is None:
        return [*lines, ("requests a second", NONE, "")]
    return [*lines, ("requests a second", f"{rate.per_s:g}", f"{rate.available} of {rate.burst} may be sent at once")]
