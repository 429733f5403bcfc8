"""Texts, pairs and token ids as the library takes them: end to end, with offsets."""

from __future__ import annotations

import ctypes
import json
import math
import operator
from collections.abc import Mapping
from typing import Any, Iterator, Sequence

import numpy as np

from . import _library
from .errors import TextError, UsageError

# A call takes about so many bytes of texts, or a quarter as many token ids: some 10^5 tokens.
CALL_BYTES = 400_000
CALL_TEXTS = 16_384
# What the library counts in.
MOST = (1 << 63) - 1


class Block:
    """Some texts of a larger list, and the struct that the library reads them by."""

    def __init__(self, first: int, count: int, size: int, fields: dict[str, int], offset_size: int, keep: Any) -> None:
        # Its texts, and the bytes of all of them.
        self.first, self.count, self.size, self._keep = first, count, size, keep
        self.struct = _library.Input(size=ctypes.sizeof(_library.Input), count=count, offset_size=offset_size, **fields)

    @property
    def pointer(self) -> Any:
        return ctypes.byref(self.struct)


class Batch:
    """Texts that can be cut into blocks without copying them."""

    def __init__(self, parts: list[tuple[str, str, np.ndarray, int, np.ndarray | None]], offset_size: int) -> None:
        # Of each part: the names of its two fields, its offsets, the address of its values, and what keeps those alive.
        self._parts, self._offset_size = parts, offset_size
        self.count = len(parts[0][2]) - 1 if parts else 0

    def blocks(self) -> Iterator[Block]:
        """All texts, some at a time; one block where there are none, so that settings are checked all the same."""
        if self.count == 0:
            yield Block(0, 0, 0, {}, self._offset_size, None)
            return
        weight = np.zeros(self.count + 1, np.int64)
        for values, _, starts, _, _ in self._parts:
            if values != "types":
                weight += starts * np.int64(4 if values == "ids" else 1)
        first = 0
        while first < self.count:
            last = int(np.searchsorted(weight, weight[first] + CALL_BYTES, side="right")) - 1
            last = max(first + 1, min(last, first + CALL_TEXTS, self.count))
            yield self._block(first, last)
            first = last

    def whole(self) -> Block:
        """All texts as one block."""
        return self._block(0, self.count) if self._parts else Block(0, 0, 0, {}, self._offset_size, None)

    def _block(self, first: int, last: int) -> Block:
        fields: dict[str, int] = {}
        size = 0
        for values, offsets, starts, address, _ in self._parts:
            fields[values] = address
            size += (int(starts[last]) - int(starts[first])) * (4 if values == "ids" else 1)
            if offsets:
                fields[offsets] = starts.ctypes.data + first * self._offset_size
        return Block(first, last - first, size, fields, self._offset_size, self._parts)


def _ends(lengths: Any, count: int) -> np.ndarray:
    offsets = np.zeros(count + 1, np.int64)
    np.cumsum(np.fromiter(lengths, np.int64, count), out=offsets[1:])
    return offsets


def _joined(texts: Sequence[Any], what: str = "") -> tuple[bytes, np.ndarray]:
    """Texts in UTF-8, end to end, and where each begins."""
    try:
        encoded = [str.encode(text) for text in texts]
    except (TypeError, UnicodeEncodeError):
        for index, text in enumerate(texts):
            kind, found = _fault(text)
            if kind is TypeError:
                raise TypeError(f"text {index}{what} {found}") from None
            if kind is not None:
                raise TextError(f"{what.strip() or 'it'} {found}", "not-utf8", index) from None
        raise
    return b"".join(encoded), _ends(map(len, encoded), len(encoded))


def _fault(text: Any) -> tuple[type[Exception] | None, str]:
    """Why something cannot be read as a text: the kind of error, and what is said of it."""
    if not isinstance(text, str):
        hint = ""
        if isinstance(text, bytes):
            hint = ": decode it first"
        elif _is_arrow(text):
            hint = ": encode_arrow takes Arrow's arrays"
        return TypeError, f"is {type(text).__name__}, expected str{hint}"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return TextError, _half(error)
    return None, ""


