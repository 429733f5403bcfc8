"""Reading and writing of checkpoint containers with NumPy alone; shares nothing with the Swift package."""
import json
import os
import struct
import zipfile

import numpy

DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "U8": "u1"}


def to_bfloat16(values):
    """The bfloat16 bits (uint16) of finite float32 values, rounded half to even."""
    bits = numpy.ascontiguousarray(values, "<f4").view("<u4")
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")


def from_bfloat16(bits):
    """float32 values of bfloat16 bits."""
    return (bits.astype("<u4") << 16).view("<f4")


def encode(values, dtype):
    """float32 values as an array of the element type that `dtype` (f32, f16, bf16) names."""
    if dtype == "bf16":
        return to_bfloat16(values)
    return numpy.ascontiguousarray(values, {"f32": "<f4", "f16": "<f2"}[dtype])


class Safetensors:
    """A .safetensors file, mapped: `file[name]` is an array in the type of the file, bfloat16 as float32."""

    def __init__(self, path):
        with open(path, "rb") as file:
            length = struct.unpack("<Q", file.read(8))[0]
            self.header = json.loads(file.read(length))
        self.header.pop("__metadata__", None)
        self.bytes = numpy.memmap(path, "u1", "r", offset=8 + length)

    def __iter__(self):
        return iter(self.header)

    def __contains__(self, name):
        return name in self.header

    def __getitem__(self, name):
        entry = self.header[name]
        start, end = entry["data_offsets"]
        values = self.bytes[start:end].view(DTYPES[entry["dtype"]]).reshape(entry["shape"])
        return from_bfloat16(values).reshape(entry["shape"]) if entry["dtype"] == "BF16" else values


def write_safetensors(path, tensors, metadata=None):
    """Writes `tensors`, a list of (name, element type such as "F32", shape, function that yields arrays in order).

    Only one array is held at a time.
    """
    header, offset = {}, 0
    if metadata:
        header["__metadata__"] = metadata
    for name, dtype, shape, _ in tensors:
        size = int(numpy.prod(shape, dtype=object)) * numpy.dtype(DTYPES[dtype]).itemsize
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, dtype, _, chunks in tensors:
            for chunk in chunks():
                file.write(numpy.ascontiguousarray(chunk, DTYPES[dtype]).tobytes())
        if file.tell() != 8 + len(text) + offset:
            raise ValueError(f"{path}: the tensors' values do not fill their shapes")


def write_npz(path, tensors, compressed):
    """Writes the same list as an .npz archive, member by member."""
    method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", method, allowZip64=True) as archive:
        for name, dtype, shape, chunks in tensors:
            member = zipfile.ZipInfo(name + ".npy", (1980, 1, 1, 0, 0, 0))
            member.compress_type = method
            with archive.open(member, "w", force_zip64=True) as file:
                numpy.lib.format.write_array_header_1_0(
                    file, {"descr": DTYPES[dtype], "fortran_order": False, "shape": tuple(shape)})
                for chunk in chunks():
                    file.write(numpy.ascontiguousarray(chunk, DTYPES[dtype]).tobytes())


def plain_name(name):
    """A tensor's name as the BertModel class writes it: no `bert.` in front, `weight` and `bias` in layer norms."""
    if name.startswith("bert."):
        name = name[len("bert."):]
    for old, new in (("LayerNorm.gamma", "LayerNorm.weight"), ("LayerNorm.beta", "LayerNorm.bias")):
        if name.endswith(old):
            name = name[: -len(old)] + new
    return name


def load_checkpoint(folder, file_name="model.safetensors"):
    """(config, {plain name: array}) of a checkpoint folder; arrays are mapped and in the type of the file."""
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    path = os.path.join(folder, file_name)
    index = path + ".index.json"
    if os.path.exists(path):
        sources = [(name, Safetensors(path)) for name in Safetensors(path)]
    else:
        with open(index, encoding="utf-8") as file:
            weight_map = json.load(file)["weight_map"]
        shards = {shard: Safetensors(os.path.join(folder, shard)) for shard in set(weight_map.values())}
        sources = [(name, shards[shard]) for name, shard in weight_map.items()]
    return config, {plain_name(name): source[name] for name, source in sources}
