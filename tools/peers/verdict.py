"""The ratios that sum a model's cells up: this package beside the fastest peer, and beside the fastest that is as exact."""

# A peer this many dB of SQNR below this package's own still counts as nearly as exact.
NEARLY = 6
RAGGED_ARRIVAL, RAGGED_ANY = "ragged-arrival", "ragged-any"


def columns(workloads):
    """What is judged: the cells, and the ragged set in arrival order and in whichever way of batching suits a peer best."""
    named = [workload for workload in workloads if not workload.startswith("ragged")]
    ragged = [workload for workload in workloads if workload.startswith("ragged")]
    if RAGGED_ARRIVAL in ragged:
        named.append(RAGGED_ARRIVAL)
    return named + ([RAGGED_ANY] if ragged else [])


def spread(column, workloads):
    """The cells that a column takes the best of."""
    return [workload for workload in workloads if workload.startswith("ragged")] if column == RAGGED_ANY else [column]


def median(values):
    ordered = sorted(values)
    return (ordered[len(ordered) // 2] + ordered[(len(ordered) - 1) // 2]) / 2 if ordered else None


def fastest(found, runtimes, workloads):
    """The peer with the least time as a multiple of this package's of the same rounds."""
    cells = [found[key] for key in ((runtime, workload) for runtime in runtimes for workload in workloads) if key in found]
    cells = [cell for cell in cells if cell.get("times_bertq")]
    if not cells:
        return None
    best = min(cells, key=lambda cell: cell["times_bertq"])
    return {"runtime": best["runtime"], "workload": best["workload"], "times_bertq": best["times_bertq"]}


def verdict(run):
    """One entry for each number of threads and column, from a run's cells and drift."""
    drift = {row["runtime"]: row["sqnr_db"] for row in run["drift"]}
    entries = []
    for threads in sorted({cell["threads"] for cell in run["cells"]}):
        cells = [cell for cell in run["cells"] if cell["threads"] == threads and "error" not in cell]
        found = {(cell["runtime"], cell["workload"]): cell for cell in cells}
        workloads = list(dict.fromkeys(cell["workload"] for cell in cells))
        peers = list(dict.fromkeys(cell["runtime"] for cell in cells if not cell["runtime"].startswith("bertq")))
        reduced = [name for name in peers if not name.endswith("float")]
        floats = [name for name in peers if name.endswith("float")]
        least = drift.get("bertq-int8", float("inf")) - NEARLY
        exact = [name for name in reduced if drift.get(name, -float("inf")) >= least]
        for column in columns(workloads):
            places = spread(column, workloads)

            def share(runtime):
                return median([found[runtime, place]["ceiling_fraction"] for place in places
                               if "ceiling_fraction" in found.get((runtime, place), {})])

            entries.append({
                "threads": threads, "workload": column,
                "int8_ceiling_fraction": share("bertq-int8"), "float_ceiling_fraction": share("bertq-float"),
                "fastest": fastest(found, reduced, places), "fastest_nearly_as_exact": fastest(found, exact, places),
                "fastest_float": fastest(found, floats, places)})
    return entries
