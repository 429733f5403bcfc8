"""BERT-like encoders on CPUs: one file, int8, the same bits in any batch, thread, process and machine.

    import bertq

    bertq.convert("all-MiniLM-L6-v2", "minilm.bertq")     # a published checkpoint, once
    model = bertq.Model("minilm.bertq")
    vectors = model.encode(["a text", "another"])         # float32, [2, model.dimension]

NumPy is all it needs. Adapters are imported on demand: `bertq.sentence_transformers`, `.langchain`, `.llama_index`,
`.haystack`, `.chroma`, `.fastembed`, `.sklearn`, `.mteb`; `bertq.spark` embeds columns of Spark.
"""

from ._library import version as __version__
from .conversion import Converted, convert, drift
from .errors import (
    BertqError, CancelledError, CannotWriteError, DeadlineError, DriftGateError, MalformedError, NotFoundError, OverloadedError,
    SystemRefusalError, TextError, UnsupportedError, UsageError,
)
from .model import Model

__all__ = [
    "BertqError", "CancelledError", "CannotWriteError", "Converted", "DeadlineError", "DriftGateError", "MalformedError", "Model",
    "NotFoundError", "OverloadedError", "SystemRefusalError", "TextError", "UnsupportedError", "UsageError", "__version__", "convert", "drift",
]
