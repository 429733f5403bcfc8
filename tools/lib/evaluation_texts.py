"""Real texts to compare doors with: those of the shared data, where it is."""
import csv
import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# For where there is no shared data.
SAMPLES = ["A bird sings.", "The old road to the sea", "", "Übermäßig große Wörter", "a" * 300, "東京 is big", "one\ttwo", "x"] * 40


def folder():
    """The shared data's folder, or None."""
    path = pathlib.Path(os.environ.get("BERTQ_SHARED_DATA") or ROOT / "../shared/data")
    return path if (path / "eval").is_dir() else None


def read(most=None):
    """Texts without line ends: queries, scored pairs, sentences in 16 languages. Empty where there is no data."""
    data = folder()
    if data is None:
        return []
    texts = []
    with open(data / "eval/banking77/test.csv", encoding="utf-8", newline="") as file:
        texts += [row[0].replace("\n", " ").replace("\r", " ") for row in list(csv.reader(file))[1:]]
    for line in (data / "eval/stsb/stsb-dev-ccbysa.tsv").read_text(encoding="utf-8").split("\n")[1:]:
        texts += line.rstrip("\r").split("\t")[4:6]
    for path in sorted((data / "eval/ud").glob("*.txt")):
        texts += [line for line in path.read_text(encoding="utf-8").split("\n") if line]
    return texts[:most]
