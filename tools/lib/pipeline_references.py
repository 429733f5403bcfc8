"""What the reference answers: transformers' pipelines, and what the documentation says where there is none."""
import numpy
import torch
from transformers import (AutoModelForMultipleChoice, AutoModelForNextSentencePrediction, AutoModelForQuestionAnswering,
                          AutoModelForTokenClassification, AutoTokenizer, pipeline)


def softmax(values):
    shifted = numpy.exp(values - values.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)


def classify(folder, texts):
    classifier = pipeline("text-classification", model=folder, tokenizer=folder)
    inputs = [dict(text=t[0], text_pair=t[1]) if isinstance(t, tuple) else t for t in texts]
    return [classifier(text, top_k=None) for text in inputs]


def tag(folder, texts, strategy, split=False):
    tagger = pipeline("token-classification", model=folder, tokenizer=folder, aggregation_strategy=strategy)
    if split:
        return [tagger(words, is_split_into_words=True)[0] for words in texts]
    return [tagger(text) for text in texts]


def clear_labels(folder, texts, margin=1e-5):
    """The texts of which every token has one label that is likelier than all others by more than a rounding."""
    model, tokenizer = AutoModelForTokenClassification.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    found = []
    for text in texts:
        with torch.no_grad():
            scores = numpy.sort(softmax(model(**tokenizer(text, return_tensors="pt")).logits[0].numpy()))
        if (scores[:, -1] - scores[:, -2]).min() > margin:
            found.append(text)
    return found


def fill(folder, texts, **options):
    filler = pipeline("fill-mask", model=folder, tokenizer=folder)
    found = []
    for text in texts:
        answer = filler(text, **options)
        found.append(answer if isinstance(answer[0], list) else [answer])
    return found


def zero_shot(folder, texts, **options):
    classifier = pipeline("zero-shot-classification", model=folder, tokenizer=folder)
    return [classifier(text, **options) for text in texts]


def next_sentence(folder, pairs):
    model, tokenizer = AutoModelForNextSentencePrediction.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    found = []
    for first, second in pairs:
        with torch.no_grad():
            logits = model(**tokenizer(first, second, return_tensors="pt")).logits[0].numpy()
        found.append(float(softmax(logits)[0]))
    return found


def choose(folder, questions):
    model, tokenizer = AutoModelForMultipleChoice.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    found = []
    for text, choices in questions:
        made = tokenizer([text] * len(choices), choices, return_tensors="pt", padding=True)
        with torch.no_grad():
            logits = model(**{name: value.unsqueeze(0) for name, value in made.items()}).logits[0].numpy()
        found.append((int(logits.argmax()), logits, softmax(logits)))
    return found


def answer(folder, questions, top=1, longest=15, stride=128, window=384, allows_none=False):
    """The post-processing that transformers documented for question answering: both softmaxes over the context's tokens (and
    the first token where "no answer" counts), the product of start and end, words whole, the best of all windows."""
    model, tokenizer = AutoModelForQuestionAnswering.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    found = []
    for question, context in questions:
        made = tokenizer(question, context, truncation="only_second", max_length=window, stride=min(stride, window // 2),
                         return_overflowing_tokens=True)
        spans, none = {}, 1e9
        for place in range(len(made["input_ids"])):
            rows = {name: torch.tensor([made[name][place]]) for name in ("input_ids", "token_type_ids", "attention_mask")}
            with torch.no_grad():
                output = model(**rows)
            mine = numpy.array([part == 1 for part in made.sequence_ids(place)])
            if allows_none:
                mine[0] = True
            start, end = (softmax(numpy.where(mine, logits[0].numpy(), -10000.0))
                          for logits in (output.start_logits, output.end_logits))
            if allows_none:
                none = min(none, float(start[0] * end[0]))
                start[0] = end[0] = 0
            scores = numpy.tril(numpy.triu(numpy.outer(start, end)), longest - 1)
            encoding = made.encodings[place]
            for flat in numpy.argsort(-scores, axis=None)[:50 * top]:
                s, e = numpy.unravel_index(flat, scores.shape)
                if not (mine[s] and mine[e]) or scores[s, e] == 0:
                    continue
                span = (encoding.word_to_chars(encoding.token_to_word(int(s)), 1)[0],
                        encoding.word_to_chars(encoding.token_to_word(int(e)), 1)[1])
                spans[span] = max(spans.get(span, 0.0), float(scores[s, e]))
        if allows_none:
            spans[(0, 0)] = none
        best = sorted(spans.items(), key=lambda item: -item[1])[:top]
        found.append([dict(text=context[s:e], start=s, end=e, score=score) for (s, e), score in best])
    return found


def rerank(folder, queries):
    from sentence_transformers import CrossEncoder
    ranker = CrossEncoder(folder, device="cpu")
    return [[(row["corpus_id"], float(row["score"])) for row in ranker.rank(query, documents)] for query, documents in queries]


def sparse(encoder, texts):
    found = []
    for text in texts:
        vector = encoder.encode([text], convert_to_tensor=True, convert_to_sparse_tensor=False)[0].numpy()
        ids = numpy.nonzero(vector)[0]
        order = ids[numpy.lexsort((ids, -vector[ids]))]
        found.append((order.tolist(), vector[order]))
    return found
