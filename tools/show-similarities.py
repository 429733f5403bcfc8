#!/usr/bin/env python3
"""Shows the cosine similarity of every two texts as a table, from what bert-run wrote about them. Needs nothing else.

    show-similarities.py TEXTS.txt VECTORS.jsonl [--drift REPORT.json]
"""
import argparse
import json
import math
import sys


def cosine(a, b):
    dot = sum(x * y for x, y in zip(a, b))
    return dot / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def table(texts, vectors):
    """The lines of the table."""
    width = max(len(text) for text in texts)
    lines = [" " * (width + 4) + "".join(f"{column:>7}" for column in range(1, len(texts) + 1))]
    for row, text in enumerate(texts):
        cells = "".join(f"{cosine(vectors[row], vectors[column]):7.3f}" for column in range(row + 1))
        lines.append(f"{row + 1:2}  {text:<{width}}{cells}")
    return lines


def drift_line(report):
    """One line about the difference between int8 and float32."""
    hidden, embedding, ranking = report["hidden"], report["embedding"], report["ranking"]
    parts = [f"hidden states {hidden['sqnr_db']:.1f} dB SQNR",
             f"vectors' cosine {embedding['cosine_mean']:.5f} on average, {embedding['cosine_worst']:.5f} at worst"]
    if isinstance(ranking.get("spearman"), (int, float)):
        parts.append(f"rank correlation of the similarities {ranking['spearman']:.4f}")
    return f"int8 against float32 over these {report['texts']} texts: " + "; ".join(parts) + "."


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts")
    parser.add_argument("vectors")
    parser.add_argument("--drift", metavar="REPORT.json")
    arguments = parser.parse_args()
    with open(arguments.texts, encoding="utf-8") as file:
        texts = file.read().splitlines()
    with open(arguments.vectors, encoding="utf-8") as file:
        results = sorted((json.loads(line) for line in file if line.strip()), key=lambda result: result["index"])
    if len(results) != len(texts):
        sys.exit(f"error: {len(texts)} texts but {len(results)} vectors")
    print("\n".join(table(texts, [result["embedding"] for result in results])))
    if arguments.drift:
        with open(arguments.drift, encoding="utf-8") as file:
            print("\n" + drift_line(json.load(file)))


if __name__ == "__main__":
    main()
