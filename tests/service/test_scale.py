"""What a fleet on Ray Serve is asked for; `make scale` deploys one."""

import pytest
from pydantic import ValidationError

from service.scale import Fleet, fleet


def test_a_fleet_needs_a_database_that_all_nodes_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KSHOT_DATABASE_URL", "sqlite+aiosqlite:///kshot.db")
    with pytest.raises(ValueError, match="PostgreSQL"):
        fleet(Fleet())


def test_words_of_serve_run_are_numbers_and_unknown_ones_are_refused() -> None:
    assert Fleet.model_validate({"num_replicas": "4", "num_gpus": "0.5"}) == Fleet(num_replicas=4, num_gpus=0.5)
    with pytest.raises(ValidationError):
        Fleet.model_validate({"replicas": "4"})
