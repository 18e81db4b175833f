"""Counters and histograms: the one table of names. No label grows with tasks or tenants."""

from collections.abc import Sequence
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
SHORT = (0.0001, 0.00025, 0.0005, *SECONDS)  # of one statement
LONG = (0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 900, 3600)  # of a job
POWERS_OF_TWO = tuple(2**power for power in range(15))
# "adapt", "readapt", "transfer", "encode" or "predict"; of jobs "adapt", "extend", "readapt" or "forget"
KIND = ["kind"]


class Metrics:
    """What one service counts, in a registry of its own, so that two services in one process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector("kshot", registry=self.registry)  # memory, CPU time, open files
        Info("kshot_build", "What is running.", registry=self.registry).info({"version": version("kshot")})
        self._count_requests()
        self._count_work()
        self._count_memory()
        self._count_tasks()
        self._count_database()

    def _count_requests(self) -> None:
        """HTTP; `route` is the template of the path, such as /v1/tasks/{task_id}."""
        self.requests = self._counter("kshot_http_requests", "Requests answered.", ["route", "method", "status"])
        told = "From the first byte of a request to the last of its answer."
        self.request_seconds = self._histogram("kshot_http_request_seconds", told, SECONDS, ["route", "method"])
        self.in_flight = self._gauge("kshot_http_in_flight_requests", "Requests being served now.")
        self.in_flight_bytes = self._gauge("kshot_http_in_flight_bytes", "Body bytes being served now.")
        self.shed = self._counter("kshot_shed_requests", "Requests refused to protect the others.", ["reason"])

    def _count_work(self) -> None:
        """The engine: what waits for the device, and the batches that it computes."""
        told = "Estimated device time of what waits."
        self.queue_cost = self._gauge("kshot_queue_cost_seconds", told, KIND)
        self.queue_length = self._gauge("kshot_queue_requests", "Requests that wait for the device.", KIND)
        self.queue_seconds = self._histogram("kshot_queue_seconds", "Wait for the device.", SECONDS, KIND)
        self.compute_seconds = self._histogram("kshot_compute_seconds", "Device time of a batch.", SECONDS, KIND)
        self.batch_tasks = self._histogram("kshot_batch_tasks", "Tasks in a batch.", POWERS_OF_TWO[:10], KIND)
        self.batch_rows = self._histogram("kshot_batch_rows", "Rows in a batch.", POWERS_OF_TWO, KIND)
        told = "Rows that batches were filled up with, as the head takes tasks of one length."
        self.padding_rows = self._counter("kshot_padding_rows", told, KIND)
        told = "Requests that failed alone on the device, or made numbers that are not finite."
        self.failed_computations = self._counter("kshot_failed_computations", told, KIND)
        told = "Times that the device's threads were started anew."
        self.worker_restarts = self._counter("kshot_worker_restarts", told)
        told = "Tasks that could learn from earlier ones, by whether any of those was surely of use."
        self.transfers = self._counter("kshot_transfers", told, ["outcome"])

    def _count_memory(self) -> None:
        """What is kept in memory: adapted params, and features of texts."""
        self.cache_bytes = self._gauge("kshot_cache_bytes", "Adapted params held in memory.")
        self.cache_hits = self._counter("kshot_cache_hits", "Params found in memory.")
        self.cache_misses = self._counter("kshot_cache_misses", "Params read from the database.")
        self.cache_evictions = self._counter("kshot_cache_evictions", "Params dropped to make room.")
        told = "Params dropped because their task moved on or is gone."
        self.cache_swept = self._counter("kshot_cache_swept", told)
        self.text_cache_bytes = self._gauge("kshot_text_cache_bytes", "Features of texts held in memory.")
        self.text_cache_hits = self._counter("kshot_text_cache_hits", "Texts whose features were in memory.")
        self.text_cache_misses = self._counter("kshot_text_cache_misses", "Texts that were encoded.")
        self.text_cache_evictions = self._counter("kshot_text_cache_evictions", "Texts dropped to make room.")

    def _count_tasks(self) -> None:
        """The life of tasks, and jobs."""
        self.versions = self._counter("kshot_versions", "Versions of tasks stored.", ["origin"])
        told = "Versions computed again because another was written first."
        self.lost_writes = self._counter("kshot_lost_writes", told)
        self.expired_tasks = self._counter("kshot_expired_tasks", "Tasks deleted by their age.")
        self.jobs = self._gauge("kshot_jobs", "Jobs in the database that are queued or running.", ["state"])
        for state in ("queued", "running"):
            self.jobs.labels(state)  # there before they are first counted
        self.ended_jobs = self._counter("kshot_ended_jobs", "Jobs that ended here.", ["state"])
        self.lost_jobs = self._counter("kshot_lost_jobs", "Jobs whose process vanished, found here.")
        self.job_seconds = self._histogram("kshot_job_seconds", "From the start of a job to its end.", LONG, KIND)

    def _count_database(self) -> None:
        """The database, as this process sees it."""
        told = "Of one statement; `statement` is its first word."
        self.statement_seconds = self._histogram("kshot_database_statement_seconds", told, SHORT, ["statement"])
        told = "Of one read or write: the wait for a connection, its statements, the commit."
        self.database_seconds = self._histogram("kshot_database_seconds", told, SHORT, ["operation"])
        self.outages = self._counter(
            "kshot_database_outages", "Reads and writes that found no database.", ["operation"]
        )
        told = "Database connections in use, of those that there may be."
        self.connections_in_use = self._gauge("kshot_database_connections_in_use", told, ["pool"])
        self.max_connections = self._gauge("kshot_database_connections_max", "As many as there may be.", ["pool"])

    def _counter(self, name: str, told: str, labels: Sequence[str] = ()) -> Counter:
        return Counter(name, told, labels, registry=self.registry)

    def _gauge(self, name: str, told: str, labels: Sequence[str] = ()) -> Gauge:
        return Gauge(name, told, labels, registry=self.registry)

    def _histogram(self, name: str, told: str, buckets: Sequence[float], labels: Sequence[str]) -> Histogram:
        return Histogram(name, told, labels, registry=self.registry, buckets=buckets)
