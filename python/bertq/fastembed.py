"""fastembed's class over bertq.

    from bertq.fastembed import TextEmbedding     # in place of fastembed's
    vectors = list(TextEmbedding("minilm.bertq").embed(["a text"]))
"""

from __future__ import annotations

import itertools
import os
from typing import Any, Iterable, Iterator, Union

import numpy as np

from .model import Model

# Texts that are read ahead of the vectors.
BLOCK = 2048


class TextEmbedding:
    """Texts that are too long are cut. What concerns batches and processes is accepted: no vector depends on it.

    The file's prompts apply: that for queries in `query_embed`, that for documents in `embed` and `passage_embed`.
    """

    def __init__(self, model_name: str | os.PathLike[str], cache_dir: Any = None, threads: int | None = None, **_: Any) -> None:
        self.model = Model(model_name, threads=threads)
        self.model_name = self.model.path

    @property
    def embedding_size(self) -> int:
        return self.model.dimension

    @classmethod
    def get_embedding_size(cls, model_name: str | os.PathLike[str]) -> int:
        with Model(model_name) as model:
            return model.dimension

    def embed(
        self, documents: Union[str, Iterable[str]], batch_size: int = 256, parallel: int | None = None, **_: Any
    ) -> Iterator[np.ndarray]:
        texts = iter([documents] if isinstance(documents, str) else documents)
        while block := list(itertools.islice(texts, BLOCK)):
            yield from self.model.encode_document(block, truncate=True)

    def query_embed(self, query: Union[str, Iterable[str]], **_: Any) -> Iterator[np.ndarray]:
        return iter(self.model.encode_query([query] if isinstance(query, str) else query, truncate=True))

    def passage_embed(self, texts: Iterable[str], **_: Any) -> Iterator[np.ndarray]:
        return self.embed(texts)

    def token_count(self, texts: Union[str, Iterable[str]], batch_size: int = 1024, **_: Any) -> int:
        counts = self.model.token_counts([texts] if isinstance(texts, str) else texts)
        return int(np.minimum(counts, self.model.max_tokens).sum())
