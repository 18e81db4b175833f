"""What the benchmark of fairness tells."""

from benchmarks.fairness import images, wait_row


def test_a_row_tells_how_many_slices_later_the_slowest_are() -> None:
    alone, beside = [10.0] * 100, [10.0] * 50 + [70.0] * 50
    assert wait_row("a flood", alone, beside) == ["a flood", "10", "10", "40", "70", "60", "3.0"]


def test_pictures_differ() -> None:
    made = images(3)
    assert len({each["image"] for each in made}) == 3
