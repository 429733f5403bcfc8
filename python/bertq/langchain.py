"""bertq for LangChain.

    from bertq.langchain import BertqEmbeddings
    store = InMemoryVectorStore(BertqEmbeddings("minilm.bertq"))
"""

from __future__ import annotations

import os
from typing import Any

from langchain_core.embeddings import Embeddings

from . import _texts
from .model import Model


class BertqEmbeddings(Embeddings):
    """Texts that are too long are cut. The file's prompts for queries and documents apply."""

    def __init__(self, path: str | os.PathLike[str], **options: Any) -> None:
        self.model = Model(path, **options)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        vectors: list[list[float]] = self.model.encode_document(_texts.several(texts, "texts"), truncate=True).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        vector: list[float] = self.model.encode_query(_texts.one(text, "the query"), truncate=True).tolist()
        return vector
