#!/usr/bin/env python3
"""Lists a .bertq file and checks every byte of it. Needs Python 3.8 and NumPy.

Written from formats/bertq.md and formats/bertq.proto alone, sharing nothing with the package: proof that they are
enough to read a file.

    bertq-list.py MODEL.bertq                      what is in it, and whether it is whole
    bertq-list.py MODEL.bertq --json               the same as JSON; with --values, all elements too
    bertq-list.py MODEL.bertq --array NAME out.npy one tensor in C order, panels undone

Exit code 0 when all is well, 65 when the file is damaged, 66 when there is none, 69 when it is too new.
"""
import argparse
import json
import os
import sys

import numpy

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from bertq_reader import EXIT_MALFORMED, EXIT_NOT_FOUND, Malformed, Unsupported, open_file  # noqa: E402


def check(file):
    """All that is wrong beyond what reading the header found, as a list of sentences."""
    problems = []
    for tensor in file.header["tensors"]:
        offset = file.damaged_chunk(tensor)
        tensor["ok"] = offset is None
        if offset is not None:
            problems.append("%s: the chunk at byte %d does not match its checksum" % (tensor["name"], offset))
    stored = file.header["float_fingerprint"], file.header["int8_fingerprint"]
    for name, found, expected in zip(("float", "int8"), stored, file.fingerprints()):
        if found != expected:
            problems.append("the %s fingerprint is %s, the contents give %s" % (name, found, expected))
    return problems


def print_listing(file):
    header = file.header
    print("format version   %d" % file.version)
    for name in ("numeric_version", "producer", "pooling", "pooling_is_published", "normalizes", "task", "labels",
                 "problem_type", "float_fingerprint", "int8_fingerprint"):
        print("%-16s %s" % (name, header[name]))
    for name in ("configuration", "tokenizer", "provenance"):
        print(name + ("" if header[name] else "    none"))
        for key, value in (header[name] or {}).items():
            print("  %-20s %s" % (key, value))
    print("quantizer")
    for setting in header["quantizer"]:
        print("  %-20s %s" % (setting["key"], setting["value"]))
    print("tensors          %d" % len(header["tensors"]))
    for t in header["tensors"]:
        print("  %-44s %-4s %-12s %-18s at %-12d %12d bytes  %s" % (
            t["name"], t["element_type"], t["layout"], "x".join(map(str, t["shape"])), t["offset"], t["byte_length"],
            "ok" if t["ok"] else "DAMAGED"))


def run(arguments):
    file = open_file(arguments.file)
    if arguments.array:
        name, output = arguments.array
        found = [t for t in file.header["tensors"] if t["name"] == name]
        if not found:
            raise Malformed("has no tensor %s" % name)
        if file.damaged_chunk(found[0]) is not None:
            raise Malformed("%s is damaged" % name)
        numpy.save(output, file.array(found[0]))
        return 0
    problems = check(file)
    if arguments.json:
        for tensor in file.header["tensors"]:
            if arguments.values:
                tensor["values"] = file.array(tensor).ravel().tolist()
            tensor["checksums"] = tensor["checksums"].tolist()
        indent = None if arguments.values else 1
        print(json.dumps(dict(file.header, format_version=file.version), indent=indent, ensure_ascii=False))
    else:
        print_listing(file)
    for problem in problems:
        print("%s: %s" % (arguments.file, problem), file=sys.stderr)
    return EXIT_MALFORMED if problems else 0


def main():
    parser = argparse.ArgumentParser(description="Lists a .bertq file and checks every byte of it.")
    parser.add_argument("file")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--values", action="store_true", help="with --json: the elements of every tensor, in C order")
    parser.add_argument("--array", nargs=2, metavar=("NAME", "OUT.npy"), help="save one tensor, panels undone")
    arguments = parser.parse_args()
    try:
        return run(arguments)
    except OSError as error:
        print("%s: %s" % (arguments.file, error.strerror), file=sys.stderr)
        return EXIT_NOT_FOUND
    except (Malformed, Unsupported) as error:
        print("%s: %s" % (arguments.file, error), file=sys.stderr)
        return error.code


if __name__ == "__main__":
    sys.exit(main())
