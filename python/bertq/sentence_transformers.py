"""bertq under sentence-transformers: prompts, similarity, evaluators and all that build on it.

    from bertq.sentence_transformers import load
    model = load("minilm.bertq")                # a SentenceTransformer
    model.encode(["a text"], truncate_dim=128)
"""

from __future__ import annotations

import os
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import InputModule

from .model import Model


class BertqModule(InputModule):
    """The whole model as one module: texts in, sentence embeddings out. Texts that are too long are cut."""

    config_keys = ["path"]

    def __init__(self, path: str | os.PathLike[str], **options: Any) -> None:
        super().__init__()
        self.model = Model(path, **options)
        self.path = self.model.path

    def preprocess(self, inputs: Any, prompt: str | None = None, **_: Any) -> dict[str, Any]:
        # The file's default prompt stands aside for another.
        return {"texts": list(inputs), "prompt": prompt or None}

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        features["sentence_embedding"] = torch.from_numpy(
            self.model.encode(features.pop("texts"), prompt=features.pop("prompt"), truncate=True))
        return features

    def get_embedding_dimension(self) -> int:
        return self.model.dimension

    @property
    def max_seq_length(self) -> int:
        return self.model.max_tokens

    def save(self, output_path: str, *_: Any, **__: Any) -> None:
        self.save_config(output_path)


def load(path: str | os.PathLike[str], *, prompts: dict[str, str] | None = None, **options: Any) -> SentenceTransformer:
    """A SentenceTransformer that computes with bertq on the CPU; its prompts are the file's unless others are given."""
    module = BertqModule(path, **options)
    prompts = module.model.prompts if prompts is None else prompts
    return SentenceTransformer(modules=[module], prompts=prompts or None, device="cpu")
