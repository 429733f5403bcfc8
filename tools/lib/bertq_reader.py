"""Reads .bertq files. Needs Python 3.8 and NumPy.

Written from formats/bertq.md and formats/bertq.proto alone, sharing nothing with the package.
"""
import hashlib
import mmap
import struct
import zlib

import numpy

MAGIC = b"\x89BTQ\r\n\x1a\n"
CHUNK = 65536
EXIT_MALFORMED, EXIT_NOT_FOUND, EXIT_UNSUPPORTED = 65, 66, 69


class Malformed(Exception):
    code = EXIT_MALFORMED


class Unsupported(Exception):
    code = EXIT_UNSUPPORTED


# MARK: protobuf

# field number: (name, kind, "one" | "maybe" | "many"); kinds are those of bertq.proto.
ENUMS = {
    "activation": {1: "gelu", 2: "gelu_new", 3: "relu", 4: "silu", 5: "tanh", 6: "sigmoid", 7: "identity"},
    "pooling": {1: "mean", 2: "cls", 3: "pooler", 4: "max", 5: "mean_sqrt_len", 6: "weightedmean", 7: "lasttoken"},
    "module": {1: "dense", 2: "normalize"},
    "task": {1: "embedding", 2: "tokens", 3: "pooled", 4: "fill-mask", 5: "next-sentence", 6: "classify", 7: "tag",
             8: "answer", 9: "rerank", 10: "choose", 11: "sparse", 12: "multi-vector"},
    "element_type": {1: "F32", 2: "I8", 3: "I32", 4: "U8", 5: "F16"},
    "layout": {1: "row-major", 2: "panels-32x1", 3: "panels-32x4"},
    "tokenizer": {1: "wordpiece", 2: "byte-pairs", 3: "unigram"},
    "part": {1: "token", 2: "first", 3: "second"},
    "normalization": {1: "precompiled", 2: "nfc", 3: "nfd", 4: "nfkc", 5: "nfkd", 6: "lowercase", 7: "strip-accents",
                      8: "strip-left", 9: "strip-right", 10: "collapse-spaces", 11: "replace",
                      12: "collapse-white-space"},
    "splitting": {1: "whitespace", 2: "metaspace", 3: "byte-level"},
    "sparse_weight": {1: "log1p-relu", 2: "relu-of-token", 3: "log1p-log1p-relu"},
}
# What a file may need that not every reader has.
FEATURES = {
    "tokenizer.byte-pairs", "tokenizer.unigram", "tokenizer.template", "tokenizer.added-tokens", "tokenizer.cuts-left",
    "tokenizer.keeps-controls", "embedding.poolings", "embedding.modules", "embedding.dimensions", "embedding.default-prompt",
    "embedding.unpooled-prompt", "attention.distance-bias", "attention.rotary", "embeddings.f16", "embeddings.int8",
    "embeddings.no-positions", "embeddings.projection", "feed-forward.gated", "head.dense", "layers.shared",
    "head.transform-activation",
    "head.sparse", "head.multi-vector", "head.int8", "attention.window", "norm.first",
    "attention.relative",
}


def fields(*rows):
    """A message's fields from rows of name, kind, "one" | "maybe" | "many" and, for an enum, whose."""
    return {number: row for number, row in enumerate(rows, 1)}


