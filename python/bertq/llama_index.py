"""bertq for LlamaIndex.

    from bertq.llama_index import BertqEmbedding
    index = VectorStoreIndex.from_documents(documents, embed_model=BertqEmbedding("minilm.bertq"))
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from pydantic import PrivateAttr

from .model import Model


class BertqEmbedding(BaseEmbedding):
    """Texts that are too long are cut. The file's prompts for queries and documents apply."""

    _model: Model = PrivateAttr()

    def __init__(self, path: str | os.PathLike[str], *, threads: int | None = None, precision: str | None = None, **fields: Any) -> None:
        super().__init__(model_name=os.fspath(path), **{"embed_batch_size": 2048, **fields})
        self._model = Model(path, threads=threads, precision=precision)

    @classmethod
    def class_name(cls) -> str:
        return "BertqEmbedding"

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        vectors: list[list[float]] = self._model.encode_document(texts, truncate=True).tolist()
        return vectors

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._get_text_embeddings([text])[0]

    def _get_query_embedding(self, query: str) -> list[float]:
        vector: list[float] = self._model.encode_query(query, truncate=True).tolist()
        return vector

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return await asyncio.to_thread(self._get_query_embedding, query)

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return await asyncio.to_thread(self._get_text_embedding, text)
