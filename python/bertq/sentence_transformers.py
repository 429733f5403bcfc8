"""bertq under sentence-transformers: prompts, similarity, evaluators and all that build on it.

    from bertq.sentence_transformers import load, load_cross_encoder
    model = load("minilm.bertq")                # a SentenceTransformer
    model.encode(["a text"], truncate_dim=128)
    ranker = load_cross_encoder("ranker.bertq")    # a CrossEncoder
    ranker.rank("a question", ["a text", "another"])
"""

from __future__ import annotations

import os
from typing import Any

import torch
from sentence_transformers import CrossEncoder, SentenceTransformer
from sentence_transformers.base.modules import InputModule

from .errors import UnsupportedError, UsageError
from .model import Model

ACTIVATIONS = {
    "identity": torch.nn.Identity, "sigmoid": torch.nn.Sigmoid, "tanh": torch.nn.Tanh, "relu": torch.nn.ReLU, "silu": torch.nn.SiLU}


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


class BertqSentenceTransformer(SentenceTransformer):
    """A SentenceTransformer that computes with bertq."""

    def encode(self, *arguments: Any, **options: Any) -> Any:
        wanted = options.get("output_value", "sentence_embedding")
        if wanted not in ("sentence_embedding", None):
            raise UnsupportedError(f"no {wanted!r} is computed here; bertq.Model.token_vectors gives tokens' vectors", "unsupported")
        return super().encode(*arguments, **options)


def load(path: str | os.PathLike[str], *, prompts: dict[str, str] | None = None, **options: Any) -> SentenceTransformer:
    """A SentenceTransformer that computes with bertq on the CPU; its prompts are the file's unless others are given."""
    module = BertqModule(path, **options)
    prompts = module.model.prompts if prompts is None else prompts
    return BertqSentenceTransformer(modules=[module], prompts=prompts or None, device="cpu")


class BertqPairs(InputModule):
    """A classifier as one module: pairs of texts in, logits out. Pairs that are too long are cut."""

    config_keys = ["path"]

    def __init__(self, path: str | os.PathLike[str], **options: Any) -> None:
        super().__init__()
        self.model = Model(path, **options)
        self.path = self.model.path
        # Labels without a name are called by their place.
        named, count = self.model.labels, len(self.model.classify([("", "")])[0])
        self.labels = [named[i] if i < len(named) else f"LABEL_{i}" for i in range(count)]
        if len(set(self.labels)) != count:
            raise UnsupportedError(f"{self.path} has labels that cannot be told apart: {self.labels}", "unsupported")

    def preprocess(self, inputs: Any, prompt: str | None = None, **_: Any) -> dict[str, Any]:
        if prompt:
            raise UsageError("a classifier has no prompts: put the words before the texts", "usage")
        return {"pairs": [tuple(pair) for pair in inputs]}

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        # Answers come best first; logits are wanted in the order of the labels.
        answers = [{label["label"]: label["logit"] for label in labels}
                   for labels in self.model.classify(features.pop("pairs"), truncate=True)]
        features["scores"] = torch.tensor([[logits[name] for name in self.labels] for logits in answers], dtype=torch.float32)
        return features

    @property
    def max_seq_length(self) -> int:
        return self.model.max_tokens

    def save(self, output_path: str, *_: Any, **__: Any) -> None:
        self.save_config(output_path)


class BertqCrossEncoder(CrossEncoder):
    """A CrossEncoder that computes with bertq."""

    @property
    def num_labels(self) -> int:
        return len(self[0].labels)


def load_cross_encoder(path: str | os.PathLike[str], **options: Any) -> CrossEncoder:
    """A CrossEncoder that computes with bertq on the CPU.

    A single logit is made a score as `Model.rerank` does: by the activation that the file's publisher names, else by a sigmoid,
    whatever the problem is called.
    """
    module = BertqPairs(path, **options)
    name = module.model.info["score_activation"] or ("sigmoid" if len(module.labels) == 1 else "identity")
    if name not in ACTIVATIONS:
        raise UnsupportedError(f"{module.path} makes scores with {name!r}, which is not done here", "unsupported")
    return BertqCrossEncoder(modules=[module], activation_fn=ACTIVATIONS[name](), device="cpu")
