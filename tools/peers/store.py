"""What was measured, kept: one JSON file for each model, so that models can be measured one after another."""
import json
import os


def folder_of(cache):
    return os.path.join(cache, "results")


def name_of(run):
    """A run limited to AVX2 is kept beside the run at full width, not in its place."""
    return run["model"] + ("-avx2" if run["avx2"] else "")


def write_json(path, value):
    """Whole or not at all."""
    with open(path + ".partial", "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1)
        file.write("\n")
    os.rename(path + ".partial", path)


def keep(cache, run):
    os.makedirs(folder_of(cache), exist_ok=True)
    write_json(os.path.join(folder_of(cache), name_of(run) + ".json"), run)


def kept(cache, models):
    """The kept runs, in the order of `models`, those limited to AVX2 last."""
    runs = []
    for suffix in ("", "-avx2"):
        for model in models:
            path = os.path.join(folder_of(cache), model + suffix + ".json")
            if os.path.exists(path):
                with open(path, encoding="utf-8") as file:
                    runs.append(json.load(file))
    return runs
