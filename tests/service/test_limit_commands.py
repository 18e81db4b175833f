"""`kshot limits`: limits and quotas, as a table and as JSON."""

from service.allowances import Quota, Quotas, Rate
from service.limit_commands import rows

NONE = Quota(limit=None, used=0)


def test_quotas_are_told_with_what_is_used() -> None:
    rate = Rate(per_s=2.5, burst=5, available=4)
    quotas = Quotas(tasks=Quota(limit=1_000, used=12), examples=NONE, bytes=NONE, in_flight=NONE, requests=rate)
    told = {name: rest for name, *rest in rows(quotas)}
    assert told["tasks"] == ["1,000", "12"] and told["in flight"] == ["no limit", "0"]
    assert told["requests a second"] == ["2.5", "4 of 5 may be sent at once"]
    free = quotas.model_copy(update={"requests": Rate(per_s=None, burst=None, available=None)})
    assert rows(free)[-1] == ("requests a second", "no limit", "")
