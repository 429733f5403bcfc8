"""The numbers of the comparison: how near two results are, what a cell's turns come to, what the CPU is."""
import numpy


def signal_to_noise(reference, result):
    noise = float(((result - reference) ** 2).sum(dtype=numpy.float64))
    return 10 * numpy.log10(float((reference ** 2).sum(dtype=numpy.float64)) / max(noise, 1e-30))


def cosines(a, b):
    return (a * b).sum(-1) / numpy.sqrt((a * a).sum(-1) * (b * b).sum(-1))


def statistics(rounds, runtime, work, threads):
    """The numbers of one cell, from [(median ms of a turn, ceiling seen)] of each round, for every runtime."""
    mine = numpy.array([milliseconds for milliseconds, _ in rounds[runtime]])
    ours = next((name for name in rounds if name.startswith("bertq")), None)
    cell = {"ms_median": float(numpy.median(mine)), "ms_best": float(mine.min()), "ms_worst": float(mine.max()),
            "ms_rounds": [round(float(value), 4) for value in mine], "gmac_s": work / float(numpy.median(mine)) / 1e6}
    if ours:
        cell["times_bertq"] = float(numpy.median(mine / numpy.array([value for value, _ in rounds[ours]])))
        # One round's ceiling stands for all turns of the round.
        ceilings = numpy.array([ceiling or numpy.nan for _, ceiling in rounds[ours]])
        shares = work / mine / 1e6 / (threads * ceilings)
        if numpy.isfinite(shares).any():
            cell["ceiling_fraction"] = float(numpy.nanmedian(shares))
    return cell


def processor_flags():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        return next((line.split(":")[1].split() for line in file if line.startswith(("flags", "Features"))), [])


def processor_name():
    values = {}
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            key, _, value = line.partition(":")
            values.setdefault(key.strip(), value.strip())
    # 64-bit ARM has no name there, but the numbers of its maker.
    numbers = [values.get("CPU " + key) for key in ("implementer", "part")]
    name = values.get("model name") or ("ARM implementer %s, part %s" % tuple(numbers) if all(numbers) else "an unnamed CPU")
    known = ("avx2", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_int8", "asimddp", "i8mm", "bf16")
    kinds = [kind for kind in known if kind in processor_flags()]
    return name + (f" ({', '.join(kinds)})" if kinds else "")
