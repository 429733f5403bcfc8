"""What goes wrong, as Python's own kinds of error: each of these is a ValueError, FileNotFoundError and so on too."""

from __future__ import annotations

from typing import Any


class BertqError(Exception):
    """What went wrong.

    `kind` is a stable name ("usage", "malformed", ...), `text` the text concerned, counted from 0, or None.
    """

    # What the caller calls a text.
    called = "text"
    # What would help, by name, and the message without it.
    remedy = ""
    found = ""

    def __init__(self, message: str, kind: str = "", text: int | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.text = text

    def __str__(self) -> str:
        message = str(self.args[0]) if self.args else ""
        return message if self.text is None else f"{self.called} {self.text}: {message}"


class UsageError(BertqError, ValueError):
    """An argument makes no sense."""


class TextError(BertqError, ValueError):
    """A text cannot be answered: it is too long, no UTF-8, or its result is not finite. `kind` says which."""


class MalformedError(BertqError, ValueError):
    """A file is damaged, or a result is not finite."""


class NotFoundError(BertqError, FileNotFoundError):
    """A file is not there, or cannot be read."""


class UnsupportedError(BertqError, NotImplementedError):
    """Well formed, but not done here."""


class SystemRefusalError(BertqError, OSError):
    """The system refused memory or threads."""


class CannotWriteError(BertqError, OSError):
    """An output cannot be written."""


class DriftGateError(BertqError, ValueError):
    """The drift is larger than was asked for; `report` is what was measured, where there is a report."""

    report: dict[str, Any] | None = None


class CancelledError(BertqError, RuntimeError):
    """The call was cancelled."""


class DeadlineError(BertqError, TimeoutError):
    """The deadline passed before the answer."""


class OverloadedError(BertqError, RuntimeError):
    """Too much work waits."""


KINDS: dict[str, type[BertqError]] = {
    "usage": UsageError,
    "too-long": TextError,
    "not-utf8": TextError,
    "not-finite": TextError,
    "malformed": MalformedError,
    "not-found": NotFoundError,
    "unsupported": UnsupportedError,
    "system": SystemRefusalError,
    "cannot-write": CannotWriteError,
    "drift-gate": DriftGateError,
    "cancelled": CancelledError,
    "deadline": DeadlineError,
    "overloaded": OverloadedError,
}

# Codes of errors whose kind is newer than this file.
CODES = {3: "drift-gate", 64: "usage", 65: "malformed", 66: "not-found", 69: "unsupported", 71: "system", 73: "cannot-write"}

# What the library leaves open: which parameter helps.
REMEDIES = {
    "truncate": "shorten it, or pass truncate=True",
    "convert-to-utf8": "make UTF-8 of it first (iconv -f LATIN1 -t UTF-8)",
    "compute-less-at-once": "lower token_budget or threads",
    "name-configuration": "name one with config=",
    "name-vocabulary": "name one with vocab=, or pass calibrate=False",
    "convert-without-calibration": "calibrate=False or weights='float' converts it all the same",
    "convert-for-ids": "ids_only=True does that",
    "store-both-precisions": "convert(..., weights='both') stores both",
    "allow-more-drift": "allow more, or convert with weights='float'",
}


def of_line(line: dict[str, str], text: int) -> BertqError:
    """The error of one text, as JSON Lines have it."""
    return made(0, line["code"], line.get("remedy", ""), line["message"], text)


def made(code: int, kind: str, remedy: str, message: str, text: int | None) -> BertqError:
    """The error for what the library reported."""
    error = (KINDS.get(kind) or KINDS.get(CODES.get(code, ""), BertqError))(
        f"{message}; {REMEDIES[remedy]}" if remedy in REMEDIES else message, kind, text)
    error.remedy, error.found = remedy, message
    return error
