"""What is measured: token ids cut from running text, in cells of batch and length, and one ragged set."""

# 128 sentences, log-normal, 24.7 tokens on average: 3,161 real tokens, [CLS] and [SEP] included. In batches of 32 padded to
# the longest they are 11,232 in this order and 5,664 sorted by length.
RAGGED = [
    15, 7, 32, 19, 10, 26, 42, 28, 9, 23, 19, 23, 39, 13, 20, 18, 50, 10, 59, 54, 12, 15, 21, 35, 24, 51, 115, 25, 15, 38,
    37, 4, 33, 7, 39, 11, 27, 21, 21, 45, 10, 53, 15, 19, 23, 55, 11, 8, 54, 11, 9, 15, 13, 18, 12, 7, 14, 36, 23, 54, 20,
    26, 27, 12, 27, 70, 4, 12, 4, 11, 100, 19, 28, 16, 32, 27, 8, 50, 19, 67, 41, 39, 8, 27, 19, 20, 24, 16, 21, 7, 18, 24,
    8, 13, 29, 10, 8, 20, 6, 4, 14, 24, 35, 48, 19, 39, 24, 11, 24, 8, 9, 15, 81, 31, 13, 8, 11, 6, 10, 23, 44, 35, 17, 42,
    11, 14, 19, 13,
]
BATCH = 32
CELLS = {
    "minilm": ["1x16", "1x128", "1x512", "32x128", "ragged-arrival", "ragged-sorted", "ragged-single"],
    "base": ["1x16", "1x128", "1x512", "32x128", "ragged-arrival", "ragged-sorted", "ragged-single"],
    "large": ["1x128", "8x128"],
    "rerank": ["32x128"],
    "fill-mask": ["1x128"],
}
# Models whose head's scores are what is computed: a logit of each pair, or each mask's words.
HEADS = {"rerank": "minilm", "fill-mask": "base"}
TITLES = {
    "1x16": "1 × 16", "1x128": "1 × 128", "1x512": "1 × 512", "8x128": "8 × 128", "32x128": "32 × 128",
    "ragged-arrival": "ragged, arrival order", "ragged-sorted": "ragged, sorted", "ragged-single": "ragged, one by one",
    "ragged-any": "ragged, best way",
}


class Stream:
    """Cuts sequences of any length from running text: `[CLS]`, the next tokens of the text, `[SEP]`."""

    def __init__(self, tokens, begin, end):
        self.tokens, self.begin, self.end, self.place = tokens, begin, end, 0

    def take(self, length):
        body = []
        while len(body) < length - 2:
            body.append(self.tokens[self.place % len(self.tokens)])
            self.place += 1
        return [self.begin] + body + [self.end]


def asked(model, sequence, special):
    """A sequence as a model with a head is asked: two texts, or one with a mask; any other as it is."""
    middle = len(sequence) // 2
    token = {"rerank": sequence[-1], "fill-mask": special}.get(model)
    return sequence if token is None else sequence[:middle] + [token] + sequence[middle + 1:]


def rows_of(model, sequence, special):
    """The tokens of a sequence that a model is asked about."""
    if model == "rerank":
        return [0]
    return [place for place, token in enumerate(sequence) if model != "fill-mask" or token == special]


def batches_of(name, stream):
    """(the batches a peer is given, those this package is given) of a cell.

    This package takes the ragged set in arrival order as one batch in every case: it needs no sorting.
    """
    if not name.startswith("ragged"):
        batch, length = map(int, name.split("x"))
        batches = [[stream.take(length) for _ in range(batch)]]
        return batches, batches
    sequences = [stream.take(length) for length in RAGGED]
    ordered = sorted(sequences, key=len) if name == "ragged-sorted" else sequences
    size = 1 if name == "ragged-single" else BATCH
    return [ordered[k: k + size] for k in range(0, len(ordered), size)], [sequences]


def multiply_adds(config, batches):
    """Multiply-adds of real tokens: the encoder's linears, and attention's two products; a head's are left out."""
    hidden, inner, layers = (config[key] for key in ("hidden_size", "intermediate_size", "num_hidden_layers"))
    lengths = [len(sequence) for batch in batches for sequence in batch]
    linears = sum(lengths) * hidden * (4 * hidden + 2 * inner)
    return layers * (linears + sum(2 * length * length * hidden for length in lengths))
