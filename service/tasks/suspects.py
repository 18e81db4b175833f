"""Examples whose label looks wrong: as the model has it by the others, or as the same input has another label."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from service.engine.arrays import Forecast
from service.forecasts import MAX_SUSPECTS, Suspect
from service.storage.records import ExampleRecord

LEAST = 0.5  # of the examples with the same input have other labels
SAMPLE_BYTES = 64  # of an input, by which it is told from most others


def suspects_of(
    labels: Sequence[str], forecast: Forecast | None, known: Sequence[ExampleRecord], sent: Sequence[ExampleRecord]
) -> list[Suspect]:
    """The examples whose label the others contradict, the surest first."""
    rows = [*known, *sent]
    doubts = forecast.doubts if forecast is not None else ()
    found = {doubt.row: (labels[doubt.instead], doubt.probability) for doubt in doubts if doubt.row < len(rows)}
    for row, instead, share in _contradicted(rows):
        if row not in found or found[row][1] < share:
            found[row] = instead, share
    surest = sorted(found, key=lambda row: -found[row][1])[:MAX_SUSPECTS]
    return [_told(rows[row], row - len(known), *found[row]) for row in surest]


def _told(example: ExampleRecord, place: int, instead: str, probability: float) -> Suspect:
    return Suspect(
        id=example.example_id,
        index=place if place >= 0 else None,
        label=str(example.label),
        instead=instead,
        probability=round(probability, 4),
    )


def _contradicted(rows: Sequence[ExampleRecord]) -> Iterator[tuple[int, str, float]]:
    """Rows whose input others have too, which other label most of them have, and the share of other labels."""
    alike: dict[bytes, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        if row.role == "example" and isinstance(row.label, str):
            alike[row.input[:: max(1, len(row.input) // SAMPLE_BYTES)]].append(place)
    for places in alike.values():
        if len({rows[place].label for place in places}) > 1:
            yield from _outvoted(rows, places)


def _outvoted(rows: Sequence[ExampleRecord], places: Sequence[int]) -> Iterator[tuple[int, str, float]]:
    votes: dict[bytes, Counter[str]] = defaultdict(Counter)
    for place in places:
        votes[rows[place].input][str(rows[place].label)] += 1
    for place in places:
        own, label = votes[rows[place].input], str(rows[place].label)
        share = 1 - own[label] / own.total()
        if share >= LEAST:
            yield place, next(other for other, _ in own.most_common() if other != label), share
