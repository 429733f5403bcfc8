"""Arrow arrays in and out, without copying a text. Needs pyarrow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from . import _texts
from ._library import library

if TYPE_CHECKING:
    from .model import Model


def batch(array: pa.Array, pair: pa.Array | None = None) -> _texts.Batch:
    """Strings without nulls, as they lie in Arrow's memory, and perhaps as many that are their pairs."""
    if pair is not None and pair.type != array.type:
        array, pair = array.cast(pa.large_string()), pair.cast(pa.large_string())
    size = 8 if pa.types.is_large_string(array.type) else 4
    parts = []
    for values_name, offsets_name, some in [("bytes", "offsets", array), ("pair_bytes", "pair_offsets", pair)]:
        if some is None:
            continue
        _, offsets, values = some.buffers()
        if len(some) == 0 or offsets is None:
            return _texts.Batch([], size)
        starts = np.frombuffer(offsets, np.int64 if size == 8 else np.int32)[some.offset : some.offset + len(some) + 1]
        parts.append((values_name, offsets_name, starts, values.address if values is not None else 0, some))
    return _texts.Batch(parts, size)


def strings(array: Any) -> pa.Array:
    """One array of strings.

    Raises:
        TypeError for other types.
    """
    if hasattr(type(array), "columns"):
        raise TypeError(f"a {type(array).__name__}, expected an array of strings: choose a column")
    if not isinstance(array, (pa.Array, pa.ChunkedArray)):
        # Arrow makes an array of a str's letters too, of a set in any order, of a dict's keys.
        if not _texts.is_list(array) and not hasattr(array, "__arrow_c_array__"):
            raise TypeError(f"a {type(array).__name__}, expected an array of strings")
        try:
            array = pa.array(array)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
            raise TypeError(f"a {type(array).__name__} that is no array of strings: {error}") from error
    kind = array.type
    if pa.types.is_dictionary(kind):
        array = array.cast(kind.value_type)
        kind = array.type
    if isinstance(array, pa.ChunkedArray):
        # Chunks of 32-bit offsets together may hold more than those can count.
        if array.num_chunks == 1:
            array = array.chunk(0)
        else:
            array = pa.concat_arrays(array.cast(pa.large_string()).chunks) if array.num_chunks else pa.array([], pa.string())
    if pa.types.is_null(kind):
        return array.cast(pa.string())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return array
    if hasattr(pa.types, "is_string_view") and pa.types.is_string_view(kind):
        return array.cast(pa.large_string())
    raise TypeError(f"an array of {kind}, expected strings")


def vectors(
    model: Model, array: Any, *, truncate: bool, prompt: str | None = None, prompt_name: str | None = None,
    failures: dict[int, str] | None = None, counts: dict[str, int] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of what is not null, and a mask of what is null."""
    array = strings(array)
    null = array.is_null().to_numpy(zero_copy_only=False) if array.null_count else np.zeros(len(array), bool)
    there = array.drop_null() if array.null_count else array
    try:
        found = model._vectors(
            library.bertq_embed, batch(there), model.dimension, truncate, None, False, failures=failures, counts=counts,
            prompt=prompt, prompt_name=prompt_name)
    except Exception as error:
        text = getattr(error, "text", None)
        if text is not None:
            error.text = int(np.flatnonzero(~null)[text])  # type: ignore[attr-defined]
        raise
    if failures and array.null_count:
        places = np.flatnonzero(~null)
        moved = {int(places[text]): reason for text, reason in failures.items()}
        failures.clear()
        failures.update(moved)
    return found, null


def lists(rows: np.ndarray, null: np.ndarray, *, fixed: bool) -> pa.Array:
    """Rows of what is not null, as an array of lists that has nulls again."""
    width, count = rows.shape[1], len(null)
    nulls = int(null.sum())
    validity = pa.py_buffer(np.packbits(~null, bitorder="little")) if nulls else None
    if fixed:
        if nulls:
            spread = np.zeros((count, width), np.float32)
            spread[~null] = rows
            rows = spread
        values = pa.Array.from_buffers(pa.float32(), rows.size, [None, pa.py_buffer(rows)])
        return pa.Array.from_buffers(pa.list_(pa.float32(), width), count, [validity], nulls, children=[values])
    values = pa.Array.from_buffers(pa.float32(), rows.size, [None, pa.py_buffer(rows)])
    if rows.size > np.iinfo(np.int32).max:
        raise ValueError(f"{len(rows)} lists of {width} are more than one array can hold: encode fewer at once")
    starts = np.zeros(count + 1, np.int32)
    np.cumsum(~null * np.int32(width), out=starts[1:])
    return pa.Array.from_buffers(pa.list_(pa.float32()), count, [validity, pa.py_buffer(starts)], nulls, children=[values])


def encode(
    model: Model, array: Any, *, fixed: bool, truncate: bool, prompt: str | None = None, prompt_name: str | None = None
) -> pa.Array:
    """Lists of float32 for strings, null for null."""
    rows, null = vectors(model, array, truncate=truncate, prompt=prompt, prompt_name=prompt_name)
    return lists(rows, null, fixed=_texts.flag(fixed, "fixed"))
