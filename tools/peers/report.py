#!/usr/bin/env python3
"""Turns what tools/compare-peers measured into the tables of README.md and docs/performance.md.

    report.py RESULTS.json...             prints the tables; a file is a model's kept results, or what --json wrote
    report.py --write RESULTS.json...     puts them between the markers of both files
"""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from limits import LIMIT_NAMES  # noqa: E402
from verdict import NEARLY, median  # noqa: E402
from workloads import CELLS, HEADS, TITLES  # noqa: E402

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
MODELS = {"minilm": "all-MiniLM-L6-v2 (6 × 384)", "base": "BERT-base (12 × 768)", "large": "BERT-large (24 × 1024)",
          "rerank": "Reranker (6 × 384): a logit of each of 32 pairs", "fill-mask": "Masked words (12 × 768): one mask in 128 tokens"}
NAMES = {
    "bert-run": "**`bert-run --int8`**", "bertq-int8": "**bertq int8**", "bertq-float": "**bertq float32**",
    "onnxruntime-int8": "ONNX Runtime int8", "onnxruntime-float": "ONNX Runtime float32",
    "openvino-int8-static": "OpenVINO int8 static (NNCF)", "openvino-int8-dynamic": "OpenVINO int8 dynamic",
    "openvino-bf16": "OpenVINO bf16", "openvino-float": "OpenVINO float32",
    "ctranslate2-int8": "CTranslate2 int8", "ctranslate2-float": "CTranslate2 float32", "llamacpp-int8": "llama.cpp Q8_0",
}
FAMILIES = {
    "bertq": "bertq", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "ctranslate2": "CTranslate2",
    "llamacpp": "llama.cpp of llama-cpp-python",
}
SHORT = ["1x16", "1x128", "32x128", "ragged"]


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def plain(milliseconds):
    return f"{milliseconds:.1f}" if milliseconds < 1000 else f"{milliseconds:,.0f}"


def percent(fraction):
    return "" if fraction is None else f"{fraction * 100:.0f}%"


def threads_text(threads):
    return f"{threads} thread" + ("" if threads == 1 else "s")


def title(run):
    return MODELS[run["model"]] + (f", every runtime limited to {LIMIT_NAMES[run['limit']]}" if run["limit"] else "")


def cell_text(cell):
    if cell is None:
        return ""
    if "error" in cell:
        return cell["error"]
    text = plain(cell["ms_median"])
    if cell.get("ceiling_fraction"):
        text += f" ({percent(cell['ceiling_fraction'])})"
    if cell.get("times_bertq") and not cell["runtime"].startswith("bertq"):
        text += f" ×{cell['times_bertq']:.2f}"
    return text


def runtimes_of(run):
    present = {cell["runtime"] for cell in run["cells"]}
    return [name for name in NAMES if name in present]


def thread_counts(run):
    return sorted({cell["threads"] for cell in run["cells"]})


def versions_of(run):
    return [f"{FAMILIES[name]} {run['versions'][name].removeprefix(name).strip().split('-')[0]}"
            for name in FAMILIES if name in run["versions"]]


def origin(run):
    """When, where and with what a run was made."""
    return [f"Measured {run['date']} on {run['cpu']}, {run['rounds']} rounds in turn: {', '.join(versions_of(run))}.", ""]


def cell_tables(run):
    """One table for each number of threads."""
    found = {(c["threads"], c["runtime"], c["workload"]): c for c in run["cells"]}
    lines = []
    for threads in thread_counts(run):
        cells = [w for w in CELLS[run["model"]] if any(key[2] == w for key in found)]
        rows = []
        for runtime in runtimes_of(run):
            row = [found.get((threads, runtime, w)) for w in cells]
            if any(row):
                rows.append([NAMES[runtime]] + [cell_text(cell) for cell in row])
        lines += [f"#### {title(run)}, {threads_text(threads)}", ""]
        lines += table(["runtime"] + [TITLES[w] for w in cells], rows) + [""]
    return lines


def ratio_text(entry, peer):
    """A peer's ratio and name, and the way of batching where the column leaves it open."""
    found = entry[peer]
    if not found:
        return ""
    text = f"×{found['times_bertq']:.2f} {NAMES[found['runtime']].replace(' (NNCF)', '')}"
    return text if found["workload"] == entry["workload"] else text + TITLES[found["workload"]].removeprefix("ragged")


def verdict_tables(run):
    """bertq's share of the ceiling and the fastest peers' times, one table for each number of threads."""
    lines = []
    for threads in thread_counts(run):
        entries = [entry for entry in run.get("verdict", []) if entry["threads"] == threads]
        rows = [
            ["bertq int8, share of the int8 ceiling"] + [percent(e["int8_ceiling_fraction"]) for e in entries],
            ["the fastest peer"] + [ratio_text(e, "fastest") for e in entries],
            [f"the fastest peer less than {NEARLY} dB behind in SQNR"]
            + [ratio_text(e, "fastest_nearly_as_exact") for e in entries],
            ["bertq float32, share of the float32 ceiling"] + [percent(e["float_ceiling_fraction"]) for e in entries],
            ["the fastest float32 peer"] + [ratio_text(e, "fastest_float") for e in entries],
        ]
        rows = [row for row in rows if any(row[1:])]
        if rows:
            lines += [f"#### In short: {title(run)}, {threads_text(threads)}", ""]
            lines += table([""] + [TITLES[e["workload"]] for e in entries], rows) + [""]
    return lines


