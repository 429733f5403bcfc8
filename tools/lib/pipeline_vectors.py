"""Vectors of heads beside sentence-transformers': sparse ones, and several a text."""


def compare(programs, work, result, folders, sentences, pairs):
    """Adds the comparisons to a result."""
