"""Batches of adapt and predict on the device, as generators that pause between slices of work."""

from collections import defaultdict
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from models.checkpoint import Checkpoint
from models.encoders.identity import Identity
from models.encoders.onednn import pack_weights
from models.heads.tail import Tail
from models.inputs.frame import max_words
from models.inputs.text import TextInput
from models.learner import Learner
from models.types import Classes, MultiHot, Support, Tags, Target, TaskParams, Values
from service.codec import width
from service.engine.arrays import Adapted, Array, Encoded, Forecast, LabelledArrays, ScoreArrays
from service.engine.collate import rows_of, to_device, trim, ways_of
from service.engine.forecasting import as_told, forecasts, temperature_of
from service.engine.pace import Pace, timed
from service.engine.packed import Packed, pack, stack
from service.engine.scores import host_scores, joined, own_scores
from service.engine.slices import cuts, pieces, rows_a_slice, unit_of
from service.engine.texts import Texts, keys_of
from service.engine.threads import Threads
from service.metrics import Metrics

FEW_WARM, MOST_WARM = 1, 3  # rows of the runs before a start has ended, which must not wait for a dear encoder
CHOICES = 10  # times that a task is adapted anew to choose what to learn from
SLOW_PREDICTS = 100  # predictions of the same rows that an inner loop over an encoder's layers takes as long as
RAGGED = frozenset("NSOKL")  # ways, support rows, outputs, slots, columns: what a task decides

Query: TypeAlias = tuple[Packed, Array]  # one task's params, and its inputs [Q *X]


