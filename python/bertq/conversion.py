"""Published checkpoints to `.bertq` files, and what int8 cost."""

from __future__ import annotations

import ctypes
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable, Iterable, Union

import numpy as np

from . import _library, _texts
from ._library import call, library, take_json
from .errors import DriftGateError, NotFoundError, UsageError
from .model import Model, Text

Limits = Union[str, Mapping[str, float]]


@dataclass(frozen=True)
class Converted:
    """What a conversion made."""

    path: str
    summary: str
    float_fingerprint: str | None
    int8_fingerprint: str | None


def checkpoint_folder(name: str) -> str:
    """Where a checkpoint lies: a path as it is, or an "owner/name" of the hub in its download cache on this machine.

    Nothing is downloaded.
    """
    if os.path.exists(name) or name.count("/") != 1 or name.startswith((".", "/", "~")):
        return name
    home = os.environ.get("HF_HOME") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "huggingface")
    hub = os.environ.get("HF_HUB_CACHE") or os.path.join(home, "hub")
    folder = os.path.join(hub, "models--" + name.replace("/", "--"))
    try:
        with open(os.path.join(folder, "refs", "main"), encoding="utf-8") as file:
            snapshot = os.path.join(folder, "snapshots", file.read().strip())
    except OSError:
        raise NotFoundError(
            f"{name} is no path, and not in the download cache {hub}: download it first, as with `hf download {name}`",
            "not-found") from None
    return snapshot


def _limits(limits: Limits | None, what: str) -> dict[str, float]:
    """Numbers by their names, each once: {"cosine": 0.999}, or "cosine=0.999,sqnr=30"."""
    if limits is None:
        return {}
    if isinstance(limits, str):
        sides = [part.split("=", 1) for part in limits.split(",")]
        bad = [part for part in sides if len(part) != 2 or not _is_number(part[1])]
        if bad:
            raise UsageError(f"{what}: {'='.join(bad[0])!r} is not NAME=NUMBER", "usage")
        pairs: list[tuple[Any, Any]] = [(name.strip(), float(value)) for name, value in sides]
    elif isinstance(limits, Mapping):
        pairs = list(limits.items())
    else:
        raise TypeError(f"{what} is {type(limits).__name__}, expected a dict or a str")
    found: dict[str, float] = {}
    for name, value in pairs:
        if not isinstance(name, str) or isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.number)):
            raise TypeError(f"{what} has {value!r} for {name!r}, expected a number for a name")
        if name in found:
            raise UsageError(f"{what} names {name!r} twice", "usage")
        if not _is_number(value):
            raise UsageError(f"{what} has {value!r} for {name!r}, expected a number", "usage")
        found[name] = float(value)
    return found


def _is_number(value: Any) -> bool:
    try:
        return math.isfinite(float(value))
    except (ValueError, OverflowError, TypeError):
        return False