def sound(texts: list[Any]) -> tuple[list[int], dict[int, str]]:
    """The places of what can be handed over, and why the others cannot: pairs where the first that can be is one."""
    failures: dict[int, str] = {}
    places: list[int] = []
    wants_pairs: bool | None = None
    for index, text in enumerate(texts):
        is_pair = isinstance(text, (tuple, list))
        if is_pair and len(text) != 2:
            failures[index] = f"it is {_shape(text)}, expected a str or a pair of them"
            continue
        found = [reason for kind, reason in map(_fault, text if is_pair else [text]) if kind is not None]
        if found:
            failures[index] = f"it {found[0]}" if not is_pair else f"one of its pair {found[0]}"
        elif wants_pairs not in (None, is_pair):
            failures[index] = f"it is {_shape(text)}, expected a {'pair of texts' if wants_pairs else 'str'}, as the first is"
        else:
            wants_pairs = is_pair
            places.append(index)
    return places, failures


def _half(error: UnicodeEncodeError) -> str:
    found = ord(error.object[error.start])
    return f"holds half of a character (a lone surrogate, U+{found:04X}) at {error.start}: read it as UTF-8, or replace that"


def _address(data: bytes) -> tuple[int, Any]:
    kept = ctypes.c_char_p(data)
    return ctypes.cast(kept, ctypes.c_void_p).value or 0, kept


def is_list(texts: Any) -> bool:
    """Whether what it iterates over are its texts, in an order of its own: a table gives the names of its columns, a dict its keys."""
    if isinstance(texts, (str, bytes, bytearray, Mapping, set, frozenset)) or hasattr(type(texts), "columns"):
        return False
    if isinstance(texts, np.ndarray) and texts.ndim == 0:
        return False
    return hasattr(texts, "__iter__")


def _is_arrow(texts: Any) -> bool:
    return type(texts).__module__.partition(".")[0] == "pyarrow"


def _hint(texts: Any) -> str:
    if hasattr(type(texts), "columns"):
        return ": choose a column"
    if _is_arrow(texts):
        return ": encode_arrow takes Arrow's arrays"
    return ": give its values() or its keys() as a list" if isinstance(texts, Mapping) else ""


def listed(texts: Any) -> tuple[list[Any], bool]:
    """Texts as a list, and whether it was one text alone."""
    if isinstance(texts, np.ndarray):
        # Pairs may be rows of two; an array without a dimension is the one thing in it.
        if texts.ndim > 2 or texts.ndim == 2 and texts.shape[1] != 2:
            raise TypeError(f"texts are an array of shape {texts.shape}, expected one dimension, or pairs as rows of two")
        if texts.ndim == 0:
            texts = texts.item()
    if isinstance(texts, str):
        return [texts], True
    if not is_list(texts) or _is_arrow(texts):
        raise TypeError(f"texts are {type(texts).__name__}, expected str or a list of them{_hint(texts)}")
    return (texts.tolist() if isinstance(texts, np.ndarray) else list(texts)), False


def _shape(pair: Any) -> str:
    return f"a {type(pair).__name__} of {len(pair)}" if isinstance(pair, (tuple, list)) else type(pair).__name__


def one(text: Any, what: str) -> str:
    """A single text: the query of several documents."""
    if not isinstance(text, str):
        raise TypeError(f"{what} is {type(text).__name__}, expected str")
    return _whole(text, what)


def _whole(text: str, what: str) -> str:
    kind, found = _fault(text)
    if kind is not None:
        raise UsageError(f"{what}: it {found}", "not-utf8")
    return text


def words(text: Any, what: str) -> bytes:
    """A str for the library, which a zero byte would end.

    Raises:
        TypeError for what is none, UsageError for a zero byte or half a character.
    """
    if not isinstance(text, str):
        raise TypeError(f"{what} is {type(text).__name__}, expected str")
    if "\0" in text:
        raise UsageError(f"{what} holds a zero byte", "usage")
    return _whole(text, what).encode()


