"""What a tenant may store and send, as it goes over the wire."""

from service.schemas import Limits, Response


class Quota(Response):
    """How much a tenant may have, null for no limit, and how much it has."""

    limit: int | None
    used: int


class Rate(Response):
    """Requests a second that a tenant may send to one process, and how many at once; null where there is no limit."""

    per_s: float | None
    burst: int | None
    available: int | None


class Quotas(Response):
    """What a tenant may store and send. Bytes are those of inputs, features and params, of all versions kept."""

    tasks: Quota
    examples: Quota
    bytes: Quota
    in_flight: Quota
    requests: Rate


class TenantLimits(Limits):
    """What one request may hold, and what its tenant may store and send."""

    quotas: Quotas
