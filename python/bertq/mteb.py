"""bertq as a model of MTEB.

    import mteb
    from bertq.mteb import load
    mteb.evaluate(load("minilm.bertq"), mteb.get_tasks(["STSBenchmark"]))
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from mteb.models import ModelMeta
from mteb.models.abs_encoder import AbsEncoder
from mteb.models.model_meta import ScoringFunction

from .model import Model


class BertqEncoder(AbsEncoder):  # type: ignore[misc]
    """Texts that are too long are cut."""

    def __init__(self, path: str | os.PathLike[str], **options: Any) -> None:
        self.model = Model(path, **options)
        name = os.path.splitext(os.path.basename(self.model.path))[0]
        # Results of another file or precision go elsewhere.
        meta = ModelMeta.create_empty(overwrites={
            "name": f"bertq/{name}", "revision": self.model.fingerprint, "embed_dim": self.model.dimension,
            "max_tokens": self.model.max_tokens, "languages": None, "framework": [], "similarity_fn_name": ScoringFunction.COSINE})
        self.mteb_model_meta = meta

    def encode(self, inputs: Any, *, prompt_type: Any = None, **_: Any) -> np.ndarray:
        texts = [text for batch in inputs for text in batch["text"]]
        kind = getattr(prompt_type, "value", prompt_type)
        if kind == "query":
            return self.model.encode_query(texts, truncate=True)
        if kind == "document":
            return self.model.encode_document(texts, truncate=True)
        return self.model.encode(texts, truncate=True)


def load(path: str | os.PathLike[str], **options: Any) -> BertqEncoder:
    """A model for `mteb.evaluate`."""
    return BertqEncoder(path, **options)
