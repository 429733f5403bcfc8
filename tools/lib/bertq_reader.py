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
    "activation": {1: "gelu", 2: "gelu_new", 3: "relu"},
    "pooling": {1: "mean", 2: "cls", 3: "pooler"},
    "task": {1: "embedding", 2: "tokens", 3: "pooled", 4: "fill-mask", 5: "next-sentence", 6: "classify", 7: "tag",
             8: "answer"},
    "element_type": {1: "F32", 2: "I8", 3: "I32", 4: "U8"},
    "layout": {1: "row-major", 2: "panels-32x1", 3: "panels-32x4"},
}
CONFIGURATION = {
    1: ("vocabulary_size", "uint32", "one"), 2: ("hidden_size", "uint32", "one"), 3: ("layer_count", "uint32", "one"),
    4: ("head_count", "uint32", "one"), 5: ("intermediate_size", "uint32", "one"),
    6: ("maximum_positions", "uint32", "one"), 7: ("token_type_count", "uint32", "one"),
    8: ("layer_norm_epsilon", "float", "one"), 9: ("activation", "enum", "one"),
}
TOKENIZER = {
    1: ("lowercase", "bool", "one"), 2: ("strip_accents", "bool", "maybe"), 3: ("space_chinese", "bool", "one"),
    4: ("maximum_word_length", "uint32", "one"), 5: ("continuation_prefix", "string", "one"),
    6: ("unknown_token", "string", "one"), 7: ("class_token", "string", "one"),
    8: ("separator_token", "string", "one"), 9: ("pad_token", "string", "one"), 10: ("mask_token", "string", "one"),
    11: ("maximum_tokens", "uint32", "maybe"),
}
PROVENANCE = {
    1: ("source", "string", "one"), 2: ("published_name", "string", "one"), 3: ("architectures", "string", "many"),
    4: ("element_type", "string", "one"),
}
SETTING = {1: ("key", "string", "one"), 2: ("value", "string", "one")}
TENSOR = {
    1: ("name", "string", "one"), 2: ("element_type", "enum", "one"), 3: ("layout", "enum", "one"),
    4: ("shape", "packed uint64", "many"), 5: ("offset", "fixed64", "one"), 6: ("byte_length", "uint64", "one"),
    7: ("checksums", "packed fixed32", "many"),
}
HEADER = {
    1: ("producer", "string", "one"), 2: ("numeric_version", "uint32", "one"),
    3: ("required_features", "string", "many"), 4: ("configuration", CONFIGURATION, "one"),
    5: ("tokenizer", TOKENIZER, "maybe"), 6: ("pooling", "enum", "one"), 7: ("pooling_is_published", "bool", "one"),
    8: ("normalizes", "bool", "one"), 9: ("task", "enum", "one"), 10: ("labels", "string", "many"),
    11: ("problem_type", "string", "one"), 12: ("provenance", PROVENANCE, "one"),
    13: ("quantizer", SETTING, "many"), 14: ("float_fingerprint", "string", "maybe"),
    15: ("int8_fingerprint", "string", "maybe"), 16: ("tensors", TENSOR, "many"),
}
WIRE = {"uint32": 0, "uint64": 0, "bool": 0, "enum": 0, "fixed64": 1, "float": 5}


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
    if kind == "float":
        piece, at = take(data, at, 4)
        return struct.unpack("<f", piece)[0], at
    if kind == "fixed64":
        piece, at = take(data, at, 8)
        return struct.unpack("<Q", piece)[0], at
    value, at = varint(data, at)
    if kind == "bool":
        if value > 1:
            raise Malformed("%s is %d, no truth value" % (name, value))
        return bool(value), at
    if kind == "uint32" and value >= 1 << 32:
        raise Malformed("%s is %d, beyond 32 bits" % (name, value))
    if kind == "enum":
        if value not in ENUMS[name]:
            raise Unsupported("%s is number %d, which is not known" % (name, value))
        return ENUMS[name][value], at
    return value, at


