"""/livez, /readyz, /metrics: for whoever runs the service."""

from time import monotonic

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client.exposition import choose_encoder

from service.api.deps import Running, Service
from service.api.problems import documented
from service.errors import DatabaseUnavailable, FieldError, NotReady
from service.schemas import Health
from service.timeouts import within

router = APIRouter(tags=["health"])

CHECK_TIMEOUT_S = 2.0
AWAY = "does not answer"


@router.get("/", include_in_schema=False)
async def root(request: Request) -> dict[str, str]:
    """Where to begin; of interest to people alone."""
    below = request.scope.get("root_path", "")
    places = {"documentation": "/docs", "openapi": "/openapi.json", "models": "/v1/models", "tasks": "/v1/tasks"}
    return {name: below + path for name, path in places.items()}


@router.get("/livez")
async def livez() -> Health:
    """Whether the process answers at all; nothing else is asked."""
    return Health(status="alive")


@router.get("/readyz", responses=documented(NotReady))
async def readyz(request: Request, service: Running) -> Health:
    """Whether requests can be served: not draining, models loaded, device at work, database there and migrated.

    Degraded: the database is away, for so short a time that cached predictions are served, with KSHOT_MAX_STALENESS_S.
    """
    wrong, message = _faults(request.app, service), await _database_fault(service)
    if message == AWAY and not wrong and _may_serve(service):
        return Health(status="degraded")
    if message is not None:
        wrong.append(FieldError("database", message))
    if wrong:
        raise NotReady("; ".join(f"{each.path} {each.message}" for each in wrong), errors=wrong, retry_after_s=1)
    return Health(status="ready")


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    """Counters and histograms in the format of Prometheus."""
    encode, media_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(request.app.state.metrics.registry), media_type=media_type)


def _faults(app: FastAPI, service: Service) -> list[FieldError]:
    found = []
    if app.state.stopping.has_begun:
        found.append(FieldError("service", "is stopping"))
    if not service.catalog.names():
        found.append(FieldError("models", "are missing: none is loaded"))
    if not service.engine.is_healthy:
        found.append(FieldError("worker", "is dead"))
    return found


def _may_serve(service: Service) -> bool:
    """Whether anything that was read of the database could still be young enough to serve."""
    return monotonic() - service.database.circuit.answered_at < service.settings.max_staleness_s


async def _database_fault(service: Service) -> str | None:
    try:
        revision = await within(CHECK_TIMEOUT_S, service.database.check())
    except (DatabaseUnavailable, TimeoutError):
        return AWAY
    if revision in service.old_revisions:
        return "has an old schema: run `kshot migrate`"
    return None  # a revision that this build does not know is a newer one: deployments roll forward
