"""bertq for Haystack: components for a query and for documents.

    from bertq.haystack import BertqDocumentEmbedder, BertqTextEmbedder
    pipeline.add_component("embedder", BertqTextEmbedder("minilm.bertq"))
"""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from haystack import Document, component, default_from_dict, default_to_dict

from . import _texts
from .model import Model


@component
class BertqTextEmbedder:
    """A query's vector, behind the file's prompt for queries. What is too long is cut."""

    def __init__(self, path: str | os.PathLike[str], threads: int | None = None, precision: str | None = None) -> None:
        # Pipelines are written as text.
        self.path, self.threads, self.precision = os.fspath(path), threads, precision
        self._model: Model | None = None

    def warm_up(self) -> None:
        self._model = self._model or Model(self.path, threads=self.threads, precision=self.precision)

    @component.output_types(embedding=list[float])
    def run(self, text: str) -> dict[str, Any]:
        self.warm_up()
        assert self._model is not None
        return {"embedding": self._model.encode_query(_texts.one(text, "the text"), truncate=True).tolist()}

    def to_dict(self) -> dict[str, Any]:
        return default_to_dict(self, path=self.path, threads=self.threads, precision=self.precision)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "BertqTextEmbedder":
        return default_from_dict(cls, data)


@component
class BertqDocumentEmbedder:
    """Documents with their vectors. What is too long is cut."""

    def __init__(self, path: str | os.PathLike[str], threads: int | None = None, precision: str | None = None) -> None:
        # Pipelines are written as text.
        self.path, self.threads, self.precision = os.fspath(path), threads, precision
        self._model: Model | None = None

    def warm_up(self) -> None:
        self._model = self._model or Model(self.path, threads=self.threads, precision=self.precision)

    @component.output_types(documents=list[Document])
    def run(self, documents: list[Document]) -> dict[str, Any]:
        self.warm_up()
        assert self._model is not None
        vectors = self._model.encode_document([document.content or "" for document in documents], truncate=True).tolist()
        return {"documents": [dataclasses.replace(d, embedding=v) for d, v in zip(documents, vectors)]}

    def to_dict(self) -> dict[str, Any]:
        return default_to_dict(self, path=self.path, threads=self.threads, precision=self.precision)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "BertqDocumentEmbedder":
        return default_from_dict(cls, data)
