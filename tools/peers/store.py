"""What was measured, kept: one JSON file for each model, so that models can be measured one after another."""
import json
import os

from limits import LIMITS


def folder_of(cache):
    return os.path.join(cache, "results")


def name_of(run):
    """A limited run is kept beside the run at full width, not in its place."""
    return run["model"] + (f"-{run['limit']}" if run["limit"] else "")


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
    """The kept runs, in the order of `models`, limited ones last."""
    runs = []
    for limit in (None, *LIMITS):
        for model in models:
            path = os.path.join(folder_of(cache), name_of({"model": model, "limit": limit}) + ".json")
            if os.path.exists(path):
                with open(path, encoding="utf-8") as file:
                    runs.append(json.load(file))
    return runs
