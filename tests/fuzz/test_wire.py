"""What the OpenAPI document promises is kept, whatever is sent."""

from tests.fuzz.wire import run


def test_every_part_of_the_document_is_kept(sqlite_url: str) -> None:
    outcome = run(sqlite_url, seed=1, num_examples=1, phases=("examples", "coverage"))
    assert not outcome.errors
    assert not outcome.findings, "\n\n".join(map(str, outcome.findings.values()))
    assert outcome.num_cases >= 500
    assert outcome.statuses.keys() >= {200, 401, 404, 405, 409, 415, 422}
