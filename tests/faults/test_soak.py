"""A short soak: requests of all kinds, no difference, and no file left open."""

from pathlib import Path

from tests.faults.living import ENV, lives
from tests.faults.soak import Sample, live, read, sample, told
from tests.faults.zygote import Zygote


def test_a_few_lives_differ_in_nothing(zygote: Zygote, sqlite_url: str) -> None:
    with zygote.serving(ENV | {"KSHOT_DATABASE_URL": sqlite_url}) as service:
        seen: list[Sample] = []

        def is_enough() -> bool:
            seen.append(sample(service.url, service.pid))
            return len(seen) > 2

        live(service.url, is_enough, lives(1, is_drawn_anew=False))
    assert seen[-1].num_requests > seen[-2].num_requests > 60
    assert seen[-1].num_errors == 0
    assert seen[-1].num_handles <= seen[1].num_handles + 4


def test_a_soak_goes_on_where_it_was(tmp_path: Path) -> None:
    assert read(tmp_path / "none") == []
    past = [Sample(1, number, 0, 100.0, 10, 5) for number in range(0, 50, 10)]
    past += [Sample(2, 50 + number, 0, 200.0, 20, 5) for number in range(0, 500, 10)]
    text = told(past, 4)
    assert "540 requests of 4 clients at once in 2 lives" in text
    assert "| resident memory, MiB | 200 | 200 | 200 | 200 |" in text
