"""Requests drawn from the OpenAPI document, right and wrong, to every route of a service; schemathesis is the judge."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import schemathesis
from fastapi import FastAPI
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.engine.recorder import ScenarioRecorder
from schemathesis.python.asgi import ASGIClient, get_client, shutdown_lifespans

from service.app import create_app
from service.engine.loading import load_checkpoints, model_folders
from service.keys import Token
from service.settings import Settings
from tests.fuzz.excused import filter_failure
from tests.service.api.serving import curve
from tests.service.samples import make_key

PHASES = ("examples", "coverage", "fuzzing", "stateful")
NUM_TASKS = 8
RIGHT = ["2xx", "3xx", "401", "403", "404", "409", "410", "412", "429"]  # answers to what fits; the last by the state
WRONG = [
    "400",
    "401",
    "403",
    "404",
    "405",
    "409",
    "410",
    "412",
    "415",
    "422",
    "429",
]  # to what does not: each refuses it
KNOWN = 0.7  # of the ids that are drawn are of something that there is
PLACES = {
    "path.task_id": "task_id",
    "path.job_id": "job_id",
    "path.example_id": "example_id",
    "path.name": "name",
    "body.model": "name",
    "query.cursor": "cursor",
}


@dataclass(frozen=True)
class Finding:
    """An answer that breaks a promise, and the request that it was given to."""

    check: str
    operation: str
    message: str
    request: str
    answer: str

    def __str__(self) -> str:
        return f"{self.check}, {self.operation}: {self.message}\n  {self.request}\n  -> {self.answer}"


@dataclass
class Outcome:
    """What came of a run."""

    num_cases: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    findings: dict[tuple[str, str, str], Finding] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)  # of schemathesis itself

    def add(self, recorder: ScenarioRecorder) -> None:
        """Count what one scenario did."""
        self.num_cases += len(recorder.interactions)
        self.statuses.update(each.response.status_code for each in recorder.interactions.values() if each.response)
        for case_id, checks in recorder.checks.items():
            for info in (check.failure_info for check in checks if check.failure_info):
                answer = recorder.interactions[case_id].response
                told = "nothing" if answer is None else f"{answer.status_code} {answer.content[:500]!r}"
                label, failure = recorder.cases[case_id].value.operation.label, info.failure
                found = Finding(type(failure).__name__, label, failure.message, info.code_sample, told)
                self.findings.setdefault((found.check, label, found.message), found)


def run(database_url: str, *, seed: int, num_examples: int, phases: Sequence[str] = PHASES) -> Outcome:
    """Send the cases of these phases to a service of its own: all that cover the document, or so many an operation."""
    schemathesis.hook(filter_failure)
    outcome = Outcome()
    with _attacked(database_url) as (app, key):
        options = _options(app, key, seed, num_examples, phases)
        document = schemathesis.openapi.from_asgi("/openapi.json", app, config=SchemathesisConfig.from_dict(options))
        for event in from_schema(document).execute():
            match event:
                case events.ScenarioFinished():
                    outcome.add(event.recorder)
                case events.NonFatalError():
                    outcome.errors.append(f"{event.label}: {event.value!r}")
                case events.FatalError():
                    raise event.exception
    return outcome


@contextmanager
def _attacked(database_url: str) -> Iterator[tuple[FastAPI, Token]]:
    """A service with authentication on, and a key for it."""
    key = asyncio.run(make_key(database_url, "predict", "adapt"))
    folders = [folder for folder in model_folders(None) if folder.name in ("curves", "vectors")]
    app = create_app(Settings(database_url=database_url, threads=1, auth="on"), load_checkpoints(folders))
    try:
        yield app, key
    finally:
        shutdown_lifespans()


def _options(app: FastAPI, key: Token, seed: int, num_examples: int, phases: Sequence[str]) -> dict[str, Any]:
    with get_client(cast(Any, app)) as client:
        client.headers["Authorization"] = f"Bearer {key}"
        known = _known(client)
    return {
        "seed": seed,
        "auth": {"openapi": {"key": {"bearer": str(key)}}},
        "continue-on-failure": True,
        "generation": {"max-examples": num_examples, "no-shrink": True, "database": "none"},
        "phases": {phase: {"enabled": phase in phases} for phase in PHASES},
        "checks": {
            "enabled": True,
            "positive_data_acceptance": {"expected-statuses": RIGHT},
            "negative_data_rejection": {"expected-statuses": WRONG},
        },
        "dictionaries": {name: {"values": values} for name, values in known.items()},
        "parameters": {place: {"dictionary": name, "probability": KNOWN} for place, name in PLACES.items()},
    }


def _known(client: ASGIClient) -> Mapping[str, list[str]]:
    """Ids of what there is, for requests that get further than 404."""
    body: Any = {"model": "curves", "support": [row | {"id": f"e{place}"} for place, row in enumerate(curve(4))]}
    return {
        "task_id": [client.post("/v1/tasks", json=body).json()["id"] for _ in range(NUM_TASKS)],
        "job_id": [client.post("/v1/tasks", json=body, headers={"Prefer": "respond-async"}).json()["id"]],
        "example_id": ["e0", "e1"],
        "name": ["curves", "vectors"],
        "cursor": [client.get("/v1/tasks", params={"limit": 2}).json()["next_cursor"]],
    }