def flag(value: Any, what: str) -> bool:
    """A yes or no: any other value would be one of them, most often not the one that was meant."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{what} is {value!r}, expected True or False")
    return bool(value)


def whole(value: Any, what: str, least: int, most: int) -> int:
    """An integer, of NumPy too; nothing is made one that is none."""
    if isinstance(value, bool) or not hasattr(type(value), "__index__"):
        raise TypeError(f"{what} is {value!r}, a {type(value).__name__}; expected an integer")
    found = operator.index(value)
    if not least <= found <= most:
        wanted = f"at least {least}" if most == MOST and found < least else f"{least} to {most}"
        raise UsageError(f"{what} is {found}; expected {wanted}", "usage")
    return found


def settings(given: Mapping[str, Any]) -> bytes | None:
    """What is asked of a head, as JSON; None where nothing is."""
    some = {name: _setting(value, name) for name, value in given.items()}
    return json.dumps(some).encode() if some else None


def _setting(value: Any, name: str) -> Any:
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [_setting(item, name) for item in value]
    if isinstance(value, str):
        return _whole(value, f"'{name}'")
    if isinstance(value, float) and not math.isfinite(value):
        raise UsageError(f"'{name}' is {value}, expected a number", "usage")
    if value is not None and not isinstance(value, (bool, int, float)):
        raise TypeError(f"'{name}' is {type(value).__name__}, expected a str, a number, or a list of them")
    return value


def several(words: Any, what: str) -> list[str]:
    """A list of str that are no single text: documents, labels, choices. A str would be taken for its letters."""
    if not is_list(words):
        raise TypeError(f"{what} are {type(words).__name__}, expected a list of str{_hint(words)}")
    found = list(words)
    for index, word in enumerate(found):
        if not isinstance(word, str):
            raise TypeError(f"{what} hold {type(word).__name__} at {index}, expected str")
        _whole(word, f"{what} at {index}")
    return found


def batch(texts: list[Any]) -> Batch:
    """Texts, or pairs of texts as tuples or lists of two."""
    pairs = None
    if texts and isinstance(texts[0], (tuple, list)):
        for index, pair in enumerate(texts):
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                raise TypeError(f"text {index} is {_shape(pair)}; expected a pair of texts{'' if index == 0 else ', as the first is'}")
        texts, pairs = [pair[0] for pair in texts], [pair[1] for pair in texts]
    parts = []
    for values, offsets, some, what in [("bytes", "offsets", texts, ""), ("pair_bytes", "pair_offsets", pairs, "'s pair")]:
        if some is None:
            continue
        data, starts = _joined(some, what)
        address, kept = _address(data)
        parts.append((values, offsets, starts, address, kept))
    return Batch(parts, 8)


def id_batch(ids: Any, types: Any = None) -> Batch:
    """Token ids of texts, the special ones included, and perhaps their types."""
    rows = [integers(row, "token ids", np.int32, index) for index, row in enumerate(ids)]
    starts = _ends(map(len, rows), len(rows))
    flat = np.concatenate(rows) if rows else np.zeros(0, np.int32)
    parts: list[Any] = [("ids", "id_offsets", starts, flat.ctypes.data, flat)]
    if types is not None:
        type_rows = [integers(row, "token types", np.uint8, index) for index, row in enumerate(types)]
        if [len(row) for row in type_rows] != [len(row) for row in rows]:
            raise UsageError("token types are not as many as token ids", "usage")
        kept = np.concatenate(type_rows) if type_rows else np.zeros(0, np.uint8)
        parts.append(("types", "", starts, kept.ctypes.data, kept))
    return Batch(parts, 8)


def integers(row: Any, what: str, kind: Any, index: int | None = None) -> np.ndarray:
    """A list of integers, of one text or of none in particular; nothing is rounded or wrapped into one."""
    array = np.asarray(row)
    if array.size == 0:
        return np.zeros(0, kind)
    if array.dtype.kind not in "iu" or array.ndim != 1:
        whose = "" if index is None else f" of text {index}"
        raise TypeError(f"{what}{whose} are {array.dtype} of {array.ndim} dimensions, expected a list of integers")
    limits = np.iinfo(kind)
    if array.min() < limits.min or array.max() > limits.max:
        raise UsageError(f"{what} from {array.min()} to {array.max()}, beyond {limits.min} to {limits.max}", "usage", index)
    return np.ascontiguousarray(array, dtype=kind)
