"""A model that answers."""

from __future__ import annotations

import copy
import ctypes
import os
import weakref
from types import MappingProxyType
from typing import Any, Callable, Iterable, Mapping, Sequence, Union, overload

import numpy as np

from . import _library, _texts
from ._library import call, call_until_cancelled, library, take_json, take_lines
from ._progress import Progress, Watch
from .errors import BertqError, MalformedError, NotFoundError, TextError, UnsupportedError, UsageError, of_line

Text = Union[str, "tuple[str, str]"]


def default_threads() -> int:
    """OMP_NUM_THREADS where it is set, as pools of processes do (Spark, Dask, joblib); 0 for the share of the cores."""
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    # Other digits than ASCII's are no number to OpenMP either.
    return int(first) if first.isascii() and first.isdigit() and len(first) < 9 and 0 < int(first) <= 256 else 0


class _Handle:
    """An open model; closed when nothing uses it any more."""

    def __init__(self, path: bytes, options: _library.Options) -> None:
        pointer = ctypes.c_void_p()
        call(library.bertq_open, path, ctypes.byref(options), ctypes.byref(pointer))
        self.pointer = pointer
        # Not at the interpreter's exit: a thread may still be in a call.
        weakref.finalize(self, library.bertq_close, pointer).atexit = False


class Model:
    """A BERT-like encoder from a `.bertq` file: the same bits in any batch, thread, process and machine.

    Safe to use from any number of threads, and in processes forked while it is open. Pickled as its path.

        with bertq.Model("model.bertq") as model:
            vectors = model.encode(["a text", "another"])   # float32, [2, model.dimension]

    Args:
        path: the file.
        precision: "int8" or "float"; None for int8 where the file has it.
        threads: that compute; None for OMP_NUM_THREADS where it is set, else this process's share of the cores.
        kernels: a kernel set by name; None for the best that this CPU runs.
        token_budget: the most tokens computed at once, which bounds memory.
        cache_bytes: bytes of answers kept for texts that come again.

    Raises:
        NotFoundError, MalformedError, UnsupportedError for the file; UsageError for an option. They are FileNotFoundError,
        ValueError, NotImplementedError and ValueError too.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, precision: str | None = None, threads: int | None = None,
        kernels: str | None = None, token_budget: int | None = None, cache_bytes: int = 0,
    ) -> None:
        name = _library.path_bytes(path)
        threads = None if threads is None else _texts.whole(threads, "threads", 1, 256)
        token_budget = None if token_budget is None else _texts.whole(token_budget, "token_budget", 1, _texts.MOST)
        cache_bytes = _texts.whole(cache_bytes, "cache_bytes", 0, _texts.MOST)
        self._arguments = {
            "precision": precision, "threads": threads, "kernels": kernels, "token_budget": token_budget,
            "cache_bytes": cache_bytes,
        }
        self.path = os.fsdecode(name)
        options = _library.Options(
            size=ctypes.sizeof(_library.Options), precision=_optional(precision, "precision"), kernels=_optional(kernels, "kernels"),
            threads=threads or default_threads(), token_budget=token_budget or 0, cache_bytes=cache_bytes)
        try:
            self._handle: _Handle | None = _Handle(name, options)
        except (MalformedError, NotFoundError) as error:
            # What newcomers have: a checkpoint's folder, its weights, or its name at the hub.
            if not self.path.endswith(".bertq"):
                error.args = (f"{error.args[0]}; bertq.convert makes a .bertq file of a published checkpoint",)
            raise
        text = ctypes.c_void_p()
        call(library.bertq_describe, self._handle.pointer, ctypes.byref(text))
        self._info: Mapping[str, Any] = take_json(text)

    # ---- What it is ----

    @property
    def info(self) -> Mapping[str, Any]:
        """What is in the file, and how it is computed."""
        return MappingProxyType(copy.deepcopy(self._info))

    @property
    def dimension(self) -> int:
        """Numbers of an embedding."""
        return int(self._info["dimensions"])

    @property
    def max_tokens(self) -> int:
        """The most tokens of a text, the special ones included."""
        return int(self._info["token_limit"])

    @property
    def fingerprint(self) -> str:
        """What identifies the vectors: only those of equal fingerprints may be compared."""
        return str(self._info["fingerprint"])

    @property
    def precision(self) -> str:
        """The arithmetic: "int8" or "float"."""
        return str(self._info["precision"])

    @property
    def kernels(self) -> str:
        """The kernel set that computes; no bit depends on it."""
        return str(self._info["kernels"])

    @property
    def threads(self) -> int:
        """Threads that compute; no bit depends on it."""
        return int(self._info["threads"])

    @property
    def task(self) -> str:
        """What the file is for: "embedding", "classify" and so on."""
        return str(self._info["task"])

    @property
    def labels(self) -> list[str]:
        """Names of a head's labels, in the order of its scores."""
        return list(self._info["labels"])

    @property
    def tasks(self) -> list[str]:
        """All that the file can answer."""
        return list(self._info["tasks"])

    @property
    def prompts(self) -> dict[str, str]:
        """The file's prompts by their names."""
        return dict(self._info["prompts"])

    def __repr__(self) -> str:
        return f"<bertq.Model {self.path!r} {self.precision} {self.dimension} numbers{'' if self._handle else ', closed'}>"

    # ---- Opening and closing ----

    def close(self) -> None:
        """Ends the model, when calls of other threads are done with it. May be called twice."""
        self._handle = None

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (self.path, self._arguments, self.fingerprint)

    @property
    def _open(self) -> _Handle:
        handle = self._handle
        if handle is None:
            raise ValueError("the model is closed")
        return handle

    # ---- Vectors ----

    @overload
    def encode(
        self, texts: str, *, prompt: str | None = ..., prompt_name: str | None = ..., truncate: bool = ...,
        out: np.ndarray | None = ..., progress: Any = ...,
    ) -> np.ndarray: ...
    @overload
    def encode(
        self, texts: Iterable[Text], *, prompt: str | None = ..., prompt_name: str | None = ..., truncate: bool = ...,
        out: np.ndarray | None = ..., progress: Any = ...,
    ) -> np.ndarray: ...

    def encode(
        self, texts: Any, *, prompt: str | None = None, prompt_name: str | None = None, truncate: bool = False,
        out: np.ndarray | None = None, progress: bool | Watch = False,
    ) -> np.ndarray:
        """A vector for each text, float32 `[texts, dimension]`; for a single str `[dimension]`.

        Args:
            texts: a str, or any iterable of str, or of pairs of str.
            prompt: words before each text; None for the file's default prompt, "" for none.
            prompt_name: one of the file's prompts instead, by its name; `prompts` has them.
            truncate: cuts what is too long; otherwise that is an error, which says how long it is.
            out: where the vectors go: float32, C-contiguous, of the result's shape; it is the result then.
            progress: shows a bar where tqdm is installed; or a function of (texts done, texts).

        Raises:
            TextError for a text that is too long, with its place; TypeError for what is no text; UsageError for settings without sense.
        """
        some, alone = _texts.listed(texts)
        rows = None if out is None else _rows(out, (self.dimension,) if alone else (len(some), self.dimension))
        result = self._vectors(
            library.bertq_embed, _texts.batch(some), self.dimension, truncate, rows, progress, prompt=prompt, prompt_name=prompt_name)
        if out is not None:
            return out
        return result[0] if alone else result

    def encode_query(self, texts: Any, *, truncate: bool = False, progress: bool | Watch = False) -> np.ndarray:
        """Vectors of what is searched for: behind the file's prompt named "query", where it has one."""
        found: np.ndarray = self.encode(texts, prompt_name=self._prompt("query"), truncate=truncate, progress=progress)
        return found

    def encode_document(self, texts: Any, *, truncate: bool = False, progress: bool | Watch = False) -> np.ndarray:
        """Vectors of what is found: behind the file's prompt named "document", "passage" or "corpus", the first that it has."""
        name = self._prompt("document", "passage", "corpus")
        found: np.ndarray = self.encode(texts, prompt_name=name, truncate=truncate, progress=progress)
        return found

    def _prompt(self, *names: str) -> str | None:
        return next((name for name in names if name in self.prompts), None)

    def encode_each(
        self, texts: Iterable[Text], *, truncate: bool = False, progress: bool | Watch = False
    ) -> tuple[np.ndarray, dict[int, str]]:
        """Vectors, and why those texts have none that could not be answered: their rows are NaN.

        One bad text costs no other its vector: also one that is no `str`, or half a character. A text is named by its place,
        counted from 0.
        """
        some, _ = _texts.listed(texts)
        failures: dict[int, str] = {}
        try:
            batch = _texts.batch(some)
        except (TypeError, TextError):
            places, refused = _texts.sound(some)
            batch = _texts.batch([some[place] for place in places])
        else:
            return self._vectors(library.bertq_embed, batch, self.dimension, truncate, None, progress, failures=failures), failures
        found = self._vectors(library.bertq_embed, batch, self.dimension, truncate, None, progress, failures=failures)
        result = np.full((len(some), self.dimension), np.nan, np.float32)
        result[places] = found
        refused.update((places[index], reason) for index, reason in failures.items())
        return result, dict(sorted(refused.items()))

    def encode_ids(
        self, ids: Iterable[Sequence[int]], types: Iterable[Sequence[int]] | None = None, *, out: np.ndarray | None = None,
        progress: bool | Watch = False,
    ) -> np.ndarray:
        """A vector for each text that is token ids already, the special ones included."""
        batch = _texts.id_batch(ids, types)
        rows = None if out is None else _rows(out, (batch.count, self.dimension))
        result = self._vectors(library.bertq_embed, batch, self.dimension, False, rows, progress)
        return result if out is None else out

    def encode_arrow(
        self, array: Any, *, prompt: str | None = None, prompt_name: str | None = None, fixed: bool = True, truncate: bool = False
    ) -> Any:
        """Vectors for a pyarrow array of strings, which are not copied: a FixedSizeListArray of float32, null for null.

        `fixed=False` gives a list<float>, which Spark takes.
        """
        from . import arrow

        return arrow.encode(self, array, fixed=fixed, truncate=truncate, prompt=prompt, prompt_name=prompt_name)

    def pooled(self, texts: Iterable[Text], *, truncate: bool = False) -> np.ndarray:
        """The pooler's output for each text, float32 `[texts, hidden size]`."""
        some, _ = _texts.listed(texts)
        return self._vectors(library.bertq_pooled, _texts.batch(some), int(self._info["hidden_size"]), truncate, None, False)

    def _vectors(
        self, function: Callable[..., int], batch: _texts.Batch, width: int, truncate: bool, rows: np.ndarray | None,
        progress: bool | Watch, failures: dict[int, str] | None = None, counts: dict[str, int] | None = None,
        prompt: str | None = None, prompt_name: str | None = None,
    ) -> np.ndarray:
        handle = self._open
        result = np.empty((batch.count, width), np.float32) if rows is None else rows.reshape(batch.count, width)
        with Progress(progress, batch.count) as bar:
            for block in batch.blocks():
                rows = result[block.first : block.first + block.count]
                request = _request(truncate, prompt, prompt_name)
                lines = ctypes.c_void_p()
                with _placed(block.first):
                    call_until_cancelled(
                        block.size, request, function, handle.pointer, block.pointer, ctypes.byref(request), rows.ctypes.data, rows.size,
                        None if failures is None else ctypes.byref(lines))
                if failures is not None:
                    for line in take_lines(lines):
                        failures[block.first + line["index"]] = line["error"]["message"]
                if counts is not None:
                    counts["tokens"] = counts.get("tokens", 0) + request.tokens
                    counts["truncated"] = counts.get("truncated", 0) + request.cut_texts
                if block.count:
                    bar.advance(block.count)
        return result

    def token_vectors(self, texts: Any, *, truncate: bool = False) -> Any:
        """Every token's last hidden state: for each text float32 `[tokens, hidden size]`, as many rows as `tokenize` gives ids."""
        some, alone = _texts.listed(texts)
        handle, width = self._open, int(self._info["hidden_size"])
        answers: list[np.ndarray] = []
        for block in _texts.batch(some).blocks():
            ids, starts = self._tokenized(block, truncate)
            values = np.empty((len(ids), width), np.float32)
            request = _request(truncate)
            with _placed(block.first):
                call_until_cancelled(
                    block.size, request, library.bertq_tokens, handle.pointer, block.pointer, ctypes.byref(request),
                    values.ctypes.data, values.size)
            answers += [values[starts[i] : starts[i + 1]] for i in range(block.count)]
        return answers[0] if alone else answers

    # ---- Tokens ----

    def token_counts(self, texts: Iterable[Text]) -> np.ndarray:
        """How many tokens each text has, int64, the special ones included and nothing cut."""
        some, _ = _texts.listed(texts)
        batch = _texts.batch(some)
        counts = np.zeros(batch.count, np.int64)
        handle = self._open
        for block in batch.blocks():
            with _placed(block.first):
                call(library.bertq_count, handle.pointer, block.pointer, counts[block.first :].ctypes.data)
        return counts

    def tokenize(self, texts: Any, *, truncate: bool = False) -> Any:
        """Token ids, int32, of a text or of each of several, the special ones included."""
        some, alone = _texts.listed(texts)
        found: list[np.ndarray] = []
        for block in _texts.batch(some).blocks():
            ids, starts = self._tokenized(block, truncate)
            found += [ids[starts[i] : starts[i + 1]] for i in range(block.count)]
        return found[0] if alone else found

    def _tokenized(self, block: _texts.Block, truncate: bool) -> tuple[np.ndarray, np.ndarray]:
        starts = np.zeros(block.count + 1, np.int64)
        handle, cuts = self._open, _texts.flag(truncate, "truncate")

        def run(ids: int | None, room: int) -> None:
            with _placed(block.first):
                call(library.bertq_tokenize, handle.pointer, block.pointer, int(cuts), starts.ctypes.data, ids, None, room)

        run(None, 0)
        ids = np.empty(int(starts[-1]), np.int32)
        run(ids.ctypes.data, len(ids))
        return ids, starts

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool = True) -> str:
        """The text that the token ids of one text stand for; an id of no token is refused."""
        array = _texts.integers(ids, "token ids", np.int32)
        text, handle = ctypes.c_void_p(), self._open
        skips = _texts.flag(skip_special_tokens, "skip_special_tokens")
        call(library.bertq_decode, handle.pointer, array.ctypes.data, array.size, int(skips), ctypes.byref(text))
        return _library.take(text).decode()

    # ---- Answers of heads ----

    def classify(self, texts: Any, *, truncate: bool = False) -> Any:
        """For each text, or pair of texts, its labels, best first: `[{"label": "joy", "score": 0.98, "logit": 3.1}, ...]`."""
        return self._heads("classify", texts, truncate, "labels")

    def rerank(
        self, query: str, documents: Sequence[str], *, top: int | None = None, truncate: bool = False
    ) -> list[dict[str, Any]]:
        """Documents in falling order of how well they fit a query: `[{"document": 2, "score": 0.9, "logit": 2.2}, ...]`.

        Equal scores keep the documents' order.
        """
        if "rerank" not in self.tasks:
            raise UnsupportedError(f"{self.path} has no classifier of one logit to rank with", "unsupported")
        if top is not None and _texts.whole(top, "top", -_texts.MOST, _texts.MOST) < 1:
            raise UsageError(f"the best {top} documents; expected at least 1", "usage")
        query = _texts.one(query, "the query")
        pairs = [(query, document) for document in _texts.several(documents, "documents")]
        try:
            answers = self._answers("rerank", pairs, truncate)
        except BertqError as error:
            error.called = "document"
            raise
        ranked = [
            {"document": index, "score": answer["score"], "logit": answer["logit"]} for index, answer in enumerate(answers)]
        ranked.sort(key=lambda item: -item["score"])
        return ranked[:top]

    def tag(self, texts: Any, *, aggregate: str = "simple", truncate: bool = False) -> Any:
        """For each text its entities: `[{"label": "PER", "score": ..., "start": 0, "end": 5, "text": "Alice", ...}, ...]`.

        `start` and `end` count characters of the str. `aggregate`: "none", "simple", "first", "average" or "max".
        """
        return self._heads("tag", texts, truncate, "entities", aggregate=aggregate)

    def answer(
        self, question: str | Sequence[str], context: str | Sequence[str], *, top: int = 1, longest: int = 15, stride: int = 128,
        window: int | None = None, no_answer: bool = False, truncate: bool = False,
    ) -> Any:
        """Parts of a context that answer a question, best first: `[{"text": ..., "start": ..., "end": ..., "score": ...}]`.

        Long contexts are read in windows that share `stride` tokens. Lists of as many questions and contexts give a list.
        """
        alone = isinstance(question, str)
        questions = [question] if isinstance(question, str) else _texts.several(question, "questions")
        contexts = [context] * len(questions) if isinstance(context, str) else _texts.several(context, "contexts")
        if len(questions) != len(contexts):
            raise UsageError(f"{len(questions)} questions and {len(contexts)} contexts", "usage")
        settings = {
            "top": top, "longest": longest, "stride": stride, "window": window, "no_answer": _texts.flag(no_answer, "no_answer")}
        found = [line["answers"] for line in self._answers("answer", list(zip(questions, contexts)), truncate, settings)]
        return found[0] if alone else found

    def fill_mask(self, texts: Any, *, top: int = 5, targets: Sequence[str] | None = None, truncate: bool = False) -> Any:
        """For each text its masks with the words that fit: `[{"start": ..., "candidates": [{"token": "paris", ...}]}, ...]`."""
        words = None if targets is None else _texts.several(targets, "targets")
        return self._heads("fill-mask", texts, truncate, "masks", top=top, targets=words)

    def next_sentence(self, pairs: Iterable[tuple[str, str]], *, truncate: bool = False) -> np.ndarray:
        """For each pair how likely the second follows the first, float32."""
        some, _ = _texts.listed(pairs)
        return np.array([line["is_next"] for line in self._answers("next-sentence", some, truncate)], np.float32)

    def choose(self, text: str, choices: Sequence[str], *, truncate: bool = False) -> dict[str, Any]:
        """Which of several continuations fits a text: `{"choice": 1, "scores": [...], "logits": [...]}`."""
        if not isinstance(text, str):
            raise TypeError(f"text 0 is {type(text).__name__}, expected str")
        line = self._answers("choose", [text], truncate, {"choices": _texts.several(choices, "choices")})[0]
        return {name: line[name] for name in ("choice", "scores", "logits")}

    def zero_shot(
        self, texts: Any, labels: Sequence[str], *, hypothesis: str | None = None, multi: bool = False, truncate: bool = False
    ) -> Any:
        """For each text how well each of any labels fits, best first. `hypothesis` is a sentence with {} for the label."""
        named = _texts.several(labels, "labels")
        return self._heads(
            "zero-shot", texts, truncate, "labels", labels=named, hypothesis=hypothesis, multi=_texts.flag(multi, "multi"))

    def sparse(self, texts: Any, *, truncate: bool = False) -> Any:
        """For each text the vocabulary's ids that it is about, int32, and their weights, float32, best first."""
        some, alone = _texts.listed(texts)
        found = [
            (np.array(line["indices"], np.int32), np.array(line["values"], np.float32))
            for line in self._answers("sparse", some, truncate)]
        return found[0] if alone else found

    def multi_vector(self, texts: Any, *, query: bool = False, truncate: bool = False) -> Any:
        """For each text a short vector of each token (ColBERT), float32; `query=True` for what is searched for."""
        some, alone = _texts.listed(texts)
        handle, asks = self._open, _texts.flag(query, "query")
        found: list[np.ndarray] = []
        for block in _texts.batch(some).blocks():
            offsets = np.zeros(block.count + 1, np.int64)
            request, width, values = _request(truncate), ctypes.c_size_t(), ctypes.c_void_p()
            with _placed(block.first):
                call_until_cancelled(
                    block.size, request, library.bertq_multi_vectors, handle.pointer, block.pointer, int(asks), ctypes.byref(request),
                    offsets.ctypes.data, ctypes.byref(width), ctypes.byref(values))
            rows = np.frombuffer(_library.take(values), np.float32).reshape(-1, width.value or 1)
            found += [rows[offsets[i] : offsets[i + 1]] for i in range(block.count)]
        return found[0] if alone else found

    def _heads(self, task: str, texts: Any, truncate: bool, member: str, **settings: Any) -> Any:
        some, alone = _texts.listed(texts)
        found = [line[member] for line in self._answers(task, some, truncate, settings)]
        return found[0] if alone else found

    def _answers(
        self, task: str, texts: list[Any] | _texts.Batch, truncate: bool, settings: Any = None, failures: dict[int, str] | None = None
    ) -> list[Any]:
        """What bert-run writes for each text; None for one that has no answer, whose reason goes to `failures`, if there is such."""
        handle, given = self._open, _texts.settings(settings or {})
        answers: list[Any] = []
        batch = texts if isinstance(texts, _texts.Batch) else _texts.batch(texts)
        for block in batch.blocks():
            request, lines = _request(truncate), ctypes.c_void_p()
            # Labels and choices multiply the work.
            call_until_cancelled(
                block.size + (_library.SHORT if given else 0), request, library.bertq_answer, handle.pointer, task.encode(),
                block.pointer, ctypes.byref(request), given, ctypes.byref(lines))
            for line in take_lines(lines):
                if "error" not in line:
                    answers.append(line)
                elif failures is None:
                    raise of_line(line["error"], block.first + line["index"])
                else:
                    failures[block.first + line["index"]] = line["error"]["message"]
                    answers.append(None)
        return answers


