"""`python -m bertq`: files of tables in, files of tables out."""

from __future__ import annotations

import argparse
import os
import sys
from typing import NoReturn

from . import BertqError, Model, __version__

# As of the other programs; 1 is for what has no kind.
CODES = {
    "drift-gate": 3, "usage": 64, "malformed": 65, "too-long": 65, "not-utf8": 65, "not-finite": 65, "not-found": 66,
    "unsupported": 69, "system": 71, "cannot-write": 73, "overloaded": 75, "deadline": 75, "cancelled": 75,
}
# The options for what the library leaves open.
REMEDIES = {"truncate": "shorten it, or pass --truncate", "compute-less-at-once": "lower --threads"}


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(64, f"{self.prog}: {message}\n")


def said(error: Exception) -> str:
    """The message, with the option that helps in place of the parameter."""
    if isinstance(error, BertqError) and error.remedy in REMEDIES:
        place = "" if error.text is None else f"{error.called} {error.text}: "
        return f"{place}{error.found}; {REMEDIES[error.remedy]}"
    return str(error)


def hold_standard_streams() -> None:
    """Gives closed standard streams a place: what is opened later would get their numbers, and what is said."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest number that is free, so that none below is.
            os.open(os.devnull, os.O_RDWR)
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    hold_standard_streams()
    options = Parser(prog="python -m bertq", description=__doc__)
    options.add_argument("--version", action="version", version=f"bertq {__version__}")
    commands = options.add_subparsers(dest="command", required=True)
    embed = commands.add_parser("embed", help="adds a column of vectors to a Parquet file; goes on where an earlier run ended")
    embed.add_argument("input", help="a Parquet file")
    embed.add_argument("output", help="the Parquet file to write")
    embed.add_argument("--model", required=True, help="a .bertq file")
    embed.add_argument("--column", required=True, help="the column of texts")
    embed.add_argument("--as", dest="name", default="embedding", help="the column of vectors (embedding)")
    embed.add_argument("--precision", choices=["int8", "float"], help="int8 where the file has it")
    embed.add_argument("--threads", type=int, help="threads (this process's share of the cores)")
    embed.add_argument("--truncate", action="store_true", help="cut texts that are too long; otherwise they are errors")
    embed.add_argument("--prompt-name", help="one of the file's prompts, to stand before each text (the file's default one)")
    embed.add_argument("--quiet", action="store_true", help="say nothing while it works")
    given = options.parse_args(arguments)
    try:
        from . import parquet
    except ImportError as error:
        print(f"bertq: {error}: `pip install 'bertq[arrow]'`", file=sys.stderr)
        return 69
    try:
        with Model(given.model, precision=given.precision, threads=given.threads) as model:
            parquet.embed(
                given.input, given.output, model=model, column=given.column, name=given.name, truncate=given.truncate,
                prompt_name=given.prompt_name, progress=not given.quiet and sys.stderr.isatty())
    except (BertqError, OSError, ValueError, TypeError, KeyError) as error:
        print(f"bertq: {said(error)}", file=sys.stderr)
        return CODES.get(getattr(error, "kind", ""), 1)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("bertq: interrupted; the same command goes on behind what is done", file=sys.stderr)
        sys.exit(130)