def drift_table(run):
    rows = [[NAMES[d["runtime"]], f"{d['sqnr_db']:.1f}", f"{d['cosine_mean']:.6f}", f"{d['cosine_worst']:.5f}",
             f"{d['token_cosine_worst']:.5f}"] for d in run["drift"]]
    if not rows:
        return []
    return [f"#### Drift of {title(run)} ({run['drift'][0]['texts']} sentences, against float32)", ""] + table(
        ["runtime", "SQNR dB of the last hidden state", "sentence cosine mean", "worst", "token cosine worst"], rows) + [""]


def memory_table(run):
    rows = [[NAMES[m["runtime"]], f"{m['peak_mb']:.0f}", f"{m['mapped_mb']:.0f}", f"{m['peak_mb'] - m['mapped_mb']:.0f}"]
            for m in run["memory"]]
    if not rows:
        return []
    return [f"#### Memory of {title(run)}, {TITLES[run['memory'][0]['workload']]}, 1 thread, MB", ""] + table(
        ["runtime", "most resident", "of that pages of files", "the rest"], rows) + [""]


def start_table(run):
    rows = [[NAMES[s["runtime"]], f"{s['ms_median']:.0f}"] for s in run["start"]]
    if not rows:
        return []
    return [f"#### Process start to the first vector of a short text, {title(run)}, 1 thread, ms", ""] + table(
        ["process", "ms"], rows) + [""]


def performance(runs):
    """The measured part of docs/performance.md."""
    lines = ["Medians in ms. In brackets the share of threads × the CPU's int8 (or float32) multiply-add ceiling; × is how many "
             "times bertq's time of the same round it took.", ""]
    for run in runs:
        lines += [f"### {title(run)}", ""] + origin(run) + cell_tables(run) + verdict_tables(run)
        lines += drift_table(run) + memory_table(run) + start_table(run)
    return "\n".join(lines).strip()


def short_cells(run, runtime):
    """The cells of README.md's table in ms: a peer's ragged set in the best of its ways; ours has but one, measured thrice."""
    times = {c["workload"]: c["ms_median"] for c in run["cells"]
             if (c["threads"], c["runtime"]) == (1, runtime) and "error" not in c}
    ragged = [value for workload, value in times.items() if workload.startswith("ragged")]
    if ragged:
        times["ragged"] = median(ragged) if runtime.startswith("bertq") else min(ragged)
    return [plain(times[w]) if w in times else "" for w in SHORT]


def summary(runs):
    """The table of README.md, int8 on one thread, of the published model; empty when it was not measured."""
    run = next((run for run in runs if run["model"] == "minilm" and not run["limit"]), None)
    if run is None:
        return ""
    drift = {d["runtime"]: f"{d['sqnr_db']:.1f}" for d in run["drift"]}
    memory = {m["runtime"]: f"{m['peak_mb']:.0f}" for m in run["memory"]}
    rows = [[NAMES[runtime]] + short_cells(run, runtime) + [drift.get(runtime, ""), memory.get(runtime, "")]
            for runtime in runtimes_of(run) if "int8" in runtime]
    lines = table([MODELS[run["model"]], "1 × 16", "1 × 128", "32 × 128", "128 ragged texts",
                   "drift, SQNR dB (higher is better)", "memory, MB"], rows)
    return "\n".join(lines + ["", (
        f"Milliseconds on one core of {run['cpu']}, every peer in the fastest of its ways of batching; the most memory in use at "
        f"32 × 128. {', '.join(versions_of(run))}. Larger models, two threads, float32, and how it was measured: "
        "[docs/performance.md](docs/performance.md).")])


def heads(runs):
    """The measured part of docs/performance.md about models with a head."""
    lines = []
    for run in runs:
        lines += [f"### {title(run)}", ""] + origin(run) + cell_tables(run) + verdict_tables(run)
    return "\n".join(lines).strip()


def put_between_markers(path, text, what="measured"):
    begin, end = f"<!-- {what}: begin (tools/compare-peers writes this) -->", f"<!-- {what}: end -->"
    with open(path, encoding="utf-8") as file:
        whole = file.read()
    if whole.count(begin) != 1 or whole.count(end) != 1:
        sys.exit(f"error: {path} does not hold the two markers once each")
    before, after = whole.split(begin)[0], whole.split(end)[1]
    with open(path, "w", encoding="utf-8") as file:
        file.write(before + begin + "\n" + text.strip() + "\n" + end + after)


def write(runs):
    if summary(runs):
        put_between_markers(os.path.join(ROOT, "README.md"), summary(runs))
    page = os.path.join(ROOT, "docs", "performance.md")
    # What no run was kept of stays as it is.
    encoders, with_heads = ([run for run in runs if (run["model"] in HEADS) == asks] for asks in (False, True))
    if with_heads:
        put_between_markers(page, heads(with_heads), "measured heads")
    if not encoders:
        return
    put_between_markers(page, performance(encoders))
    subprocess.run([os.path.join(ROOT, "tools", "make", "picture")], check=True)


def main():
    paths = [argument for argument in sys.argv[1:] if argument != "--write"]
    if not paths or len(sys.argv) - 1 > len(paths) + 1:
        sys.exit(__doc__.strip())
    runs = []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            read = json.load(file)
        runs += read if isinstance(read, list) else [read]
    if "--write" in sys.argv:
        write(runs)
    else:
        print(summary(runs) + "\n\n" + performance(runs))


if __name__ == "__main__":
    main()
