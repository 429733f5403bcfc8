#!/usr/bin/env python3
"""Turns the JSON of tools/compare-peers into the tables of README.md and docs/performance.md.

    report.py RESULTS.json             prints the tables
    report.py RESULTS.json --write     puts them between the markers of both files
"""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from workloads import CELLS, TITLES  # noqa: E402

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
MODELS = {"minilm": "all-MiniLM-L6-v2 (6 × 384)", "base": "BERT-base (12 × 768)", "large": "BERT-large (24 × 1024)"}
NAMES = {
    "bertq-int8": "**bertq int8**", "bertq-float": "**bertq float32**",
    "onnxruntime-int8": "ONNX Runtime int8", "onnxruntime-float": "ONNX Runtime float32",
    "openvino-int8-static": "OpenVINO int8 static (NNCF)", "openvino-int8-dynamic": "OpenVINO int8 dynamic",
    "openvino-bf16": "OpenVINO bf16", "openvino-float": "OpenVINO float32",
    "ctranslate2-int8": "CTranslate2 int8", "ctranslate2-float": "CTranslate2 float32",
    "llamacpp-int8": "llama.cpp Q8_0",
}
SHORT = ["1x16", "1x128", "32x128", "ragged"]


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def plain(milliseconds):
    return f"{milliseconds:.1f}" if milliseconds < 1000 else f"{milliseconds:,.0f}"


def cell_text(cell):
    if cell is None:
        return ""
    if "error" in cell:
        return cell["error"]
    text = plain(cell["ms_median"])
    if cell.get("ceiling_fraction"):
        text += f" ({cell['ceiling_fraction'] * 100:.0f}%)"
    if cell.get("times_bertq") and not cell["runtime"].startswith("bertq"):
        text += f" ×{cell['times_bertq']:.2f}"
    return text


def runtimes_of(results):
    present = {cell["runtime"] for cell in results["cells"]}
    return [name for name in NAMES if name in present]


def full_tables(results):
    """One table for each model, precision and number of threads."""
    found = {(c["model"], c["threads"], c["runtime"], c["workload"]): c for c in results["cells"]}
    lines = []
    for model in MODELS:
        for threads in sorted({c["threads"] for c in results["cells"] if c["model"] == model}):
            cells = [w for w in CELLS[model] if any(key[0] == model and key[3] == w for key in found)]
            rows = []
            for runtime in runtimes_of(results):
                row = [found.get((model, threads, runtime, w)) for w in cells]
                if any(row):
                    rows.append([NAMES[runtime]] + [cell_text(cell) for cell in row])
            plural = "thread" if threads == 1 else "threads"
            lines += ["", f"### {MODELS[model]}, {threads} {plural}", ""]
            lines += table(["runtime"] + [TITLES[w] for w in cells], rows)
    return lines


def drift_table(results):
    rows = [[NAMES[d["runtime"]], f"{d['sqnr_db']:.1f}", f"{d['cosine_mean']:.6f}", f"{d['cosine_worst']:.5f}",
             f"{d['token_cosine_worst']:.5f}"] for d in results.get("drift", [])]
    if not rows:
        return []
    count = results["drift"][0]["texts"]
    return ["", f"### Drift on all-MiniLM-L6-v2 ({count} sentences, against float32)", ""] + table(
        ["runtime", "SQNR dB of the last hidden state", "sentence cosine mean", "worst", "token cosine worst"], rows)


def start_table(results):
    rows = [[NAMES.get(s["runtime"], s["runtime"]), f"{s['ms_median']:.0f}"] for s in results.get("start", [])]
    if not rows:
        return []
    return ["", "### Process start to the first vector of a short text, all-MiniLM-L6-v2, 1 thread, ms", ""] + table(
        ["runtime", "ms"], rows)


def performance(results):
    """The measured part of docs/performance.md."""
    lines = [f"Measured on {results['cpu']}, {results['rounds']} rounds in turn, medians in ms. In brackets the share of "
             "threads × the CPU's int8 (or float32) multiply-add ceiling; × is how many times bertq's time of the same "
             "round it took.",
             "Versions: " + ", ".join(f"{name} {version}" for name, version in sorted(results["versions"].items())) + "."]
    return "\n".join(lines + full_tables(results) + drift_table(results) + start_table(results))


def best_ragged(cells):
    ragged = [cell for workload, cell in cells.items() if workload.startswith("ragged") and "error" not in cell]
    return min(ragged, key=lambda cell: cell["ms_median"]) if ragged else None


def summary(results):
    """The table of README.md: int8, one thread, a peer's ragged set in the best of its ways."""
    drift = {d["runtime"]: f"{d['sqnr_db']:.1f}" for d in results.get("drift", [])}
    lines = []
    for model in ("minilm", "base"):
        rows = []
        for runtime in runtimes_of(results):
            cells = {c["workload"]: c for c in results["cells"]
                     if (c["model"], c["threads"], c["runtime"]) == (model, 1, runtime)}
            if "int8" not in runtime or not cells:
                continue
            cells["ragged"] = best_ragged(cells)
            texts = [plain(cells[w]["ms_median"]) if cells.get(w) and "error" not in cells[w] else "" for w in SHORT]
            rows.append([NAMES[runtime]] + texts + ([drift.get(runtime, "")] if model == "minilm" else []))
        if rows:
            last = ["drift, SQNR dB (higher is better)"] if model == "minilm" else []
            lines += table([MODELS[model], "1 × 16", "1 × 128", "32 × 128", "128 ragged texts"] + last, rows) + [""]
    lines.append(f"Milliseconds on one core of {results['cpu']}; every peer in the fastest of its ways of batching. "
                 "Everything, and how it was measured: [docs/performance.md](docs/performance.md).")
    return "\n".join(lines)


def put_between_markers(path, text):
    begin, end = "<!-- measured: begin (tools/compare-peers writes this) -->", "<!-- measured: end -->"
    with open(path, encoding="utf-8") as file:
        whole = file.read()
    if whole.count(begin) != 1 or whole.count(end) != 1:
        sys.exit(f"error: {path} does not hold the two markers once each")
    before, after = whole.split(begin)[0], whole.split(end)[1]
    with open(path, "w", encoding="utf-8") as file:
        file.write(before + begin + "\n" + text.strip() + "\n" + end + after)


def main():
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ["--write"]):
        sys.exit(__doc__.strip())
    with open(sys.argv[1], encoding="utf-8") as file:
        results = json.load(file)
    if sys.argv[2:]:
        put_between_markers(os.path.join(ROOT, "README.md"), summary(results))
        put_between_markers(os.path.join(ROOT, "docs", "performance.md"), performance(results))
    else:
        print(summary(results) + "\n\n" + performance(results))


if __name__ == "__main__":
    main()
