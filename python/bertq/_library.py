"""The C library by ctypes: loading, structs, functions."""

from __future__ import annotations

import ctypes
import importlib.resources
import json
import os
import threading
from typing import Any

from . import errors

ABI = 1


class Error(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t), ("text", ctypes.c_int64), ("kind", ctypes.c_char * 32), ("remedy", ctypes.c_char * 32),
        ("message", ctypes.c_char * 1968),
    ]


class Options(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t), ("precision", ctypes.c_char_p), ("kernels", ctypes.c_char_p), ("threads", ctypes.c_int32),
        ("reserved", ctypes.c_int32), ("token_budget", ctypes.c_uint64), ("cache_bytes", ctypes.c_uint64),
    ]


class Input(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t), ("count", ctypes.c_size_t), ("offset_size", ctypes.c_int32), ("reserved", ctypes.c_int32),
        ("bytes", ctypes.c_void_p), ("offsets", ctypes.c_void_p), ("pair_bytes", ctypes.c_void_p),
        ("pair_offsets", ctypes.c_void_p), ("ids", ctypes.c_void_p), ("id_offsets", ctypes.c_void_p), ("types", ctypes.c_void_p),
    ]


class Request(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t), ("truncates", ctypes.c_int32), ("priority", ctypes.c_int32), ("seconds", ctypes.c_double),
        ("cancellation", ctypes.c_void_p), ("prompt", ctypes.c_char_p), ("prompt_name", ctypes.c_char_p),
        ("tokens", ctypes.c_uint64), ("cut_texts", ctypes.c_uint64),
    ]


class Conversion(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t), ("input", ctypes.c_char_p), ("output", ctypes.c_char_p), ("configuration", ctypes.c_char_p),
        ("vocabulary", ctypes.c_char_p), ("weights", ctypes.c_char_p), ("embeddings", ctypes.c_char_p),
        ("calibration", ctypes.c_char_p), ("recipe", ctypes.c_char_p), ("report", ctypes.c_char_p),
        ("least_cosine", ctypes.c_double), ("least_sqnr", ctypes.c_double), ("threads", ctypes.c_int32),
        ("no_calibration", ctypes.c_int32), ("ids_only", ctypes.c_int32), ("heads", ctypes.c_int32),
    ]


Watch = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p)

_pointer = ctypes.c_void_p
_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "bertq_abi": (ctypes.c_int32, []),
    "bertq_version": (ctypes.c_char_p, []),
    "bertq_open": (ctypes.c_int32, [ctypes.c_char_p, _pointer, _pointer, _pointer]),
    "bertq_close": (None, [_pointer]),
    "bertq_describe": (ctypes.c_int32, [_pointer, _pointer, _pointer]),
    "bertq_embed": (ctypes.c_int32, [_pointer, _pointer, _pointer, _pointer, ctypes.c_size_t, _pointer, _pointer]),
    "bertq_pooled": (ctypes.c_int32, [_pointer, _pointer, _pointer, _pointer, ctypes.c_size_t, _pointer, _pointer]),
    "bertq_tokens": (ctypes.c_int32, [_pointer, _pointer, _pointer, _pointer, ctypes.c_size_t, _pointer]),
    "bertq_count": (ctypes.c_int32, [_pointer, _pointer, _pointer, _pointer]),
    "bertq_tokenize": (
        ctypes.c_int32, [_pointer, _pointer, ctypes.c_int32, _pointer, _pointer, _pointer, ctypes.c_size_t, _pointer]),
    "bertq_decode": (ctypes.c_int32, [_pointer, _pointer, ctypes.c_size_t, ctypes.c_int32, _pointer, _pointer]),
    "bertq_answer": (
        ctypes.c_int32, [_pointer, ctypes.c_char_p, _pointer, _pointer, ctypes.c_char_p, _pointer, _pointer]),
    "bertq_multi_vectors": (
        ctypes.c_int32, [_pointer, _pointer, ctypes.c_int32, _pointer, _pointer, _pointer, _pointer, _pointer]),
    "bertq_convert": (ctypes.c_int32, [_pointer, Watch, _pointer, _pointer, _pointer]),
    "bertq_drift": (
        ctypes.c_int32, [_pointer, _pointer, ctypes.c_int32, ctypes.c_int32, ctypes.c_char_p, _pointer, _pointer]),
    "bertq_text_bytes": (_pointer, [_pointer]),
    "bertq_text_size": (ctypes.c_size_t, [_pointer]),
    "bertq_text_free": (None, [_pointer]),
    "bertq_cancellation_new": (_pointer, []),
    "bertq_cancellation_cancel": (None, [_pointer]),
    "bertq_cancellation_free": (None, [_pointer]),
}