# Fields that no feature in FEATURES comes with.
RESERVED = ("lacks_token_types", "has_slopes", "rotates_neighbours")
CONFIGURATION = fields(
    ("vocabulary_size", "uint32", "one"), ("hidden_size", "uint32", "one"), ("layer_count", "uint32", "one"),
    ("head_count", "uint32", "one"), ("intermediate_size", "uint32", "one"), ("maximum_positions", "uint32", "one"),
    ("token_type_count", "uint32", "one"), ("layer_norm_epsilon", "float", "one"), ("activation", "enum activation", "one"),
    ("embedding_size", "uint32", "maybe"), ("stored_layers", "uint32", "maybe"), ("gates_feed_forward", "bool", "maybe"),
    ("normalizes_first", "bool", "maybe"), ("lacks_positions", "bool", "maybe"), ("lacks_token_types", "bool", "maybe"),
    ("bias_span", "uint32", "maybe"), ("has_slopes", "bool", "maybe"), ("rotary_size", "uint32", "maybe"),
    ("rotates_neighbours", "bool", "maybe"), ("attention_window", "uint32", "maybe"),
    ("whole_attention_every", "uint32", "maybe"), ("relative_starts", "packed uint32", "many"),
    ("has_relative_keys", "bool", "maybe"), ("has_relative_queries", "bool", "maybe"))
TEMPLATE_PIECE = fields(("part", "enum part", "one"), ("token_type", "uint32", "one"), ("token", "string", "maybe"))
ADDED_TOKEN = fields(
    ("text", "string", "one"), ("id", "uint32", "one"), ("takes_space_before", "bool", "one"),
    ("takes_space_behind", "bool", "one"), ("is_single_word", "bool", "one"), ("is_normalized", "bool", "one"),
    ("is_special", "bool", "one"))
WORD_PIECE = fields(
    ("lowercase", "bool", "one"), ("strip_accents", "bool", "maybe"), ("space_chinese", "bool", "one"),
    ("maximum_word_length", "uint32", "one"), ("continuation_prefix", "string", "one"),
    ("keeps_controls", "bool", "maybe"))
NORMALIZATION = fields(
    ("kind", "enum normalization", "one"), ("pattern", "string", "maybe"), ("content", "string", "maybe"))
SPLITTING = fields(
    ("kind", "enum splitting", "one"), ("prefixes_first", "bool", "maybe"), ("prefixes_always", "bool", "maybe"),
    ("splits", "bool", "maybe"))
TOKENIZER = fields(
    ("kind", "enum tokenizer", "one"), ("unknown_token", "string", "one"), ("class_token", "string", "one"),
    ("separator_token", "string", "one"), ("pad_token", "string", "one"), ("mask_token", "string", "one"),
    ("single", TEMPLATE_PIECE, "many"), ("pair", TEMPLATE_PIECE, "many"), ("added_tokens", ADDED_TOKEN, "many"),
    ("maximum_tokens", "uint32", "maybe"), ("cuts_left", "bool", "maybe"), ("word_piece", WORD_PIECE, "maybe"),
    ("normalization", NORMALIZATION, "many"), ("splitting", SPLITTING, "many"), ("falls_back_to_bytes", "bool", "maybe"))
MODULE = fields(("kind", "enum module", "one"), ("outputs", "uint32", "maybe"), ("activation", "enum activation", "maybe"))
EMBEDDING = fields(
    ("poolings", "packed enum pooling", "many"), ("pools_prompt", "bool", "one"), ("modules", MODULE, "many"),
    ("dimensions", "uint32", "maybe"))
MULTI_VECTOR = fields(
    ("dimensions", "uint32", "one"), ("query_marker", "string", "one"), ("document_marker", "string", "one"),
    ("query_length", "uint32", "maybe"), ("document_length", "uint32", "maybe"), ("fills_queries", "bool", "one"),
    ("skipped_tokens", "string", "many"), ("hides_filling", "bool", "maybe"))
HEAD = fields(
    ("labels", "string", "many"), ("problem_type", "string", "one"), ("score_activation", "enum activation", "maybe"),
    ("input", "enum pooling", "maybe"), ("dense_activation", "enum activation", "maybe"),
    ("transform_activation", "enum activation", "maybe"), ("sparse_weight", "enum sparse_weight", "maybe"),
    ("sums_sparse_weights", "bool", "maybe"), ("multi_vector", MULTI_VECTOR, "maybe"))
