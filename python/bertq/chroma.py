"""bertq for Chroma.

    from bertq.chroma import BertqEmbeddingFunction
    collection = client.create_collection("texts", embedding_function=BertqEmbeddingFunction("minilm.bertq"))
"""

from __future__ import annotations

import os
from typing import Any

from chromadb.api.types import Documents, EmbeddingFunction, Embeddings
from chromadb.utils.embedding_functions import register_embedding_function

from . import _texts
from .model import Model


@register_embedding_function
class BertqEmbeddingFunction(EmbeddingFunction[Documents]):
    """Texts that are too long are cut. The file's prompts for queries and documents apply."""

    def __init__(self, path: str | os.PathLike[str], threads: int | None = None, precision: str | None = None) -> None:
        # Chroma writes the options as JSON.
        self._options = {"path": os.fspath(path), "threads": threads, "precision": precision}
        self._model = Model(path, threads=threads, precision=precision)

    def __call__(self, input: Documents) -> Embeddings:  # noqa: A002 - Chroma's name
        return list(self._model.encode_document(_texts.several(input, "documents"), truncate=True))

    def embed_query(self, input: Documents) -> Embeddings:  # noqa: A002 - Chroma's name
        return list(self._model.encode_query(_texts.several(input, "queries"), truncate=True))

    @staticmethod
    def name() -> str:
        return "bertq"

    def get_config(self) -> dict[str, Any]:
        return {**self._options, "fingerprint": self._model.fingerprint}

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> "BertqEmbeddingFunction":
        made = BertqEmbeddingFunction(config["path"], config.get("threads"), config.get("precision"))
        made._check(config)
        return made

    def validate_config_update(self, old_config: dict[str, Any], new_config: dict[str, Any]) -> None:
        if old_config.get("fingerprint") != new_config.get("fingerprint"):
            raise ValueError("a collection's vectors are of one model: the fingerprints differ")

    def _check(self, config: dict[str, Any]) -> None:
        expected = config.get("fingerprint", self._model.fingerprint)
        if expected != self._model.fingerprint:
            raise ValueError(
                f"the collection was made with the fingerprint {expected}; {self._model.path} has {self._model.fingerprint}")
