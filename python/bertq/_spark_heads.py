"""Answers of heads as columns of structs."""

from __future__ import annotations

import os
from typing import Any, Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from . import _texts, arrow
from ._spark_nodes import Shipped, fields, model_of_worker, placed, texts_column, with_reasons
from .errors import BertqError, UnsupportedError, UsageError
from .model import Model


def _struct(**members: pa.DataType) -> pa.DataType:
    return pa.struct(list(members.items()))


_place = {"start": pa.int32(), "end": pa.int32(), "byte_start": pa.int32(), "byte_end": pa.int32()}
_label = {"label": pa.string(), "score": pa.float32()}
_candidates = pa.list_(_struct(token=pa.string(), id=pa.int32(), score=pa.float32()))
# What a task's column is, and which member of bert-run's line it has; None for the line itself.
KINDS: dict[str, tuple[pa.DataType, str | None]] = {
    "classify": (pa.list_(_struct(**_label, logit=pa.float32())), "labels"),
    "zero-shot": (pa.list_(_struct(**_label)), "labels"),
    "rerank": (_struct(score=pa.float32(), logit=pa.float32()), None),
    "tag": (pa.list_(_struct(**_label, **_place, text=pa.string())), "entities"),
    "answer": (pa.list_(_struct(text=pa.string(), **_place, score=pa.float32())), "answers"),
    "fill-mask": (pa.list_(_struct(start=pa.int32(), end=pa.int32(), candidates=_candidates)), "masks"),
    "next-sentence": (pa.float32(), "is_next"),
    "choose": (_struct(choice=pa.int32(), scores=pa.list_(pa.float32()), logits=pa.list_(pa.float32())), None),
    "sparse": (_struct(indices=pa.list_(pa.int32()), values=pa.list_(pa.float32())), None),
}
# The tasks of two texts.
PAIRED = {"rerank", "answer", "next-sentence"}
# Those of one text alone.
SINGLE = {"choose", "zero-shot"}


def answer(
    df: Any, column: str, path: str | os.PathLike[str], *, task: str, pair: str | None = None, output: str | None = None,
    failures: str | None = None, precision: str | None = None, truncate: bool = False, ship: bool = True, **settings: Any,
) -> Any:
    """The table with a column of what a head answers, null where a text is null.

        answer(df, "text", "moods.bertq", task="classify")                   # array<struct<label,score,logit>>
        answer(df, "query", "ranker.bertq", task="rerank", pair="document")  # struct<score,logit>
        answer(df, "question", "reader.bertq", task="answer", pair="context", top=3)

    Args:
        df: a DataFrame, classic or Connect.
        column: the column of texts, or of the first texts of pairs.
        path: the `.bertq` file on the driver.
        task: "classify", "zero-shot", "rerank", "tag", "answer", "fill-mask", "next-sentence", "choose" or "sparse".
        pair: the column of second texts.
        output: the new column; None for the task's name, with an underline for a hyphen.
        failures: a second new column, null, or why a row has no answer; without it one bad row fails the job.
        precision, truncate, ship: as of `embed`.
        settings: of the task, as Model's method of that name has them: `aggregate`, `top`, `labels` and so on.
    """
    if task not in KINDS:
        raise UsageError(f"no task {task!r}; expected {', '.join(KINDS)}", "usage")
    if task in PAIRED and pair is None:
        raise UsageError(f"the task {task!r} reads two texts: name the second's column by pair=", "usage")
    if task in SINGLE and pair is not None:
        raise UsageError(f"the task {task!r} reads one text: pair= has no meaning", "usage")
    column, pair = texts_column(df, column), None if pair is None else texts_column(df, pair)
    truncate = _texts.flag(truncate, "truncate")
    kind, member = KINDS[task]

    def check(model: Model) -> None:
        if task not in model.tasks:
            raise UnsupportedError(f"{model.path} does not answer {task!r}; it answers {', '.join(model.tasks)}", "unsupported")
        # Settings that make no sense are refused here, not on the nodes.
        model._answers(task, [("a", "a") if pair else "a"], True, settings, failures={})

    model = Shipped(df.sparkSession, path, precision=precision, ship=ship, check=check)
    schema = fields(df, task.replace("-", "_") if output is None else output, kind, failures, {**model.metadata, "bertq.task": task})
    return df.mapInArrow(_mapper(model, column, pair, task, kind, member, failures is not None, truncate, settings), schema)


def _mapper(
    model: Shipped, column: str, pair: str | None, task: str, kind: pa.DataType, member: str | None, reports: bool, truncate: bool,
    settings: dict[str, Any],
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    arguments = model.arguments()

    def texts(batch: pa.RecordBatch, name: str) -> pa.Array:
        return arrow.strings(batch.column(batch.schema.get_field_index(name)))

    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        opened, done = model_of_worker(*arguments), 0
        for batch in batches:
            first, second = texts(batch, column), texts(batch, pair) if pair else None
            there = first.is_valid() if second is None else pc.and_(first.is_valid(), second.is_valid())
            places = np.flatnonzero(there.to_numpy(zero_copy_only=False)).tolist()
            given = arrow.batch(first.filter(there), None if second is None else second.filter(there))
            failed: dict[int, str] | None = {} if reports else None
            with placed(column, done):
                try:
                    lines = opened._answers(task, given, truncate, settings, failures=failed)
                except BertqError as error:
                    error.text = None if error.text is None else places[error.text]
                    raise
            done += batch.num_rows
            answers: list[Any] = [None] * batch.num_rows
            for index, line in zip(places, lines):
                answers[index] = line if line is None or member is None else line[member]
            reasons = None if failed is None else {places[index]: reason for index, reason in failed.items()}
            yield with_reasons(batch, pa.array(answers, kind), reasons)

    return run