def convert(
    source: str | os.PathLike[str], output: str | os.PathLike[str], *, calibrate: str | os.PathLike[str] | bool = True,
    weights: str = "both", embeddings: str = "f32", config: str | os.PathLike[str] | None = None,
    vocab: str | os.PathLike[str] | None = None, ids_only: bool = False, max_drift: Limits | None = None,
    heads: int | None = None, recipe: str | None = None, report: str | os.PathLike[str] | None = None, threads: int | None = None,
    watch: Callable[[dict[str, Any]], Any] | None = None,
) -> Converted:
    """Turns a published checkpoint into one `.bertq` file, as the program bert-convert does.

    Args:
        source: a file, a shard index or a folder; "owner/name" for what lies in the hub's download cache; or a `.bertq` file
            with float32 weights.
        output: the file to write; it appears whole or not at all.
        calibrate: a file of texts, one a line, that int8 weights are fitted to; True for some that come with bertq; False
            rounds the weights looking at no text.
        weights: "both", "int8" or "float".
        embeddings: how word embeddings are stored: "f32", "f16" or "int8".
        config, vocab: where these do not lie beside the checkpoint.
        ids_only: leaves the tokenizer out; the model then takes token ids.
        heads: the number of attention heads, where no configuration says it.
        max_drift: the cheapest linear layers stay in float32 until the drift is at most this: {"cosine": 0.9995, "sqnr": 30}.
        recipe: parts of the quantiser to leave out.
        report: where to write what was imported and quantised, as JSON.
        watch: told of each step, {"stage": ..., "done": ..., "of": ...} or {"note": ...}.
    """
    limits = _limits(max_drift, "max_drift")
    unknown = set(limits) - {"cosine", "sqnr"}
    if unknown:
        raise UsageError(f"max_drift knows cosine and sqnr, not {', '.join(sorted(unknown))}", "usage")
    for name, value in limits.items():
        if value <= 0:
            raise UsageError(f"max_drift has {value} for {name!r}, expected more than 0", "usage")
    if calibrate is None:
        raise TypeError("calibrate is None, expected True, False or the path of a file of texts")

    def path(value: Any) -> bytes | None:
        return None if value is None else _library.path_bytes(value)

    def number(value: Any, name: str, most: int) -> int:
        return 0 if value is None else _texts.whole(value, name, 1, most)

    order = _library.Conversion(
        size=ctypes.sizeof(_library.Conversion), input=path(checkpoint_folder(os.fspath(source))), output=path(output),
        configuration=path(config), vocabulary=path(vocab), weights=_texts.words(weights, "weights"),
        embeddings=_texts.words(embeddings, "embeddings"),
        calibration=None if isinstance(calibrate, bool) else path(calibrate),
        recipe=None if recipe is None else _texts.words(recipe, "recipe"),
        report=path(report), least_cosine=limits.get("cosine", 0), least_sqnr=limits.get("sqnr", 0),
        threads=number(threads, "threads", 256), no_calibration=int(calibrate is False), ids_only=int(_texts.flag(ids_only, "ids_only")),
        heads=number(heads, "heads", (1 << 31) - 1))
    problems: list[BaseException] = []

    def told(_: Any, text: bytes) -> None:
        try:
            if watch is not None and not problems:
                watch(json.loads(text))
        except BaseException as error:  # noqa: BLE001 - raised again when the library is left
            problems.append(error)

    result = ctypes.c_void_p()
    call(library.bertq_convert, ctypes.byref(order), _library.Watch(told), None, ctypes.byref(result))
    made = take_json(result)
    if problems:
        raise problems[0]
    return Converted(os.fspath(output), made["summary"], made["float"], made["int8"])


def drift(
    model: Model | str | os.PathLike[str], texts: Iterable[Text], *, truncate: bool = False, attribute: bool = False,
    require: Limits | None = None,
) -> dict[str, Any]:
    """How far int8 is from float32 on some texts: what `bert-run --drift-report` writes.

    Args:
        attribute: also finds out which linear layers cause it; slow.
        require: thresholds, {"cosine": 0.999} or "cosine=0.999,sqnr=30".

    Raises:
        DriftGateError when a threshold is not met; its `report` is the report.
    """
    opened = model if isinstance(model, Model) else Model(model)
    some, _ = _texts.listed(texts)
    data = _texts.batch(some)
    whole = data.whole()
    wanted = ",".join(f"{name}={value!r}" for name, value in _limits(require, "require").items())
    result, handle = ctypes.c_void_p(), opened._open
    try:
        call(
            library.bertq_drift, handle.pointer, whole.pointer, int(_texts.flag(truncate, "truncate")),
            int(_texts.flag(attribute, "attribute")), _texts.words(wanted, "require") or None, ctypes.byref(result))
    except DriftGateError as error:
        if result.value:
            error.report = take_json(result)
        raise
    measured: dict[str, Any] = take_json(result)
    return measured
