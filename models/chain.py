"""Tags of words under a chain: the best valid sequence, and how probable each of its slots is. Numpy, on the host.

A tag is 0 outside of slots, 2m + 1 for the first word of slot m, 2m + 2 for a later one, which can only follow a word
of the same slot: so whatever the scores are, slots are whole and never overlap.
"""

import numpy as np
import numpy.typing as npt

MOVES = ("start-out", "start-first", "out-out", "out-first", "first-out", "first-first", "first-later", "later-out",
         "later-first", "later-later")  # fmt: skip
OUT, FIRST, OO, OF, FO, FF, FL, LO, LF, LL = range(len(MOVES))

NEVER = -1e4  # in place of minus infinity, of which differences are not numbers
NEARLY_NEVER = 1e-6  # whose log-odds are finite

Floats = npt.NDArray[np.float64]
Tags = npt.NDArray[np.int64]


def best(scores: npt.NDArray[np.floating], moves: npt.NDArray[np.floating], lengths: Tags) -> Tags:
    """The most probable valid tags [Q L] under scores [Q L K] of words and of moves [10]; 0 behind the end."""
    out, first, later = _opening(scores, moves)
    back = [np.zeros((len(scores), scores.shape[2]), np.int64)]
    for word in range(1, scores.shape[1]):
        before = _tagged(out, first, later)
        came_out = _argmax(out + moves[OO], first + moves[FO], later + moves[LO])
        came_first = _argmax(out + moves[OF], first + moves[FF], later + moves[LF])
        came_later = np.where(first + moves[FL] >= later + moves[LL], 0, 1) + np.arange(1, scores.shape[2], 2)
        step = np.empty_like(back[0])
        step[:, 0], step[:, 1::2], step[:, 2::2] = came_out, came_first[:, None], came_later
        now = np.take_along_axis(before, step, 1) + _moved(step, moves) + scores[:, word]
        is_there = (word < lengths)[:, None]
        now, step = np.where(is_there, now, before), np.where(is_there, step, np.arange(scores.shape[2]))
        out, first, later = now[:, 0], now[:, 1::2], now[:, 2::2]
        back.append(step)
    return _followed(_tagged(out, first, later).argmax(1), back, lengths)


def certainty(
    scores: npt.NDArray[np.floating], moves: npt.NDArray[np.floating], lengths: Tags, tags: Tags
) -> npt.NDArray[np.float32]:
    """The probability [Q L] of the slot that begins at each word, from first to last word; 0 where none begins."""
    forward, backward = _forward(scores, moves, lengths), _backward(scores, moves, lengths)
    whole, found = _logsum(forward[:, 0] + backward[:, 0]), np.zeros(tags.shape, np.float32)
    for query, (row, length) in enumerate(zip(tags, lengths.tolist(), strict=True)):
        own, ahead = scores[query], backward[query] + scores[query]
        for _, first, stop in spans(row, length):
            tag = int(row[first])
            path = forward[query, first, tag] + own[first + 1 : stop, tag + 1].sum()
            path += sum(moves[[FL] + [LL] * (stop - first - 2)][: stop - first - 1])
            if stop < length:  # all ways on that do not go on with the slot
                to_out, to_first = (moves[FO], moves[FF]) if stop - first == 1 else (moves[LO], moves[LF])
                path += np.logaddexp(ahead[stop, 0] + to_out, np.logaddexp.reduce(ahead[stop, 1::2]) + to_first)
            found[query, first] = np.exp(min(0.0, path - whole[query]))
    return found