class Compute:
    """The learners on their device. One thread runs a generator; a yield is only a chance to pause."""

    def __init__(
        self,
        checkpoints: Mapping[str, Checkpoint],
        device: torch.device,
        dtype: torch.dtype,
        metrics: Metrics,
        text_bytes: int = 0,
        num_threads: int = 1,
    ) -> None:
        self.device = device
        self._threads = Threads(num_threads if device.type == "cpu" else 1)  # a GPU has one queue
        self.texts = Texts(text_bytes, metrics)
        self.checkpoints = checkpoints
        self._unit = unit_of(device, dtype)
        self.slice_rows = {digest: _slice_rows(found, self._unit) for digest, found in checkpoints.items()}
        self._last_piece: torch.cuda.Event | None = None
        self.learners = {digest: _placed(found, device, dtype) for digest, found in checkpoints.items()}
        self._dtypes = {digest: _dtype_of(learner) for digest, learner in self.learners.items()}
        self._appraisals = {
            (digest, kind): each.to(device)
            for digest, of in checkpoints.items()
            for kind, each in of.appraisals.items()
        }
        self._ragged = {digest: _ragged(found.head.layout) for digest, found in self.learners.items()}
        self.paces: dict[tuple[str, str], Pace] = defaultdict(Pace)  # by (digest, kind of ask)
        self.blank_features: dict[str, Array] = {}  # no rows of each model's features: their shape and type
        self.own_sizes: dict[str, Mapping[str, int]] = {}  # of the axes of params that are the same for all tasks

    def layout(self, digest: str) -> Mapping[str, str]:
        """The axes of each leaf of this model's params."""
        return self.learners[digest].head.layout

    def dtype_of(self, digest: str) -> str:
        """The precision of this model's encoder."""
        return self._dtypes[digest]

    def warm_up(self) -> Generator[None, None, None]:
        """Run every model on made-up rows: paces are measured on runs of two sizes that are not the first of theirs.

        On the first of a size an encoder's kernels are chosen, which takes about as long as a row more.
        """
        for digest, checkpoint in self.checkpoints.items():
            if self.is_slow(digest):
                for num_rows in (FEW_WARM, MOST_WARM):
                    yield from self._warm_slow(digest, num_rows)
                continue
            yield from self._encode(digest, [checkpoint.inputs.made_up(FEW_WARM)], ())
            for is_measured, num_rows in ((False, MOST_WARM), (True, FEW_WARM), (True, MOST_WARM)):
                task = _made_up(checkpoint.inputs.made_up(num_rows), checkpoint.card.kinds[0])
                (encoded,), encode_ms = yield from timed(self.encode(digest, [task.rows]))
                if encoded.features is not None:
                    task = replace(task, rows=encoded.features, encoded=True)
                (adapted,), head_ms = yield from timed(self.adapt(digest, [task]))
                query = (pack(adapted.params), task.rows)
                features = _in_float32(self._on_device([task.rows]))
                _, scores_ms = yield from timed(self._scored(digest, [query], features))
                self.own_sizes[digest] = _own(_sizes(query[0], self.layout(digest)))
                self.blank_features[digest] = task.rows[:0]
                if is_measured:
                    times = {"adapt": encode_ms + head_ms, "encode": encode_ms, "readapt": head_ms}
                    times |= {"predict": encode_ms + scores_ms, "transfer": CHOICES * head_ms}
                    for kind, ms in times.items():
                        self.paces[digest, kind].observe(num_rows, ms)

    def _warm_slow(self, digest: str, num_rows: int) -> Generator[None, None, None]:
        """The same but for what takes long, the inner loop: a new task's params predict as fast as adapted ones.

        One run a size will do: its kernels are those of its model, which came before.
        """
        head, checkpoint = self.learners[digest].head, self.checkpoints[digest]
        task = _made_up(checkpoint.inputs.made_up(num_rows), checkpoint.card.kinds[0])
        features, encode_ms = yield from timed(self._encode(digest, [task.rows], ()))
        params = head.start(Support(rows_of(features, [num_rows]), self._target([task])))
        query = (pack({leaf: value[0].cpu().numpy() for leaf, value in params.items()}), task.rows)
        _, scores_ms = yield from timed(self._scored(digest, [query], features))
        self.own_sizes[digest] = _own(_sizes(query[0], self.layout(digest)))
        self.blank_features[digest] = task.rows[:0]
        predict_ms = encode_ms + scores_ms
        times = {"adapt": SLOW_PREDICTS * predict_ms, "encode": encode_ms, "predict": predict_ms}
        for kind, ms in times.items():
            self.paces[digest, kind].observe(num_rows, ms)

    def adapt(
        self, digest: str, tasks: Sequence[LabelledArrays], tenants: Sequence[str] = ()
    ) -> Generator[None, None, list[Adapted]]:
        """The adapted params of each task, all in one batch of the head."""
        learner = self.learners[digest]
        lengths = [len(task.rows) for task in tasks]
        rows = [task.rows for task in tasks]
        features = (
            self._on_device(rows)
            if tasks[0].encoded
            else (yield from self._encode(digest, rows, tenants, is_bulk=True))
        )
        widths = [width(task.rows, self.checkpoints[digest].inputs) for task in tasks]
        features = features[:, : max(found or 0 for found in widths) or None]  # columns that no task has cost nothing
        support = Support(rows_of(features, lengths), self._target(tasks), self._names(tasks))
        yield
        params = start = learner.head.start(support)
        yield
        for params in learner.head.steps(support, start):  # noqa: B007 - the last is the answer
            self._keep_up()
            yield
        params, told = yield from self.appraised(digest, support, params, tasks)
        on_host = {leaf: value.to("cpu") for leaf, value in params.items()}
        is_new = not tasks[0].encoded and self.keeps_features(digest)
        own_features = torch.split(features.to("cpu"), lengths) if is_new else [None] * len(tasks)
        return [
            Adapted(
                trim(on_host, learner.head.layout, row, _own_sizes(task, columns)),
                None if rows is None else rows.contiguous().numpy(),
                forecast=told[row],
                temperature=temperature_of(told[row]),
            )
            for row, (task, rows, columns) in enumerate(zip(tasks, own_features, widths, strict=True))
        ]

    def appraised(
        self, digest: str, support: Support, params: TaskParams, tasks: Sequence[LabelledArrays]
    ) -> Generator[None, None, tuple[TaskParams, list[Forecast | None]]]:
        """The params as they are stored, each task's at its temperature, and what is told of the tasks."""
        head, kind = self.learners[digest].head, "regression" if tasks[0].values is not None else "classification"
        appraisal = self._appraisals.get((digest, kind))
        told = yield from forecasts(head, appraisal, support, params, list(tasks), self._threads)
        return as_told(head, params, told), told

    def encode(
        self, digest: str, tasks: Sequence[Array], tenants: Sequence[str] = ()
    ) -> Generator[None, None, list[Encoded]]:
        """The features of each task's rows, as `adapt` would make them."""
        if not self.keeps_features(digest):
            return [Encoded(None) for _ in tasks]
        features = yield from self._encode(digest, tasks, tenants, is_bulk=True)
        own = torch.split(features.to("cpu"), [len(rows) for rows in tasks])
        return [Encoded(rows.contiguous().numpy()) for rows in own]

    def encodes(self, digest: str) -> bool:
        """Whether this model makes features of inputs; an encoder that is the identity makes none."""
        return not isinstance(self.learners[digest].encoder, Identity)

    def keeps_features(self, digest: str) -> bool:
        """Whether they are stored; those of a stem are large, and soon made again."""
        return self.encodes(digest) and not self.is_slow(digest)

    def is_slow(self, digest: str) -> bool:
        """Whether to adapt takes seconds or minutes: the encoder's last layers adapt too."""
        return isinstance(self.learners[digest].head, Tail)

    def predict(
        self, digest: str, queries: Sequence[Query], tenants: Sequence[str] = ()
    ) -> Generator[None, None, list[ScoreArrays]]:
        """The scores of each task's queries. Rows are independent, so any cut into slices gives the same."""
        features = yield from self._encode(digest, [inputs for _, inputs in queries], tenants)
        return (yield from self._scored(digest, queries, features))

    def _scored(
        self, digest: str, queries: Sequence[Query], features: Tensor
    ) -> Generator[None, None, list[ScoreArrays]]:
        learner, ragged = self.learners[digest], self._ragged[digest]
        parts: list[list[ScoreArrays]] = [[] for _ in queries]
        lengths = [len(inputs) for _, inputs in queries]
        done = 0
        for piece in pieces(lengths, self.slice_rows[digest]):
            asked = [stop - first for _, first, stop in piece]
            rows = rows_of(features[done : (done := done + sum(asked))], asked)
            params = stack([queries[task][0] for task, _, _ in piece], self.device)
            scores = host_scores(learner.head.predict(params, rows))
            for row, (task, first, stop) in enumerate(piece):
                sizes = {axis: queries[task][0].shape(leaf)[dim] for axis, (leaf, dim) in ragged.items()}
                parts[task].append(own_scores(scores, row, stop - first, sizes))
            yield
        return [joined(pieces) for pieces in parts]

    def _encode(
        self, digest: str, rows: Sequence[Array], tenants: Sequence[str], *, is_bulk: bool = False
    ) -> Generator[None, None, Tensor]:
        """Features [B *F] of the rows of tasks, in their order, whatever the order they were encoded in."""
        if not self.encodes(digest):
            return _in_float32(self._on_device(rows))
        if not (tenants and self.keeps_features(digest) and isinstance(self.checkpoints[digest].inputs, TextInput)):
            return (yield from self._encoded(digest, np.concatenate(rows), is_bulk=is_bulk))
        keys, whole = keys_of(digest, tenants, rows), np.concatenate(rows)
        found = self.texts.get(keys)
        new = {key: place for place, key in enumerate(keys) if key not in found}
        if new:
            made = yield from self._encoded(digest, whole[list(new.values())])
            fresh = dict(zip(new, made.unbind(), strict=True))
            self.texts.put({key: features.clone() for key, features in fresh.items()})
            found |= fresh
        return torch.stack([found[key] for key in keys])

    def _encoded(self, digest: str, rows: Array, *, is_bulk: bool = False) -> Generator[None, None, Tensor]:
        """The rows a slice at a time, or several side by side; where they differ in size, like sizes together.

        Behind a lone slice there is no pause: another's slice before the little that is left would double its time.
        """
        parts = [*cuts(self.checkpoints[digest].inputs, rows, self._unit, is_bulk=is_bulk)]
        if len(parts) == 1:
            made = [self._made(digest, parts[0][1])]
        else:
            made = yield from self._threads.abreast([self._piece(digest, part) for _, part in parts])
        return _cat(made)[to_device(np.argsort(np.concatenate([where for where, _ in parts])), self.device)]

    def _piece(self, digest: str, rows: Array) -> Generator[None, None, Tensor]:
        made = self._made(digest, rows)
        yield
        return made

    def _made(self, digest: str, rows: Array) -> Tensor:
        made = _in_float32(self.learners[digest].encoder(to_device(rows, self.device)))
        self._keep_up()
        return made

    def _keep_up(self) -> None:
        """On a GPU, where a launch takes no time, wait for the piece before: what is queued cannot be overtaken."""
        if self.device.type == "cuda":
            if self._last_piece is not None:
                self._last_piece.synchronize()
            self._last_piece = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._last_piece.record()

    def prove(self) -> None:
        """Raise if the device cannot even add; a failed task is then not the task's fault."""
        torch.zeros(1, device=self.device).add_(1).item()

    def proof(self) -> Generator[None, None, None]:
        """The same as a thread's work."""
        self.prove()
        yield

    def _on_device(self, arrays: Sequence[Array]) -> Tensor:
        return to_device(np.concatenate(arrays), self.device)

    def _target(self, tasks: Sequence[LabelledArrays]) -> Target:
        lengths = [len(task.rows) for task in tasks]
        values = [task.values for task in tasks if task.values is not None]
        if values:
            return Values(rows_of(self._on_device(values), lengths).values)
        num_ways = [task.num_ways for task in tasks]
        ways = ways_of(num_ways, self.device)
        hot = [np.pad(task.hot, ((0, 0), (0, max(num_ways) - task.num_ways))) for task in tasks if task.hot is not None]
        if hot:
            return MultiHot(rows_of(self._on_device(hot), lengths).values, ways)
        classes = [task.classes for task in tasks if task.classes is not None]
        found = Classes(rows_of(self._on_device(classes), lengths).values, ways)
        tags = [task.tags for task in tasks if task.tags is not None]
        if not tags:
            return found
        slots = ways_of([task.num_slots for task in tasks], self.device)
        return Tags(found, rows_of(self._on_device(tags), lengths).values, slots)

    def _names(self, tasks: Sequence[LabelledArrays]) -> Tensor | None:
        """Which rows of the support are names of labels, if any is."""
        if all(task.names is None for task in tasks):
            return None
        names = [np.zeros(len(task.rows), np.bool_) if task.names is None else task.names for task in tasks]
        return rows_of(self._on_device(names), [len(each) for each in names]).values