def prefixed(name, kind, piece):
    """The value of a length-prefixed field."""
    if isinstance(kind, dict):
        return message(kind, piece)
    if kind == "packed fixed32":
        if len(piece) % 4:
            raise Malformed("%s has %d bytes, not a multiple of 4" % (name, len(piece)))
        return numpy.frombuffer(piece, "<u4")
    if kind == "packed uint64":
        values, at = [], 0
        while at < len(piece):
            value, at = varint(piece, at)
            values.append(value)
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
        expected = 2 if isinstance(kind, dict) else WIRE.get(kind, 2)
        if wire != expected:
            raise Malformed("field %s of the header has wire type %d, expected %d" % (name, wire, expected))
        if wire == 2:
            count, at = varint(data, at)
            piece, at = take(data, at, count)
            value = prefixed(name, kind, piece)
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
        if self.header["required_features"]:
            raise Unsupported("needs the features %s" % ", ".join(self.header["required_features"]))
        if self.header["numeric_version"] not in (1, 2, 3, 4):
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
        if self.version > 1:
            raise Unsupported("has format version %d" % self.version)
        if self.version != 1 or any(data[32:60]):
            raise Malformed("the prologue has version 0 or bytes that should be 0")
        if length != len(data):
            raise Malformed("has %d bytes, its prologue says %d" % (len(data), length))
        if not 1 <= self.header_length <= 16 << 20 or 64 + self.header_length > length:
            raise Malformed("has a header of %d bytes" % self.header_length)
        if zlib.crc32(data[64:64 + self.header_length]) != header_crc:
            raise Malformed("the header's checksum does not match")

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
        kind = {"F32": "<f4", "I8": "i1", "I32": "<i4", "U8": "u1"}[tensor["element_type"]]
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
        """What the header's two fingerprints should be."""
        c, by_name = self.header["configuration"], {t["name"]: t for t in self.header["tensors"]}
        norms = ["embeddings.norm"]
        linears = []
        for i in range(c["layer_count"]):
            norms += ["layer.%d.attention.norm" % i, "layer.%d.feed_forward.norm" % i]
            linears += ["layer.%d.%s" % (i, site) for site in
                        ("attention.qkv", "attention.output", "feed_forward.up", "feed_forward.down")]
        both = [".weight", ".bias"]
        shared = ["embeddings.word", "embeddings.position", "embeddings.token_type"]
        shared += [norm + end for norm in norms for end in both]
        kept = [linear + end for linear in linears if linear + ".int8.weight" not in by_name for end in both]
        linears = [linear + end for linear in linears for end in both]
        pooler = [name for name in ("pooler.weight", "pooler.bias") if name in by_name]
        int8 = [name for name in by_name if ".int8." in name]
        if not all(name in by_name for name in shared):
            return None, None
        has_float = all(name in by_name for name in linears)
        return (self.fingerprint("float", shared + linears + pooler) if has_float else None,
                self.fingerprint("int8", shared + int8 + kept + pooler)
                if int8 and all(name in by_name for name in kept) else None)

    def fingerprint(self, path, names):
        header, c = self.header, self.header["configuration"]
        epsilon = struct.unpack("<I", struct.pack("<f", c["layer_norm_epsilon"]))[0]
        lines = ["bertq fingerprint 1", "path " + path, "numeric_version %d" % header["numeric_version"]]
        lines += ["%s %d" % (name, c[name]) for name in (
            "vocabulary_size", "hidden_size", "layer_count", "head_count", "intermediate_size", "maximum_positions",
            "token_type_count")]
        lines += ["layer_norm_epsilon %08x" % epsilon, "activation " + c["activation"],
                  "pooling " + header["pooling"], "normalizes " + ("true" if header["normalizes"] else "false")]
        hashed = hashlib.sha256("".join(line + "\n" for line in lines).encode())
        by_name = {t["name"]: t for t in header["tensors"]}
        for name in sorted(names):
            t = by_name[name]
            sizes = " ".join(str(n) for n in t["shape"])
            hashed.update(("tensor %s %s %s %s\n" % (name, t["element_type"], t["layout"], sizes)).encode())
            hashed.update(t["checksums"].astype("<u4").tobytes())
        return hashed.hexdigest()[:16]


def byte_length(tensor):
    size = {"F32": 4, "I32": 4, "I8": 1, "U8": 1}[tensor["element_type"]]
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