def calibrated(sure: npt.NDArray[np.float32], tags: Tags, trust: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """How often slots [Q L] as probable as that are right, by the `trust` [M 3] in each (Platt scaling).

    The log-odds times the first, plus the second, plus the third for each e-fold of the slot's words: of many words the
    chain is less sure than it need be.
    """
    found = np.zeros_like(sure)
    for query, row in enumerate(tags):
        for slot, first, stop in spans(row, len(row)):
            slope, offset, longer = trust[slot]
            chance = np.clip(np.float64(sure[query, first]), NEARLY_NEVER, 1 - NEARLY_NEVER)
            odds = slope * np.log(chance / (1 - chance)) + offset + longer * np.log(stop - first)
            found[query, first] = 1 / (1 + np.exp(-odds))
    return found


def spans(tags: Tags, length: int) -> list[tuple[int, int, int]]:
    """The slots of one row of tags [L]: (slot, first word, word behind the last), from left to right."""
    found: list[tuple[int, int, int]] = []
    for word, tag in enumerate(tags[:length].tolist()):
        if tag % 2:
            found.append(((tag - 1) // 2, word, word + 1))
        elif tag:
            slot, first, _ = found.pop()
            found.append((slot, first, word + 1))
    return found


def _opening(scores: npt.NDArray[np.floating], moves: npt.NDArray[np.floating]) -> tuple[Floats, Floats, Floats]:
    """Scores of the first word's tags: a slot's later word cannot be it."""
    first = scores[:, 0, 1::2] + moves[FIRST]
    return scores[:, 0, 0] + moves[OUT], first, np.full_like(first, NEVER)


def _tagged(out: Floats, first: Floats, later: Floats) -> Floats:
    """The three kinds of tags [Q], [Q M], [Q M] in the order of tags [Q K]."""
    both = np.stack([first, later], -1).reshape(len(out), -1)
    return np.concatenate([out[:, None], both], 1)


def _argmax(out: Floats, first: Floats, later: Floats) -> Tags:
    best_tags: Tags = _tagged(out, first, later).argmax(1)
    return best_tags


def _kinds(num_tags: int) -> Tags:
    """0, 1, 2 for outside, first and later words."""
    tags = np.arange(num_tags)
    return np.where(tags == 0, 0, 2 - tags % 2)


def _moved(step: Tags, moves: npt.NDArray[np.floating]) -> Floats:
    """The scores [Q K] of the moves that lead to each tag from the tags in `step`."""
    table = np.array(
        [[moves[OO], moves[OF], 0.0], [moves[FO], moves[FF], moves[FL]], [moves[LO], moves[LF], moves[LL]]]
    )
    kinds = _kinds(step.shape[1])
    moved: Floats = table[kinds[step], kinds]
    return moved


def _followed(last: Tags, back: list[Tags], lengths: Tags) -> Tags:
    tags = np.zeros((len(last), len(back)), np.int64)
    for word in range(len(back) - 1, -1, -1):
        tags[:, word] = last
        last = np.take_along_axis(back[word], last[:, None], 1)[:, 0]
    return np.where(np.arange(len(back)) < lengths[:, None], tags, 0)


def _logsum(values: Floats) -> Floats:
    """Of each row."""
    top = values.max(1)
    summed: Floats = top + np.log(np.exp(values - top[:, None]).sum(1))
    return summed


def _reached(out: Floats, first: Floats, later: Floats, moves: npt.NDArray[np.floating]) -> Floats:
    """The summed scores [Q K] of all ways to each tag of the next word."""
    to_out = _logsum(_tagged(out + moves[OO], first + moves[FO], later + moves[LO]))
    to_first = _logsum(_tagged(out + moves[OF], first + moves[FF], later + moves[LF]))
    to_later = np.logaddexp(first + moves[FL], later + moves[LL])
    return _tagged(to_out, np.broadcast_to(to_first[:, None], first.shape), to_later)


def _forward(scores: npt.NDArray[np.floating], moves: npt.NDArray[np.floating], lengths: Tags) -> Floats:
    """Log of the summed weights [Q L K] of all ways up to a word with a tag."""
    found = [_tagged(*_opening(scores, moves))]
    for word in range(1, scores.shape[1]):
        before = found[-1]
        now = _reached(before[:, 0], before[:, 1::2], before[:, 2::2], moves) + scores[:, word]
        found.append(np.where((word < lengths)[:, None], now, before))
    return np.stack(found, 1)


def _backward(scores: npt.NDArray[np.floating], moves: npt.NDArray[np.floating], lengths: Tags) -> Floats:
    """Log of the summed weights [Q L K] of all ways on from a word with a tag."""
    found = [np.zeros((len(scores), scores.shape[2]))]
    for word in range(scores.shape[1] - 2, -1, -1):
        ahead = found[-1] + scores[:, word + 1]
        out, slots = ahead[:, :1], _logsum(np.concatenate([np.full_like(ahead[:, :1], NEVER), ahead[:, 1::2]], 1))
        to = [np.logaddexp(out[:, 0] + moves[o], slots + moves[f]) for o, f in ((OO, OF), (FO, FF), (LO, LF))]
        later = ahead[:, 2::2]
        now = _tagged(
            to[0], np.logaddexp(to[1][:, None], later + moves[FL]), np.logaddexp(to[2][:, None], later + moves[LL])
        )
        found.append(np.where((word + 1 < lengths)[:, None], now, 0.0))
    return np.stack(found[::-1], 1)