PROMPT = fields(("name", "string", "one"), ("text", "string", "one"))
PROVENANCE = fields(
    ("source", "string", "one"), ("published_name", "string", "one"), ("architectures", "string", "many"),
    ("element_type", "string", "one"))
SETTING = fields(("key", "string", "one"), ("value", "string", "one"))
DRIFT = fields(
    ("texts_source", "string", "one"), ("texts", "fixed32", "one"), ("tokens", "fixed32", "one"),
    ("sqnr_db", "double", "one"), ("mean_cosine", "double", "one"), ("worst_cosine", "double", "one"))
TENSOR = fields(
    ("name", "string", "one"), ("element_type", "enum element_type", "one"), ("layout", "enum layout", "one"),
    ("shape", "packed uint64", "many"), ("offset", "fixed64", "one"), ("byte_length", "uint64", "one"),
    ("checksums", "packed fixed32", "many"))
FINGERPRINTS = ("float_vectors", "int8_vectors", "float_answers", "int8_answers")
HEADER = fields(
    ("producer", "string", "one"), ("numeric_version", "uint32", "one"), ("required_features", "string", "many"),
    ("configuration", CONFIGURATION, "one"), ("tokenizer", TOKENIZER, "maybe"), ("embedding", EMBEDDING, "one"),
    ("embedding_is_published", "bool", "one"), ("task", "enum task", "one"), ("head", HEAD, "maybe"),
    ("prompts", PROMPT, "many"), ("default_prompt", "string", "maybe"), ("provenance", PROVENANCE, "one"),
    ("quantizer", SETTING, "many"), ("drift", DRIFT, "maybe"),
    *[(name, "string", "maybe") for name in FINGERPRINTS], ("tensors", TENSOR, "many"))
WIRE = {"uint32": 0, "uint64": 0, "bool": 0, "enum": 0, "fixed64": 1, "double": 1, "float": 5, "fixed32": 5}


def varint(data, at):
    value = 0
    for i in range(10):
        if at + i >= len(data):
            raise Malformed("the header ends inside a number")
        byte = data[at + i]
        value |= (byte & 127) << (7 * i)
        if byte < 128:
            if (i > 0 and byte == 0) or value >= 1 << 64:
                raise Malformed("a number in the header is not in its shortest form")
            return value, at + i + 1
    raise Malformed("a number in the header has more than 10 bytes")


def take(data, at, count):
    if count > len(data) - at:
        raise Malformed("a field of the header has %d bytes, %d are left" % (count, len(data) - at))
    return data[at:at + count], at + count


def scalar(name, kind, data, at):
    """One value of a kind that is not length-prefixed."""
    fixed = {"float": "<f", "fixed32": "<I", "fixed64": "<Q", "double": "<d"}.get(kind)
    if fixed:
        piece, at = take(data, at, struct.calcsize(fixed))
        return struct.unpack(fixed, piece)[0], at
    value, at = varint(data, at)
    if kind == "bool":
        if value > 1:
            raise Malformed("%s is %d, no truth value" % (name, value))
        return bool(value), at
    if kind == "uint32" and value >= 1 << 32:
        raise Malformed("%s is %d, beyond 32 bits" % (name, value))
    if kind.startswith("enum "):
        return named(name, kind, value), at
    return value, at


def named(name, kind, value):
    """An enum's value by its number."""
    known = ENUMS[kind.split()[-1]]
    if value not in known:
        raise Unsupported("%s is number %d, which is not known" % (name, value))
    return known[value]


def prefixed(name, kind, piece):
    """The value of a length-prefixed field."""
    if isinstance(kind, dict):
        return message(kind, piece)
    if kind == "packed fixed32":
        if len(piece) % 4:
            raise Malformed("%s has %d bytes, not a multiple of 4" % (name, len(piece)))
        return numpy.frombuffer(piece, "<u4")
    if kind.startswith("packed "):
        values, at = [], 0
        while at < len(piece):
            value, at = varint(piece, at)
            values.append(value if kind in ("packed uint32", "packed uint64") else named(name, kind, value))
        return values
    try:
        text = piece.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("%s is not valid UTF-8" % name)
    if "\0" in text or len(piece) > 65536:
        raise Malformed("%s holds a zero byte or is too long" % name)
    return text


