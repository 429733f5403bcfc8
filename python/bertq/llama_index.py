"""bertq for LlamaIndex.

    from bertq.llama_index import BertqEmbedding
    index = VectorStoreIndex.from_documents(documents, embed_model=BertqEmbedding("minilm.bertq"))
"""

from __future__ import annotations

import asyncio
import os
from typing import Any, Optional

from llama_index.core.base.embeddings.base import BaseEmbedding
from pydantic import Field, PrivateAttr

from .model import Model


class BertqEmbedding(BaseEmbedding):
    """Texts that are too long are cut. The file's prompts for queries and documents apply."""

    threads: Optional[int] = Field(default=None, description="Threads that compute.")
    precision: Optional[str] = Field(default=None, description="int8 or float.")

    _model: Model = PrivateAttr()

    def __init__(
        self, path: str | os.PathLike[str] | None = None, *, threads: int | None = None, precision: str | None = None, **fields: Any
    ) -> None:
        # `from_dict` gives the path by the name that `to_dict` has it.
        name = fields.pop("model_name", None)
        if (path is None) == (name is None):
            raise TypeError("BertqEmbedding needs the path of a .bertq file")
        model = Model(name if path is None else path, threads=threads, precision=precision)
        super().__init__(model_name=model.path, threads=threads, precision=precision, **{"embed_batch_size": 2048, **fields})
        self._model = model

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
