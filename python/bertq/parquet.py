"""Parquet files with a column of vectors more. Needs pyarrow."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import stat
from typing import Any, Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from . import _texts, arrow
from ._progress import Progress
from .errors import BertqError, CannotWriteError, MalformedError, NotFoundError, UsageError
from .model import Model

# Rows of a part, which an interrupted run keeps.
ROWS = 16_384


def embed(
    source: str | os.PathLike[str], target: str | os.PathLike[str], *, model: Model, column: str, name: str = "embedding",
    truncate: bool = False, prompt_name: str | None = None, progress: Any = False,
) -> None:
    """Writes a Parquet file with all columns of another, and a column of vectors, list<float>, null for null.

    Rows are read and written a part at a time. The parts lie in a folder beside the target until all are there; a run that
    finds those of an interrupted one, of the same input, column and fingerprint, goes on behind them. The schema's metadata
    has the fingerprint as `bertq.fingerprint`, and so has the column's.
    """
    source, target = os.fspath(source), os.fspath(target)
    truncate = _texts.flag(truncate, "truncate")
    place = _place(target, source, model)
    if prompt_name is not None and prompt_name not in model.prompts:
        raise UsageError(f"{model.path} has no prompt {prompt_name!r}; it has {', '.join(model.prompts) or 'none'}", "usage")
    if not name:
        raise UsageError("the column of vectors needs a name", "usage")
    with _opened(source) as file:
        schema = file.schema_arrow
        if column not in schema.names:
            raise UsageError(f"{source} has no column {column!r}; it has {', '.join(schema.names)}", "usage")
        twice = sorted({name for name in schema.names if schema.names.count(name) > 1})
        if twice:
            raise UsageError(f"{source} has several columns {twice[0]!r}: rename all but one", "usage")
        if name in schema.names:
            raise UsageError(f"{source} has a column {name!r} already: name another for the vectors", "usage")
        try:
            arrow.strings(pa.array([], schema.field(column).type))
        except TypeError:
            raise UsageError(
                f"{source}: the column {column!r} is {schema.field(column).type}; expected strings", "usage") from None
        schema = _with_vectors(schema, name, model)
        parts = _Parts(f"{place}.parts", target, _key(source, model, column, name, truncate, prompt_name))
        total, count, number = file.metadata.num_rows, 0, 0
        with parts:
            with Progress(progress, total) as bar:
                for number, batch in enumerate(_batches(file, source), 1):
                    if not parts.has(number - 1, batch.num_rows, schema):
                        parts.write(number - 1, _answered(batch, model, column, truncate, prompt_name, schema, count, source))
                    count += batch.num_rows
                    bar.advance(batch.num_rows)
            parts.join(number, place, schema)


def _place(target: str, source: str, model: Model) -> str:
    """Where the target's name leads, as bert-convert has it: links are followed, and nothing but a file is replaced."""
    place = os.path.realpath(target)
    try:
        state = os.stat(place)
    except FileNotFoundError:
        state = None
    except OSError as error:
        raise CannotWriteError(f"{target} cannot be written: {error.strerror}", "cannot-write") from None
    if state is not None and not stat.S_ISREG(state.st_mode):
        what = "is a folder; name a file" if stat.S_ISDIR(state.st_mode) else "is no regular file"
        raise CannotWriteError(f"{target} {what}", "cannot-write")
    if state is None and target.endswith("/"):
        raise CannotWriteError(f"{target} is not the name of a file", "cannot-write")
    folder = os.path.dirname(place)
    if not os.path.isdir(folder):
        raise CannotWriteError(f"{target} cannot be written: there is no folder {folder}", "cannot-write")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise CannotWriteError(f"{target} cannot be written: its folder is closed to us", "cannot-write")
    for read in (source, model.path):
        if state is not None and os.path.exists(read) and os.path.samefile(read, place):
            raise UsageError(f"{target} is read, and would be replaced: name another file to write", "usage")
    return place


def _opened(source: str) -> pq.ParquetFile:
    try:
        # Of a pipe there is no end to begin with.
        if not stat.S_ISREG(os.stat(source).st_mode):
            raise NotFoundError(f"{source} is no regular file", "not-found")
        return pq.ParquetFile(source)
    except NotFoundError:
        raise
    except pa.ArrowException as error:
        raise MalformedError(f"{source} is no Parquet file that can be read: {error}", "malformed") from error
    except OSError as error:
        raise NotFoundError(f"{source} cannot be read: {error.strerror or error}", "not-found") from error


def _batches(file: pq.ParquetFile, source: str) -> Iterator[pa.RecordBatch]:
    batches, number = file.iter_batches(batch_size=ROWS), 0
    while True:
        try:
            batch = next(batches)
        except StopIteration:
            return
        except (pa.ArrowException, OSError) as error:
            raise MalformedError(f"{source} is damaged behind row {number}: {error}", "malformed") from error
        number += batch.num_rows
        yield batch


def _with_vectors(schema: pa.Schema, name: str, model: Model) -> pa.Schema:
    note = {b"bertq.fingerprint": model.fingerprint.encode(), b"bertq.dimension": str(model.dimension).encode()}
    schema = schema.append(pa.field(name, pa.list_(pa.float32()), metadata=note))
    return schema.with_metadata({**(schema.metadata or {}), **note})


def _key(source: str, model: Model, column: str, name: str, truncate: bool, prompt_name: str | None) -> str:
    """What the parts of two runs must share."""
    state = os.stat(source)
    return json.dumps(
        [os.path.realpath(source), state.st_size, state.st_mtime_ns, model.fingerprint, column, name, truncate, prompt_name, ROWS])