def _reopen(path: str, arguments: dict[str, Any], fingerprint: str) -> Model:
    """A model in another process, if the file there is the same."""
    model = Model(path, **arguments)
    if model.fingerprint != fingerprint:
        raise UsageError(
            f"{path} has the fingerprint {model.fingerprint} here, and {fingerprint} where it was opened before: another file, "
            "whose vectors cannot be compared", "usage")
    return model


def _request(truncate: bool, prompt: str | None = None, prompt_name: str | None = None) -> _library.Request:
    return _library.Request(
        size=ctypes.sizeof(_library.Request), truncates=int(_texts.flag(truncate, "truncate")), priority=0,
        prompt=_optional(prompt, "the prompt"), prompt_name=_optional(prompt_name, "the prompt's name"))


def _optional(text: str | None, what: str) -> bytes | None:
    return None if text is None else _texts.words(text, what)


def _rows(out: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """An array of the caller's, for results of this shape."""
    if not isinstance(out, np.ndarray) or out.dtype != np.float32 or out.shape != shape or not out.flags.c_contiguous:
        raise UsageError(f"out must be a C-contiguous float32 array of shape {shape}", "usage")
    if not out.flags.writeable:
        raise UsageError("out is read-only", "usage")
    return out


class _placed:
    """Counts the text that an error names from the first of all texts, not of a block."""

    def __init__(self, first: int) -> None:
        self.first = first

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: Any, __: object) -> None:
        if getattr(error, "text", None) is not None:
            error.text += self.first
