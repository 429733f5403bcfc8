"""bertq as a step of scikit-learn's pipelines.

    from bertq.sklearn import BertqVectorizer
    make_pipeline(BertqVectorizer("minilm.bertq"), LogisticRegression()).fit(texts, labels)
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from .model import Model


class BertqVectorizer(TransformerMixin, BaseEstimator):
    """Texts to vectors; nothing is fitted. Texts that are too long are cut unless `truncate=False`."""

    def __init__(
        self, path: str | os.PathLike[str] | None = None, *, precision: str | None = None, threads: int | None = None, truncate: bool = True
    ) -> None:
        self.path, self.precision, self.threads, self.truncate = path, precision, threads, truncate

    def fit(self, X: Any, y: Any = None) -> "BertqVectorizer":
        self._opened()
        return self

    def transform(self, X: Any) -> np.ndarray:
        return self._opened().encode(X, truncate=self.truncate)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        return np.array([f"bertq{index}" for index in range(self._opened().dimension)], dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def _opened(self) -> Model:
        arguments = (os.fspath(self.path) if self.path is not None else None, self.precision, self.threads)
        if getattr(self, "_arguments", None) != arguments:
            if self.path is None:
                raise ValueError("BertqVectorizer needs the path of a .bertq file")
            self._model = Model(self.path, precision=self.precision, threads=self.threads)
            self._arguments = arguments
        return self._model