def _answered(
    batch: pa.RecordBatch, model: Model, column: str, truncate: bool, prompt_name: str | None, schema: pa.Schema, first: int, source: str
) -> pa.Table:
    try:
        rows, null = arrow.vectors(model, batch.column(column), truncate=truncate, prompt_name=prompt_name)
    except BertqError as error:
        if error.text is not None:
            error.called, error.text = f"{source}, column {column!r}, row index", first + error.text
        raise
    columns = [*batch.columns, arrow.lists(rows, null, fixed=False)]
    return pa.Table.from_arrays(columns, schema=schema)


class _Parts:
    """A folder of the parts that are done, and of what; where none is, it goes away again. One run at a time has it."""

    def __init__(self, folder: str, target: str, key: str) -> None:
        self._folder, self._target, self._key = folder, target, key
        self._lock = -1

    def __enter__(self) -> None:
        try:
            with self._writing():
                while not self._locked():
                    pass
                self._begin()
        except BaseException:
            self._unlock()
            raise

    def __exit__(self, kind: Any, *_: object) -> None:
        try:
            if kind is not None and os.path.isdir(self._folder) and set(os.listdir(self._folder)) <= {"of", "of.new", "lock"}:
                shutil.rmtree(self._folder)
        finally:
            self._unlock()

    def _locked(self) -> bool:
        """Takes the folder for this run; False where another run has just done away with it.

        Raises:
            CannotWriteError where another run has it, UsageError where it is no such folder.
        """
        if os.path.lexists(self._folder):
            self._require_ours()
        else:
            with contextlib.suppress(FileExistsError):
                os.mkdir(self._folder)
        path = os.path.join(self._folder, "lock")
        try:
            self._lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotWriteError(
                f"{self._target} is being written by another run: wait until it has ended, or name another file", "cannot-write") from None
        except OSError:
            # A file system without locks.
            return True
        try:
            there = os.stat(path)
        except FileNotFoundError:
            there = None
        if there is not None and os.path.samestat(there, os.fstat(self._lock)):
            return True
        self._unlock()
        return False

    def _unlock(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _note(self) -> str | None:
        """What the folder says that it holds parts of."""
        try:
            with open(os.path.join(self._folder, "of"), encoding="utf-8", errors="replace") as file:
                return file.read(1 << 16)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None

    def _require_ours(self) -> None:
        """Refuses a folder that no run made: what lies in it would be lost. Those of a run of something else have a note too."""
        found = self._note()
        if os.path.islink(self._folder) or not os.path.isdir(self._folder) or (
                set(os.listdir(self._folder)) - {"lock", "of.new"} if found is None else not found.startswith('["')):
            raise UsageError(f"{self._folder} holds what no run of this began: move it away", "usage")

    def _begin(self) -> None:
        self._require_ours()
        if self._note() == self._key:
            return
        for name in os.listdir(self._folder):
            if name != "lock":
                os.remove(os.path.join(self._folder, name))
        # Whole or not at all, as the parts.
        note = os.path.join(self._folder, "of")
        with open(f"{note}.new", "w", encoding="utf-8") as file:
            file.write(self._key)
        os.replace(f"{note}.new", note)

    def _path(self, number: int) -> str:
        return os.path.join(self._folder, f"{number:06}.parquet")

    def has(self, number: int, rows: int, schema: pa.Schema) -> bool:
        """Whether a part is there and whole; one that a crash of the machine left damaged is made anew."""
        try:
            with pq.ParquetFile(self._path(number)) as part:
                return bool(part.metadata.num_rows == rows and part.schema_arrow.names == schema.names)
        except (pa.ArrowException, OSError):
            return False

    def write(self, number: int, table: pa.Table) -> None:
        temporary = f"{self._path(number)}.{os.getpid()}"
        with self._writing(temporary):
            pq.write_table(table, temporary)
            os.replace(temporary, self._path(number))

    def join(self, count: int, place: str, schema: pa.Schema) -> None:
        """Makes the file of all parts, with the permissions of the one that it replaces."""
        temporary = f"{place}.{os.getpid()}.part"
        with self._writing(temporary):
            with pq.ParquetWriter(temporary, schema) as writer:
                for number in range(count):
                    writer.write_table(self._read(number).cast(schema))
            if os.path.exists(place):
                os.chmod(temporary, stat.S_IMODE(os.stat(place).st_mode))
            os.replace(temporary, place)
            shutil.rmtree(self._folder)

    def _read(self, number: int) -> pa.Table:
        path = self._path(number)
        try:
            # Not `read_table`: that takes a folder's name for a column where there is "=" in it.
            with pq.ParquetFile(path) as part:
                return part.read()
        except (pa.ArrowException, OSError) as error:
            with contextlib.suppress(OSError):
                os.remove(path)
            raise MalformedError(
                f"{path} was damaged, and is removed: the same command computes it anew ({error})", "malformed") from error

    @contextlib.contextmanager
    def _writing(self, temporary: str | None = None) -> Iterator[None]:
        """What the system says is said of the target; a file that was begun goes away."""
        try:
            yield
        except BaseException as error:
            if temporary is not None and os.path.exists(temporary):
                os.remove(temporary)
            if isinstance(error, OSError) and not isinstance(error, BertqError):
                raise CannotWriteError(f"{self._target} cannot be written: {error.strerror or error}", "cannot-write") from error
            raise


__all__ = ["embed"]
