"""How far a call is, for people."""

from __future__ import annotations

from typing import Any, Callable, Union

Watch = Callable[[int, int], Any]


class Progress:
    """Tells a function, or a bar of tqdm where that is installed, how many are done."""

    def __init__(self, progress: Union[bool, Watch], total: int) -> None:
        self._watch = progress if callable(progress) else None
        self._done, self._total, self._bar = 0, total, None
        if progress and self._watch is None:
            try:
                from tqdm.auto import tqdm
            except ImportError:
                return
            self._bar = tqdm(total=total, unit="text")

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def advance(self, count: int) -> None:
        self._done += count
        if self._watch is not None:
            self._watch(self._done, self._total)
        if self._bar is not None:
            self._bar.update(count)
