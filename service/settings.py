"""Every knob of the service, with its unit. Each is read from the environment as KSHOT_<NAME>."""

import os
from typing import Annotated, Literal

from pydantic import BeforeValidator, DirectoryPath, Field, PositiveFloat, PositiveInt
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

MIB = 2**20


def variable(name: str) -> str:
    """What a setting is called in the environment."""
    return f"KSHOT_{name.upper()}"


def _split(names: object) -> object:
    return [name.strip() for name in names.split(",") if name.strip()] or None if isinstance(names, str) else names


class Settings(BaseSettings):
    """Read once at start and passed down; nothing below `create_app` reads the environment."""

    model_config = SettingsConfigDict(env_prefix="KSHOT_", extra="ignore")

    auth: Literal["on", "off"] | None = Field(
        None,
        description="API keys: `on`, or `off` for one tenant without keys. Unset, `kshot serve` takes `off` on a "
        "loopback address and refuses any other.",
    )

    # where things are
    database_url: str = Field(
        "sqlite+aiosqlite:///kshot.db", description="`sqlite+aiosqlite:///` or `postgresql+psycopg://`."
    )
    models: DirectoryPath | None = Field(None, description="A folder of your own models, beside the ones that ship.")
    only_models: Annotated[tuple[str, ...] | None, NoDecode, BeforeValidator(_split)] = Field(
        None,
        description="Names of the models to serve, with commas between: a smaller and quicker service. By default all.",
    )
    bases: DirectoryPath | None = Field(
        None, description="A folder of pretrained weights that models build on, `BASE/FILE`; looked through first."
    )

    # the device
    device: str = Field(
        "auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="Where models run: auto, cpu, cuda or cuda:n."
    )
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="Of encoders; auto is bfloat16 where native. Heads run in float32."
    )
    threads: PositiveInt | None = Field(None, description="Compute threads; by default the CPU quota of the container.")
    slice_ms: PositiveFloat = Field(
        20.0, description="Aim for the longest stretch that the device works before looking up."
    )
    cache_mib: PositiveInt = Field(512, description="Adapted params kept in memory.")
    text_cache_mib: Annotated[int, Field(ge=0)] = Field(
        64, description="Features of texts encoded since the last sweep: a tenant's equal texts are encoded once."
    )
    max_batch_rows: PositiveInt = Field(4096, description="Padded rows (tasks x longest) in one batch.")
    max_queue_ms: PositiveFloat = Field(
        20_000.0, description="Estimated device time that may wait; beyond it requests answer 429."
    )
    request_timeout_s: PositiveFloat = Field(60.0, description="A request that waits longer answers 503.")
    max_staleness_s: Annotated[float, Field(ge=0)] = Field(
        0.0, description="How long cached params may serve unchecked while the database is away; 0 is strict."
    )

    idempotency_ttl_s: PositiveFloat = Field(
        86_400.0, description="How long a request sent again under its Idempotency-Key gets its first answer."
    )

    # the life of a task
    max_versions: PositiveInt = Field(10, description="Versions kept of a task, to roll back to; older ones go.")
    task_ttl_s: PositiveFloat | None = Field(
        None, description="Tasks that nothing was written to for so long are deleted; by default none are."
    )
    sweep_interval_s: Annotated[float, Field(gt=0, le=30)] = Field(
        30.0, description="How often memory is cleared of what was forgotten, changed or deleted, and old tasks expire."
    )

    # jobs
    job_workers: Annotated[int, Field(ge=0)] = Field(
        2, description="Jobs that this process does at once; with 0 it only accepts them for others."
    )
    job_examples: PositiveInt = Field(
        2_000, description="A support set of more examples becomes a job, also when the client did not ask for one."
    )
    max_queued_jobs: PositiveInt = Field(100, description="Jobs of one tenant that may wait; beyond it: 429.")
    job_poll_s: Annotated[float, Field(ge=0.01)] = Field(
        0.05, description="How often to look for jobs that another process has accepted."
    )
    job_lease_s: Annotated[float, Field(ge=0.5)] = Field(
        15.0, description="A job whose process gives no sign for so long is given to another."
    )
    job_attempts: PositiveInt = Field(3, description="Processes that may be lost over a job before it is given up.")
    job_timeout_s: PositiveFloat = Field(3_600.0, description="A job that is worked on for longer fails.")
    job_ttl_s: PositiveFloat = Field(86_400.0, description="How long the record of a job is kept after its end.")

    # limits of one request
    max_ways: PositiveInt = Field(256, description="Labels of a task.")
    max_examples: PositiveInt = Field(5_000, description="Support examples of a task.")
    max_high_examples: PositiveInt = Field(
        2_000, description="The same of high effort, which compares each example with every other."
    )
    max_inputs: PositiveInt = Field(1_024, description="Inputs of one prediction or evaluation.")
    score_digits: Annotated[int, Field(ge=1, le=9)] | None = Field(
        None, description="Decimals of the scores of labels and slots in answers; by default all, in single precision."
    )
    max_body_mib: PositiveInt = Field(32, description="Bytes of one request body.")
    max_image_megapixels: PositiveFloat = Field(64.0, description="Pixels of one image, before decoding.")
    max_whole_image_megapixels: PositiveFloat = Field(
        16.0,
        description="The same of a PNG, a WebP or a progressive JPEG, of which every pixel is decoded; of other JPEGs "
        "only what is looked at.",
    )

    # quotas of each tenant
    max_tenant_tasks: PositiveInt | None = Field(None, description="Tasks of one tenant; by default no limit.")
    max_tenant_examples: PositiveInt | None = Field(
        None, description="Examples of one tenant, of all versions that are kept; by default no limit."
    )
    max_tenant_mib: PositiveInt | None = Field(
        None, description="Inputs, features and params stored of one tenant; by default no limit."
    )
    max_tenant_requests_per_s: PositiveFloat | None = Field(
        None, description="Requests of one tenant to one process; by default no limit."
    )
    max_tenant_burst: PositiveInt | None = Field(
        None, description="Of these as many may come at once; by default those of two seconds."
    )
    max_tenant_in_flight: PositiveInt | None = Field(
        None,
        description="Requests of one tenant being served at once; by default half of KSHOT_MAX_IN_FLIGHT, and without "
        "API keys all.",
    )

    # admission
    max_in_flight: PositiveInt = Field(1_024, description="Requests being served at once.")
    max_wait_ms: PositiveFloat = Field(
        250.0,
        description="Estimated wait of a short prediction; beyond it such requests answer 429, before they are read.",
    )
    max_in_flight_mib: PositiveInt = Field(
        512,
        description="Body bytes being served at once; and as many of exports, each of which takes about three times "
        "its bytes of memory.",
    )
    body_timeout_s: PositiveFloat = Field(
        10.0,
        description="A body that takes longer to arrive answers 408; each 64 KiB that came give another second.",
    )
    decode_threads: PositiveInt = Field(
        2, description="Threads that decode images; and as many for texts, vectors and files."
    )
    max_decode_mib: PositiveInt = Field(
        256, description="Memory that images may take while they are decoded; one that needs more is decoded alone."
    )

    # the database
    busy_timeout_s: PositiveFloat = Field(
        5.0, description="How long to wait for a lock (SQLite busy timeout, PostgreSQL lock timeout)."
    )
    statement_timeout_s: PositiveFloat = Field(
        10.0, description="How long one statement may run (PostgreSQL); a second later we hang up."
    )
    pool_size: PositiveInt = Field(8, description="Database connections.")
    pool_timeout_s: PositiveFloat = Field(5.0, description="How long to wait for one of them to be free.")
    connect_timeout_s: Annotated[float, Field(ge=2)] = Field(
        5.0, description="How long to try to connect (PostgreSQL); at least 2."
    )
    stale_after_s: PositiveFloat = Field(
        1.0, description="With KSHOT_MAX_STALENESS_S: how long to wait for the database before cached params serve."
    )

    # the end
    unready_s: Annotated[float, Field(ge=0)] = Field(
        5.0, description="How long a service goes on after SIGTERM, not ready, so that proxies notice; 0 for none."
    )
    drain_timeout_s: PositiveFloat = Field(
        20.0, description="How long it then finishes what it accepted; who waits for longer is answered 503."
    )
    root_path: Annotated[str, Field(pattern=r"^(/[^/?#]+)*$")] = Field(
        "", description="The path below which a proxy shows the service, and which it takes off: `/kshot`, say."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Of the service's own log.")
    otel_endpoint: str | None = Field(
        None,
        pattern="^https?://",
        description="Where traces are sent by OTLP over HTTP, such as `http://collector:4318`; by default to "
        "`OTEL_EXPORTER_OTLP_ENDPOINT`, or nowhere.",
    )

    @property
    def traces_endpoint(self) -> str | None:
        """Where traces are sent."""
        return self.otel_endpoint or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or None

    def max_examples_of(self, *, is_slow: bool) -> int:
        """Support examples of a task, of most models or of those of high effort."""
        return min(self.max_examples, self.max_high_examples) if is_slow else self.max_examples