def _load() -> ctypes.CDLL:
    path = os.environ.get("BERTQ_LIBRARY")
    try:
        if path:
            library = ctypes.CDLL(path)
        else:
            # The package may lie in a zip: then the library is unpacked for as long as it takes to load it.
            with importlib.resources.as_file(importlib.resources.files(__package__) / "libbertq.so") as place:
                library = ctypes.CDLL(str(place))
    except (OSError, FileNotFoundError) as error:
        raise ImportError(
            f"bertq's library cannot be loaded ({error}). Install a wheel for this system (Linux on x86-64), or build one from "
            "the sources with Swift 6.1 or newer; BERTQ_LIBRARY names a library that lies elsewhere"
        ) from error
    try:
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
        found = library.bertq_abi()
    except AttributeError as error:
        raise ImportError(
            f"{path or 'libbertq.so'} is no library of bertq, or an older one ({error}); BERTQ_LIBRARY names the libbertq.so to load, "
            "and without it the wheel's own is loaded") from error
    if found != ABI:
        raise ImportError(f"{path or 'libbertq.so'} has interface {found}; this package needs {ABI}")
    return library


library = _load()


def call(function: Any, *arguments: Any) -> None:
    """Calls a function whose last parameter is an error, and raises that."""
    error = Error(size=ctypes.sizeof(Error))
    code = function(*arguments, ctypes.byref(error))
    if code:
        raise errors.made(
            code, error.kind.decode(), error.remedy.decode(), error.message.decode("utf-8", "replace"),
            None if error.text < 0 else error.text)


# Bytes of texts that take no second.
SHORT = 2_000


def call_until_cancelled(size: int, request: Request, function: Any, *arguments: Any) -> None:
    """Calls a function that computes for as long as its request is not cancelled: by Ctrl-C, or another signal whose handler raises.

    Python runs handlers of signals on its first thread alone, and there only between its own steps. So that thread waits where it
    hears them, and another one calls, where there are so many bytes of texts that it takes a while.
    """
    if size < SHORT or threading.current_thread() is not threading.main_thread():
        call(function, *arguments)
        return
    cancellation = library.bertq_cancellation_new()
    request.cancellation = cancellation
    ended, begins = threading.Event(), threading.Lock()
    failures: list[BaseException] = []
    interruption: BaseException | None = None

    def work() -> None:
        # Who takes it first says whether the call begins.
        if not begins.acquire(blocking=False):
            return
        try:
            call(function, *arguments)
        except BaseException as error:
            failures.append(error)
        finally:
            ended.set()

    try:
        threading.Thread(target=work, name="bertq", daemon=True).start()
    except BaseException as error:
        if begins.acquire(blocking=False):
            library.bertq_cancellation_free(cancellation)
            raise
        interruption = error
        library.bertq_cancellation_cancel(cancellation)
    # What the call reads and writes must stay until it has ended, however often it is interrupted.
    while True:
        try:
            ended.wait()
            break
        except BaseException as error:
            interruption = interruption or error
            library.bertq_cancellation_cancel(cancellation)
    request.cancellation = None
    library.bertq_cancellation_free(cancellation)
    if interruption is not None:
        raise interruption
    if failures:
        raise failures[0]


def path_bytes(path: Any) -> bytes:
    """A path as the library takes it.

    Raises:
        TypeError for what is none, NotFoundError for an empty one, UsageError for a zero byte, which would end it.
    """
    name = os.fspath(path)
    if not isinstance(name, str):
        raise TypeError(f"the path is {type(name).__name__}, expected str")
    if "\0" in name:
        raise errors.UsageError("the path holds a zero byte", "usage")
    if not name:
        raise errors.NotFoundError("the path is empty; name a file", "not-found")
    return os.fsencode(name)


def take(text: ctypes.c_void_p) -> bytes:
    """The bytes of a text that the library made, which is freed; none for NULL."""
    if not text.value:
        return b""
    try:
        return ctypes.string_at(library.bertq_text_bytes(text), library.bertq_text_size(text))
    finally:
        library.bertq_text_free(text)


def take_json(text: ctypes.c_void_p) -> Any:
    """The value of a JSON text that the library made."""
    return json.loads(take(text))


def take_lines(text: ctypes.c_void_p) -> list[Any]:
    """The values of JSON Lines that the library made."""
    return [json.loads(line) for line in take(text).splitlines()]


version: str = library.bertq_version().decode()