def _made_up(rows: Array, kind: str) -> LabelledArrays:
    if kind == "regression":
        return LabelledArrays(rows, None, 0, np.arange(len(rows), dtype=np.float32)[:, None])
    classes = np.arange(len(rows)) % 2
    if kind == "frames":
        tags = np.eye(len(rows), max_words(rows.shape[1]), dtype=np.int64)
        return LabelledArrays(rows, classes, 2, None, tags=tags, num_slots=2)
    return LabelledArrays(rows, classes, 2, None)


def _placed(checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype) -> Learner:
    """The learner where it will run: encoder in `dtype`, head in float32, since inner loops and solves need it."""
    learner = checkpoint.learner.eval().requires_grad_(False).to(device)
    if not {"vector", "table"} & {*checkpoint.card.modalities}:  # bfloat16 would round a user's own numbers
        pack_weights(learner.encoder, dtype, device)
        learner.encoder.to(dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return learner


def _dtype_of(learner: Learner) -> str:
    """Of its encoder's weights; an encoder without any passes on what it gets."""
    weights = next(chain(learner.encoder.parameters(), learner.encoder.buffers()), torch.empty(0))
    return str(weights.dtype).removeprefix("torch.")


def _cat(parts: Sequence[Tensor]) -> Tensor:
    """Pieces of a batch as one tensor; those with fewer tokens than others get zeros behind."""
    longest = max(part.shape[1:2] for part in parts)
    return torch.cat([part if part.shape[1:2] == longest else _lengthened(part, longest[0]) for part in parts])


def _lengthened(part: Tensor, length: int) -> Tensor:
    longer = part.new_zeros((len(part), length, *part.shape[2:]))
    longer[:, : part.shape[1]] = part
    return longer


def _slice_rows(checkpoint: Checkpoint, unit: str) -> int:
    """Rows a slice; where the head holds layers of the encoder, as many as those take at once."""
    most = rows_a_slice(checkpoint.inputs, unit)
    head = checkpoint.learner.head
    return min(most, head.piece_rows) if isinstance(head, Tail) else most


def _own_sizes(task: LabelledArrays, columns: int | None) -> dict[str, int]:
    """Of the axes that differ from task to task."""
    sizes = {"N": task.num_ways, "S": len(task.rows), "K": task.num_slots}
    return sizes if columns is None else {**sizes, "L": columns}


def _own(sizes: Mapping[str, int]) -> dict[str, int]:
    """Of the axes that are the same for all tasks."""
    return {axis: sizes[axis] for axis in sizes if axis not in RAGGED}


def _ragged(layout: Mapping[str, str]) -> dict[str, tuple[str, int]]:
    """A leaf and its axis from which the size can be read of each axis that a task decides."""
    axes = ((axis, (leaf, dim)) for leaf, own in layout.items() for dim, axis in enumerate(own.split()))
    return {axis: place for axis, place in axes if axis in RAGGED}


def _in_float32(features: Tensor) -> Tensor:
    return features.float() if features.is_floating_point() else features


def _sizes(params: Packed, layout: Mapping[str, str]) -> dict[str, int]:
    """The true size of each axis, read off one task's params."""
    shapes = ((axes.split(), params.shape(leaf)) for leaf, axes in layout.items())
    return {axis: size for axes, shape in shapes for axis, size in zip(axes, shape, strict=True)}
