"""kshot on Ray Serve: each replica is one service with a device of its own, all on one PostgreSQL (extra `scale`).

    RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH=service.api.proxied.in_proxy ray start --head
    serve run service.scale:fleet num_replicas=4 num_gpus=1

Serve's proxies choose a replica by how much each has under way, whatever its tasks: every replica serves every task.
"""

from typing import TYPE_CHECKING

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, NonNegativeFloat, PositiveFloat, PositiveInt

from service import logs
from service.api.proxied import RETRY_AFTER_S
from service.app import END_S, create_app
from service.errors import Overloaded
from service.settings import Settings

if TYPE_CHECKING:
    from ray.serve import Application


class Fleet(BaseModel):
    """How many replicas, and what each takes of its node. All else is in the KSHOT_* variables of the nodes."""

    model_config = ConfigDict(extra="forbid")

    num_replicas: PositiveInt = 1
    num_cpus: PositiveFloat = 1.0
    num_gpus: NonNegativeFloat = 0.0


def fleet(asked: Fleet) -> "Application":
    """What `serve run` deploys. Raises ValueError where nodes would have databases of their own."""
    settings = Settings()
    if settings.database_url.startswith("sqlite"):
        raise ValueError("Nodes share no file: KSHOT_DATABASE_URL must be of a PostgreSQL.")
    from ray import serve
    from ray.serve.config import BackpressureConfig
    from ray.serve.schema import LoggingConfig

    deploy = serve.deployment(
        name="kshot",
        num_replicas=asked.num_replicas,
        ray_actor_options={"num_cpus": asked.num_cpus, "num_gpus": asked.num_gpus},
        max_ongoing_requests=settings.max_in_flight,
        max_queued_requests=settings.max_in_flight,
        backpressure_config=BackpressureConfig(status_code=Overloaded.status, retry_after_s=RETRY_AFTER_S),
        graceful_shutdown_timeout_s=settings.drain_timeout_s + END_S,
        logging_config=LoggingConfig(enable_access_log=False),  # the service has its own
    )
    application: Application = deploy(serve.ingress(served)(Replica)).bind()
    return application


def served() -> FastAPI:
    """The service of a replica, by the settings of its node, with as many threads as Ray gave it cores."""
    from ray import get_runtime_context

    settings = Settings()
    if settings.threads is None:
        num_cpus = get_runtime_context().get_assigned_resources().get("CPU", 1)
        settings = settings.model_copy(update={"threads": max(1, int(num_cpus))})
    logs.configure(settings.log_level)
    return create_app(settings)


class Replica:
    """What Serve puts round the service: its `app`, and how it is."""

    app: FastAPI

    async def check_health(self) -> None:
        """Raises where nothing but another process helps: Serve starts one."""
        service = self.app.state.service
        if service is None or not service.engine.is_healthy:
            raise RuntimeError("the service has stopped")