def skip(data, at, wire):
    if wire == 0:
        return varint(data, at)[1]
    if wire == 2:
        count, at = varint(data, at)
        return take(data, at, count)[1]
    if wire in (1, 5):
        return take(data, at, 8 if wire == 1 else 4)[1]
    raise Malformed("the header has a field of wire type %d" % wire)


def message(fields, data):
    """The fields by name; a message's own bytes are under "bytes of NAME"."""
    result = {name: [] if many == "many" else None for name, _, many in fields.values()}
    at, last = 0, 0
    while at < len(data):
        tag, at = varint(data, at)
        number, wire = tag >> 3, tag & 7
        if number not in fields:
            last = 1 << 32  # after it, only others of its kind
            at = skip(data, at, wire)
            continue
        name, kind, times = fields[number]
        is_list = times == "many" and not str(kind).startswith("packed")
        if number < last or (number == last and not is_list):
            raise Malformed("field %s of the header is repeated or out of order" % name)
        last = number
        expected = 2 if isinstance(kind, dict) else WIRE.get(kind.split()[0], 2)
        if wire != expected:
            raise Malformed("field %s of the header has wire type %d, expected %d" % (name, wire, expected))
        if wire == 2:
            count, at = varint(data, at)
            piece, at = take(data, at, count)
            value = prefixed(name, kind, piece)
            if fields is HEADER and isinstance(kind, dict) and not is_list:
                result["bytes of " + name] = bytes(piece)
        else:
            value, at = scalar(name, kind, data, at)
        if is_list:
            result[name].append(value)
        else:
            result[name] = value
    for name, _, times in fields.values():
        if times == "one" and result[name] is None:
            raise Malformed("the header lacks %s" % name)
    return result


# MARK: the file

