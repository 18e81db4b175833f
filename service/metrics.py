"""Counters and histograms: the one table of names. No label grows with tasks or tenants."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
POWERS_OF_TWO = tuple(2**power for power in range(15))
KIND = ["kind"]  # "adapt", "readapt", "transfer", "encode" or "predict"


class Metrics:
    """What one service counts, in a registry of its own, so that two services in one process do not mix."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()

        # HTTP; `route` is the template of the path, such as /v1/tasks/{task_id}
        self.requests = Counter(
            "kshot_http_requests", "Requests answered.", ["route", "method", "status"], registry=registry
        )
        self.request_seconds = Histogram(
            "kshot_http_request_seconds",
            "From the first byte of a request to the last of its answer.",
            ["route", "method"],
            registry=registry,
            buckets=SECONDS,
        )
        self.in_flight = Gauge("kshot_http_in_flight_requests", "Requests being served now.", registry=registry)
        self.in_flight_bytes = Gauge("kshot_http_in_flight_bytes", "Body bytes being served now.", registry=registry)
        self.shed = Counter(
            "kshot_shed_requests", "Requests refused to protect the others.", ["reason"], registry=registry
        )

        # the engine
        self.queue_seconds = Histogram(
            "kshot_queue_seconds", "Wait for the device.", KIND, registry=registry, buckets=SECONDS
        )
        self.compute_seconds = Histogram(
            "kshot_compute_seconds", "Device time of a batch.", KIND, registry=registry, buckets=SECONDS
        )
        self.batch_tasks = Histogram(
            "kshot_batch_tasks", "Tasks in a batch.", KIND, registry=registry, buckets=POWERS_OF_TWO[:10]
        )
        self.batch_rows = Histogram(
            "kshot_batch_rows", "Rows in a batch.", KIND, registry=registry, buckets=POWERS_OF_TWO
        )
        self.queue_cost_ms = Gauge(
            "kshot_queue_cost_milliseconds", "Estimated device time of what waits.", registry=registry
        )
        self.cache_bytes = Gauge("kshot_cache_bytes", "Adapted params held in memory.", registry=registry)
        self.cache_hits = Counter("kshot_cache_hits", "Params found in memory.", registry=registry)
        self.cache_misses = Counter("kshot_cache_misses", "Params read from the database.", registry=registry)
        self.cache_evictions = Counter("kshot_cache_evictions", "Params dropped to make room.", registry=registry)
        self.cache_swept = Counter(
            "kshot_cache_swept", "Params dropped because their task moved on or is gone.", registry=registry
        )

        self._count_tasks(registry)

    def _count_tasks(self, registry: CollectorRegistry) -> None:
        """The life of tasks, and jobs."""
        self.lost_writes = Counter(
            "kshot_lost_writes", "Versions computed again because another was written first.", registry=registry
        )
        self.expired_tasks = Counter("kshot_expired_tasks", "Tasks deleted by their age.", registry=registry)
        self.jobs = Gauge(
            "kshot_jobs", "Jobs in the database that are queued or running.", ["state"], registry=registry
        )
        self.ended_jobs = Counter("kshot_ended_jobs", "Jobs that ended here.", ["state"], registry=registry)
        self.lost_jobs = Counter("kshot_lost_jobs", "Jobs whose process vanished, found here.", registry=registry)
