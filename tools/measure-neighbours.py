#!/usr/bin/env python3
"""What int8 does to embeddings that many texts are compared by: needs NumPy and the shared data.

    tools/measure-neighbours.py MODEL.bertq [SHARED_DATA]     (../shared/data)

Prints SQNR of the hidden states, cosines, Spearman's correlation with human scores on STS-B in float32 and in int8, how many
of Banking77's queries keep their nearest neighbour, and how many would if int8's error were smaller. Needs `swift build -c release` before.
"""
import csv
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy

ROOT = pathlib.Path(__file__).resolve().parent.parent


def vectors(model, texts, *options):
    """bert-run's rows for texts, in double."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "out.npy"
        lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
        with open(path, "wb") as file:
            subprocess.run([ROOT / ".build/release/bert-run", model, "--jsonl", "--format", "npy", *options], check=True,
                           input=lines.encode(), stdout=file, stderr=subprocess.DEVNULL)
        return numpy.load(path).astype(numpy.float64)


def ranks(values):
    """Ranks from 1, equal values sharing their mean rank."""
    found, place, counts = numpy.unique(values, return_inverse=True, return_counts=True)
    return (numpy.cumsum(counts) - (counts - 1) / 2)[place]


def nearest(x):
    similarity = x @ x.T
    numpy.fill_diagonal(similarity, -2)
    return similarity.argmax(axis=1)


def main():
    model = sys.argv[1]
    data = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else ROOT / "../shared/data") / "eval"
    english = [line for line in (data / "ud/en.txt").read_text(encoding="utf-8").split("\n") if line]
    pairs = [line.split("\t") for line in (data / "stsb/stsb-dev-ccbysa.tsv").read_text(encoding="utf-8").splitlines()[1:]]
    with open(data / "banking77/test.csv", encoding="utf-8", newline="") as file:
        queries = [row[0].replace("\n", " ") for row in list(csv.reader(file))[1:]]
    texts = english + [pair[4] for pair in pairs] + [pair[5] for pair in pairs] + queries
    reference, other = (vectors(model, texts, path, "--task", "tokens") for path in ("--float", "--int8"))
    noise = ((other - reference) ** 2).sum()
    print("%d texts: SQNR %.2f dB" % (len(texts), 10 * numpy.log10((reference**2).sum() / noise)))
    reference, other = (vectors(model, texts, path, "--task", "embedding") for path in ("--float", "--int8"))
    lengths = numpy.linalg.norm(reference, axis=1) * numpy.linalg.norm(other, axis=1)
    cosines = (reference * other).sum(axis=1) / lengths
    print("cosine mean %.6f, worst %.6f" % (cosines.mean(), cosines.min()))
    scores = ranks(numpy.array([float(pair[3]) for pair in pairs]))
    first, count = len(english), len(pairs)
    for name, x in (("float32", reference), ("int8", other)):
        similarity = (x[first:first + count] * x[first + count:first + 2 * count]).sum(axis=1)
        print("STS-B, Spearman in %s: %.4f" % (name, numpy.corrcoef(ranks(similarity), scores)[0, 1]))
    reference, error = reference[-len(queries):], (other - reference)[-len(queries):]
    neighbours = nearest(reference)

    def kept(factor):
        return 100 * (nearest(reference + factor * error) == neighbours).mean()

    print("Banking77: %.2f %% of %d keep their nearest neighbour" % (kept(1), len(queries)))
    # An error of the other sign is as likely: how far the two differ is chance.
    print("with the error's sign turned %.2f %%" % kept(-1))
    for less in (1, 2, 3, 4, 6):
        print("with %d dB less error %.2f %%, its sign turned %.2f %%" % (less, kept(10 ** (-less / 20)), kept(-(10 ** (-less / 20)))))


if __name__ == "__main__":
    main()
