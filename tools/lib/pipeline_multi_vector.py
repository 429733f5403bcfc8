"""Models that make a vector of each token, in every layout in which they lie in folders, beside sentence-transformers'."""
import json
import os
import shutil

import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.base.modules import Dense, Normalize, Transformer
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
from transformers import BertModel

import pipeline_models as models

WIDTH, HIDDEN = 16, 32


def write(folder, name, value):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        json.dump(value, file)


def projection(seed, bias=False):
    """A token's linear with random weights."""
    dense = Dense(HIDDEN, WIDTH, bias=bias, activation_function=torch.nn.Identity(), module_input_name="token_embeddings")
    models.randomize(dense, seed)
    return dense


def native(bare, made, prompts, skipped, bias=False, **settings):
    """As sentence-transformers saves it."""
    modules = [Transformer(bare, **settings), projection(31, bias), MultiVectorMask(skiplist_words=skipped),
               Normalize(module_input_name="token_embeddings")]
    MultiVectorEncoder(modules=modules, prompts=prompts, device="cpu").save(made)
    return made


def pylate(bare, made, **settings):
    """As PyLate saves it: the linear alone among the modules, all else beside the prompts."""
    shutil.copytree(bare, made)
    os.makedirs(os.path.join(made, "1_Dense"))
    projection(32).save(os.path.join(made, "1_Dense"))
    write(os.path.join(made, "1_Dense"), "config.json", {
        "in_features": HIDDEN, "out_features": WIDTH, "bias": False, "activation_function": "torch.nn.modules.linear.Identity"})
    write(made, "modules.json", [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Dense", "type": "pylate.models.Dense.Dense"}])
    write(made, "sentence_bert_config.json", {"max_seq_length": 23, "do_lower_case": False})
    write(made, "config_sentence_transformers.json", dict({
        "model_type": "ColBERT", "prompts": {"query": "", "document": ""}, "default_prompt_name": None,
        "similarity_fn_name": "MaxSim"}, **settings))
    return made


def stanford(bare, made, **metadata):
    """As the original ColBERT saves it: the linear among the encoder's tensors, and a file of settings."""
    shutil.copytree(bare, made)
    path = os.path.join(made, "model.safetensors")
    tensors = {"bert." + name: value for name, value in load_file(path).items()}
    tensors["linear.weight"] = projection(33).linear.weight.detach().clone()
    save_file(tensors, path, metadata={"format": "pt"})
    with open(os.path.join(made, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    write(made, "config.json", dict(config, architectures=["HF_ColBERT"]))
    if metadata:
        write(made, "artifact.metadata", metadata)
    return made


def make_all(work):
    """Each layout in a folder of its own, by what it is."""
    bare = models.make(os.path.join(work, "tokens-bare"), BertModel, seed=16)
    at = lambda name: os.path.join(work, "tokens-" + name)  # noqa: E731
    return {
        "own prompts, filled and hidden": native(
            bare, at("hidden"), {"query": "ask: ", "document": "say: "}, list("!?.,;:"), document_length=40,
            query_expansion=dict(strategy="fixed", length=24, attend=False)),
        "filled and seen": native(
            bare, at("seen"), {"query": "", "document": ""}, [], bias=True,
            query_expansion=dict(strategy="fixed", length=20, attend=True)),
        "not filled": native(bare, at("plain"), {}, [], query_length=18, document_length=30),
        "PyLate": pylate(
            bare, at("pylate"), query_prefix="[unused0]", document_prefix="[unused1]", query_length=22, document_length=50,
            attend_to_expansion_tokens=False, skiplist_words=list("!?.")),
        "PyLate, a mark that is no token": pylate(
            bare, at("pylate-words"), query_prefix="[Q] ", document_prefix="[D] ", query_length=30, document_length=60,
            attend_to_expansion_tokens=True),
        "the original ColBERT": stanford(
            bare, at("stanford"), query_token_id="[unused0]", doc_token_id="[unused1]", query_maxlen=26, doc_maxlen=70, dim=WIDTH,
            mask_punctuation=True, attend_to_mask_tokens=False),
        "the original ColBERT, nothing said": stanford(bare, at("stanford-bare")),
    }


def encode(folder, texts, role):
    """What sentence-transformers makes of each text alone."""
    encoder = MultiVectorEncoder(folder, device="cpu")
    ask = encoder.encode_query if role == "query" else encoder.encode_document
    return [ask([text], convert_to_numpy=True)[0] for text in texts]


def numbered(vectors):
    return [((token, place), float(value)) for token, row in enumerate(vectors) for place, value in enumerate(row)]


def compare(programs, work, result, sentences):
    """Queries and documents of every layout."""
    for name, folder in make_all(work).items():
        for role in ("query", "document"):
            ours = programs.run(folder, [dict(text=t) for t in sentences], "--task", "multi-vector", "--as", role, "--truncate")
            result.rows("multi-vector, %s, %s" % (name, role), [numbered(row["vectors"]) for row in ours],
                        [numbered(vectors) for vectors in encode(folder, sentences, role)])