class File:
    def __init__(self, data):
        self.data = data
        self.read_prologue()
        self.header = message(HEADER, data[64:64 + self.header_length])
        self.check_features()
        if self.header["numeric_version"] != 4:
            raise Unsupported("has numeric version %d" % self.header["numeric_version"])
        self.check_tensors()

    def read_prologue(self):
        data = self.data
        if data[:8] != MAGIC:
            raise Malformed("is not a .bertq file")
        if len(data) < 64:
            raise Malformed("ends inside the prologue")
        self.version, header_crc, self.header_length, length = struct.unpack_from("<IIQQ", data, 8)
        if zlib.crc32(data[:60]) != struct.unpack_from("<I", data, 60)[0]:
            raise Malformed("the prologue's checksum does not match")
        if self.version != 2 and self.version != 0:
            raise Unsupported("has format version %d" % self.version)
        if self.version == 0 or any(data[32:60]):
            raise Malformed("the prologue has version 0 or bytes that should be 0")
        if length != len(data):
            raise Malformed("has %d bytes, its prologue says %d" % (len(data), length))
        if not 1 <= self.header_length <= 16 << 20 or 64 + self.header_length > length:
            raise Malformed("has a header of %d bytes" % self.header_length)
        if zlib.crc32(data[64:64 + self.header_length]) != header_crc:
            raise Malformed("the header's checksum does not match")

    def check_features(self):
        """All that is named is known, and all that is used is named."""
        header, named = self.header, self.header["required_features"]
        unknown = [name for name in named if name not in FEATURES]
        if unknown:
            raise Unsupported("needs the features %s" % ", ".join(unknown))
        if named != sorted(set(named)):
            raise Malformed("names its features out of order, or one twice")
        if any(header["configuration"][name] is not None for name in RESERVED):
            raise Malformed("has a configuration of a feature that it does not name")
        if (header["configuration"]["attention_window"] is None) != (header["configuration"]["whole_attention_every"] is None):
            raise Malformed("has one of attention_window and whole_attention_every without the other")
        self.check_relative()
        missing = self.used_features() - set(named)
        if missing:
            raise Malformed("uses the features %s without naming them" % ", ".join(sorted(missing)))

    def check_relative(self):
        """Classes of distances that begin at 0 and ascend, and a table at least; or neither."""
        c = self.header["configuration"]
        starts, tables = [int(start) for start in c["relative_starts"]], [c["has_relative_keys"], c["has_relative_queries"]]
        if not starts and not any(tables):
            return
        if starts[:1] != [0] or any(a >= b for a, b in zip(starts, starts[1:])) or not any(tables):
            raise Malformed("has relative distances %s" % starts[:8])
        if starts[-1] > 65536 or c["bias_span"] is not None:
            raise Unsupported("has relative distances up to %d, or biases too" % starts[-1])

    def used_features(self):
        header, configuration = self.header, self.header["configuration"]
        tokenizer, embedding, head = header["tokenizer"] or {}, header["embedding"], header["head"] or {}
        types = {t["name"]: t["element_type"] for t in header["tensors"]}
        kinds = [module["kind"] for module in embedding["modules"]]
        uses = {
            "tokenizer.byte-pairs": tokenizer.get("kind") == "byte-pairs",
            "tokenizer.unigram": tokenizer.get("kind") == "unigram",
            "tokenizer.template": tokenizer.get("single") or tokenizer.get("pair"),
            "tokenizer.added-tokens": tokenizer.get("added_tokens"),
            "tokenizer.cuts-left": tokenizer.get("cuts_left"),
            "tokenizer.keeps-controls": (tokenizer.get("word_piece") or {}).get("keeps_controls"),
            "embedding.poolings": embedding["poolings"] not in (["mean"], ["cls"], ["pooler"]),
            "embedding.modules": kinds not in ([], ["normalize"]),
            "embedding.dimensions": embedding["dimensions"] is not None,
            "attention.distance-bias": configuration["bias_span"] is not None,
            "attention.rotary": configuration["rotary_size"] is not None,
            "attention.window": configuration["attention_window"] is not None,
            "attention.relative": len(configuration["relative_starts"]) > 0,
            "norm.first": configuration["normalizes_first"],
            "embeddings.no-positions": configuration["lacks_positions"],
            "embeddings.projection": configuration["embedding_size"] is not None,
            "feed-forward.gated": configuration["gates_feed_forward"],
            "layers.shared": configuration["stored_layers"] is not None,
            "embedding.default-prompt": header["default_prompt"] is not None,
            "embedding.unpooled-prompt": not embedding["pools_prompt"],
            "embeddings.f16": types.get("embeddings.int8.word") == "F16",
            "embeddings.int8": types.get("embeddings.int8.word") == "I8",
            "head.dense": head.get("dense_activation") is not None or (head.get("input") or "pooler") != "pooler",
            "head.transform-activation": head.get("transform_activation") is not None,
            "head.sparse": head.get("sparse_weight") is not None,
            "head.multi-vector": head.get("multi_vector") is not None,
            "head.int8": any(name.startswith("head.") and name.endswith(".int8.weight") for name in types),
        }
        return {name for name, used in uses.items() if used}

    def check_tensors(self):
        """Kinds, places and padding; not yet the tensors' bytes."""
        end, names = 64 + self.header_length, set()
        for tensor in self.header["tensors"]:
            name, shape = tensor["name"], tensor["shape"]
            allowed = all(c.isascii() and (c.isalnum() or c in "._-") for c in name)
            if not allowed or not 1 <= len(name) <= 255 or name in names:
                raise Malformed("tensor name %r is not allowed or there twice" % name[:60])
            names.add(name)
            if not 1 <= len(shape) <= 4 or not all(1 <= n <= 1 << 40 for n in shape):
                raise Malformed("%s has shape %s" % (name, shape[:8]))
            if tensor["byte_length"] != byte_length(tensor):
                raise Malformed("%s has %d bytes, expected %s" % (name, tensor["byte_length"], byte_length(tensor)))
            start = (end + 63) // 64 * 64
            if tensor["offset"] != start:
                raise Malformed("%s starts at %d, expected %d" % (name, tensor["offset"], start))
            self.check_padding(end, start)
            end = start + tensor["byte_length"]
            if end > len(self.data):
                raise Malformed("%s ends at %d, the file at %d" % (name, end, len(self.data)))
            if len(tensor["checksums"]) != (tensor["byte_length"] + CHUNK - 1) // CHUNK:
                raise Malformed("%s has %d checksums" % (name, len(tensor["checksums"])))
        if not self.header["tensors"]:
            self.check_padding(end, (end + 63) // 64 * 64)
            end = (end + 63) // 64 * 64
        if end != len(self.data):
            raise Malformed("the last tensor ends at %d, the file at %d" % (end, len(self.data)))

    def check_padding(self, start, end):
        if any(self.data[start:end]):
            raise Malformed("bytes %d to %d should be 0" % (start, end))

    def damaged_chunk(self, tensor):
        """The offset in the file of the first chunk that does not match, or None."""
        for i, expected in enumerate(tensor["checksums"]):
            start = tensor["offset"] + i * CHUNK
            end = min(start + CHUNK, tensor["offset"] + tensor["byte_length"])
            if zlib.crc32(self.data[start:end]) != expected:
                return start
        return None

    def array(self, tensor):
        kind = {"F32": "<f4", "I8": "i1", "I32": "<i4", "U8": "u1", "F16": "<f2"}[tensor["element_type"]]
        count = tensor["byte_length"] // numpy.dtype(kind).itemsize
        flat = numpy.frombuffer(self.data, kind, count, tensor["offset"])
        shape = tensor["shape"]
        if tensor["layout"] == "row-major":
            return flat.reshape(shape)
        outputs, inputs = shape
        panels = (outputs + 31) // 32
        if tensor["layout"] == "panels-32x1":
            full = flat.reshape(panels, inputs, 32).transpose(0, 2, 1).reshape(panels * 32, inputs)
        else:
            groups = (inputs + 3) // 4
            full = flat.reshape(panels, groups, 32, 4).transpose(0, 2, 1, 3).reshape(panels * 32, groups * 4)
        if full[outputs:].any() or full[:, inputs:].any():
            raise Malformed("%s: what fills its panels up is not 0" % tensor["name"])
        return numpy.ascontiguousarray(full[:outputs, :inputs])

    def fingerprints(self):
        """What the header's four fingerprints should be, in the order of FINGERPRINTS."""
        c, by_name = self.header["configuration"], {t["name"]: t for t in self.header["tensors"]}
        norms, linears, both = ["embeddings.norm"], [], [".weight", ".bias"]
        for i in range(c["stored_layers"] or c["layer_count"]):
            # Where norms come first, the first layer's attention has none.
            norms += ["layer.%d.attention.norm" % i] * (i > 0 or not c["normalizes_first"]) + ["layer.%d.feed_forward.norm" % i]
            linears += ["layer.%d.%s" % (i, site) for site in
                        ("attention.qkv", "attention.output", "feed_forward.up", "feed_forward.down")]
        norms += ["norm"] * bool(c["normalizes_first"])
        shared = ["embeddings.token_type"] + ["embeddings.position"] * (not c["lacks_positions"])
        shared += ["attention.bias"] * (c["bias_span"] is not None)
        shared += ["attention.rotary.cos", "attention.rotary.sin"] * (c["rotary_size"] is not None)
        windows = c["rotary_size"] is not None and c["attention_window"] is not None
        shared += ["attention.rotary.window.cos", "attention.rotary.window.sin"] * windows
        shared += ["layer.%d.attention.relative.%s" % (i, kind) for i in range(c["stored_layers"] or c["layer_count"])
                   for kind, is_there in (("key", c["has_relative_keys"]), ("query", c["has_relative_queries"])) if is_there]
        shared += ["embeddings.projection" + end for end in both] * (c["embedding_size"] is not None)
        shared += [norm + end for norm in norms for end in both]
        if not all(name in by_name for name in shared):
            return None, None, None, None
        shared += [name for name in by_name if name.startswith("tokenizer.") or name in ("pooler.weight", "pooler.bias")]
        words = ["embeddings.word"]
        encoder = {
            "float": words + [linear + end for linear in linears for end in both],
            "int8": words * ("embeddings.int8.word" not in by_name)
            + [linear + end for linear in linears if linear + ".int8.weight" not in by_name for end in both],
        }
        holds = {path: all(name in by_name for name in names) for path, names in encoder.items()}
        quantized = [name for name in by_name if ".int8." in name and not name.startswith("head.")]
        encoder["int8"] += quantized
        holds["int8"] &= bool(quantized)
        modules = ["module.%d%s" % (i, end) for i, module in enumerate(self.header["embedding"]["modules"])
                   if module["kind"] == "dense" for end in both]
        head = [name for name in by_name if name.startswith("head.")]
        heads = {
            "float": [name for name in head if ".int8." not in name],
            "int8": [name for name in head
                     if ".int8." in name or name.rpartition(".")[0] + ".int8.weight" not in by_name],
        }
        behind = {"vectors": {path: [name for name in modules if name in by_name] for path in holds}, "head": heads}
        return tuple(
            self.fingerprint(path, answers, shared + encoder[path] + behind[answers][path])
            if holds[path] and (answers == "vectors" or head) else None
            for answers in ("vectors", "head") for path in ("float", "int8"))

    def fingerprint(self, path, answers, names):
        header = self.header
        hashed = hashlib.sha256(b"bertq fingerprint 2\nanswers %s\nprecision %s\nnumeric_version %d\n" % (
            answers.encode(), path.encode(), header["numeric_version"]))
        prompt = [prompt["text"] for prompt in header["prompts"] if prompt["name"] == header["default_prompt"]]
        parts = [(name, header.get("bytes of " + name)) for name in (
            "configuration", "tokenizer", "embedding" if answers == "vectors" else "head")]
        for name, part in parts + [("prompt", text.encode()) for text in prompt]:
            if part is not None:
                hashed.update(b"%s %d\n" % (name.encode(), len(part)) + part)
        by_name = {t["name"]: t for t in header["tensors"]}
        for name in sorted(names):
            t = by_name[name]
            sizes = " ".join(str(n) for n in t["shape"])
            hashed.update(("tensor %s %s %s %s\n" % (name, t["element_type"], t["layout"], sizes)).encode())
            hashed.update(t["checksums"].astype("<u4").tobytes())
        return hashed.hexdigest()[:16]


def byte_length(tensor):
    size = {"F32": 4, "I32": 4, "I8": 1, "U8": 1, "F16": 2}[tensor["element_type"]]
    shape = tensor["shape"]
    if tensor["layout"] == "row-major":
        for n in shape:
            size *= n
        return size
    needs = {"panels-32x1": "F32", "panels-32x4": "I8"}[tensor["layout"]]
    if len(shape) != 2 or tensor["element_type"] != needs:
        return None
    outputs = (shape[0] + 31) // 32 * 32
    inputs = shape[1] if needs == "F32" else (shape[1] + 3) // 4 * 4
    return outputs * inputs * size


def open_file(path):
    """The file, mapped; its header is checked, its tensors are not yet."""
    with open(path, "rb") as stream:
        try:
            data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:
            raise Malformed("is empty")
    return File(data)
