"""The harness of all benchmarks: the sides of a row take turns in one process; the row tells medians of their ratios.

A benchmark is a function `cases(suite)` that calls `suite.compare(name, ours, theirs)` for each of its rows, and ends
with `main(__doc__, cases)`. It runs once for each number of threads. Knows nothing of what is measured.
"""
import argparse
import json
import os
import platform
import statistics
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")      # before NumPy: its idle threads would disturb all sides

import tensorlib                                        # noqa: E402

try:
    import torch
except ImportError:
    torch = None

ROUNDS = 15
TURN = 0.02             # seconds that one side runs before the next side's turn
SETTLE = 0.01           # idle workers of the side that has ended wait actively for some milliseconds
TRIES = 4               # for a round during which no other virtual machine took time from this one


class Clock:
    """Wall and processor time per call over one turn."""

    def __init__(self, call, repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(repeats):
            call()
        self.cpu = (time.process_time() - cpu) / repeats
        self.wall = (time.perf_counter() - wall) / repeats


def repeats_for(call, seconds):
    """How many calls take about so many seconds; the first calls, which allocate and warm up, are not counted."""
    call()
    repeats = 1
    while True:
        took = Clock(call, repeats).wall * repeats
        if took >= seconds / 4:
            return max(1, round(repeats * seconds / took))
        repeats *= 4


class Suite:
    """The rows of one benchmark so far.

    Args:
        threads (int): threads of all sides.
        rounds (int): turns that each side gets.
        only (str or callable, optional): skip rows whose name does not contain it, or for which it returns False.
        limits (dict, optional): what the machine can do at most, by unit: rates are told in percent of it.
        rivals (dict, optional): by name of a row, a function that returns {side: call} beside ours and PyTorch's.
    """

    def __init__(self, threads=1, rounds=ROUNDS, only=None, limits=None, rivals=None):
        self.threads, self.rounds, self.rows = threads, rounds, []
        self.only, self.limits, self.rivals = only, limits or {}, rivals or {}
        tensorlib.set_num_threads(threads)
        if torch:
            torch.set_num_threads(threads)

    def wants(self, name):
        """Whether a row of this name is to be measured."""
        return self.only(name) if callable(self.only) else not self.only or self.only in name

    def compare(self, name, ours, theirs=None, work=None, unit="GFLOP/s", goal=None, turn=TURN, series=None, **sides):
        """Time calls in turns, print the row and keep it.

        With one thread the ratio is of processor time, which other processes disturb less; else of wall time.

        Args:
            name (str): what is done, with its sizes.
            ours, theirs (callable): the same work in this package and in PyTorch; without theirs ours alone is timed.
            work (float, optional): units (10^9 operations or bytes) of one call, for a rate in `unit`.
            goal (float, optional): the ratio to PyTorch to reach, printed beside.
            turn (float): seconds of one turn.
            series (str, number, optional): the series of growing work that the row is a point of, and how much work.
            sides (callable): the same work of further sides, by name.

        Returns:
            the row, a dict; None where it was skipped.
        """
        if not self.wants(name):
            return None
        sides = {"tensorlib": ours, "torch": theirs if torch else None, **sides}
        if name in self.rivals:
            sides.update(self.rivals[name]())
        sides = {side: call for side, call in sides.items() if call}
        repeats = [repeats_for(call, turn) for call in sides.values()]
        times = [self.quiet_round(list(sides.values()), repeats, i) for i in range(self.rounds)]
        kind = "cpu" if self.threads == 1 else "wall"
        row = {"name": name, "threads": self.threads, "clock": kind, "times": {}, "ratios": {}}
        for i, side in enumerate(sides):
            row["times"][side] = {clock: statistics.median(getattr(t[i], clock) for t in times)
                                  for clock in ("wall", "cpu")}
            if i > 0:
                row["ratios"][side] = spread(getattr(t[i], kind) / getattr(t[0], kind) for t in times)
        if work:
            row["rate"], row["unit"] = work / row["times"]["tensorlib"][kind], unit
            if self.limits.get(unit):
                row["of_limit"] = row["rate"] / self.limits[unit]
        if goal:
            row["goal"] = goal
        if series:
            row["series"], row["work"] = series
        self.rows.append(row)
        print(text_of(row), flush=True)
        return row

    def quiet_round(self, sides, repeats, turn):
        """A round during which the machine had its cores for itself, or else the last of some tries."""
        for _ in range(TRIES):
            before = stolen_time()
            clocks = self.round(sides, repeats, turn)
            if stolen_time() == before:
                break
        return clocks

    def round(self, sides, repeats, turn):
        """One turn for each side; who begins changes from round to round."""
        clocks = [None] * len(sides)
        for step in range(len(sides)):
            side = (turn + step) % len(sides)
            if self.threads > 1:
                time.sleep(SETTLE)
            clocks[side] = Clock(sides[side], repeats[side])
        return clocks


def stolen_time():
    """How long the host of a virtual machine has kept its cores for others, in ticks of the kernel."""
    try:
        with open("/proc/stat") as file:
            return int(file.readline().split()[8])
    except (OSError, IndexError):
        return 0


def spread(ratios):
    """Median and quartiles."""
    ratios = sorted(ratios)
    quarter = len(ratios) // 4
    return {"median": statistics.median(ratios), "low": ratios[quarter], "high": ratios[-1 - quarter]}


def text_of(row):
    text = "%-44s %d thread%s  ours %10.2f us" % (row["name"], row["threads"], " s"[row["threads"] > 1],
                                                  row["times"]["tensorlib"][row["clock"]] * 1e6)
    if "rate" in row:
        text += " %6.1f %s" % (row["rate"], row["unit"])
    if "of_limit" in row:
        text += " (%.0f %%)" % (100 * row["of_limit"])
    for side, ratio in row["ratios"].items():
        text += "   %s x %.2f (%.2f-%.2f)" % (side, ratio["median"], ratio["low"], ratio["high"])
    if "goal" in row and "torch" in row["ratios"]:
        text += "  goal %g%s" % (row["goal"], "" if row["ratios"]["torch"]["median"] >= row["goal"] else " MISSED")
    return text


def summary(rows):
    """A line for each number of threads and side: the geometric mean of the ratios, and the least."""
    found = {}
    for row in rows:
        for side, ratio in row["ratios"].items():
            found.setdefault((row["threads"], side), []).append((ratio["median"], row["name"]))
    for (threads, side), ratios in sorted(found.items()):
        mean = statistics.geometric_mean(ratio for ratio, _ in ratios)
        yield "%d thread%s, beside %s: geometric mean x %.2f of %d rows, least x %.2f (%s)" % (
            threads, " s"[threads > 1], side, mean, len(ratios), *min(ratios))


def environment():
    """What the figures depend on."""
    return {"machine": platform.machine(), "processor": processor(), "cores": os.cpu_count(),
            "python": platform.python_version(), "kernels": tensorlib._ops.isa_level,
            "load": os.getloadavg()[0], "tensorlib": tensorlib.__version__,
            "torch": torch.__version__ if torch else None}


def processor():
    try:
        with open("/proc/cpuinfo") as file:
            return next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), "unknown")
    except OSError:
        return "unknown"


def main(description, cases):
    """Run a benchmark for the numbers of threads asked for, and print the geometric mean of the ratios of each."""
    parser = argparse.ArgumentParser(description=description.partition("\n")[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1], metavar="N")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", metavar="TEXT", help="rows whose name contains this")
    parser.add_argument("--json", metavar="FILE", help="write the rows to this file")
    options = parser.parse_args()
    rows = []
    for threads in options.threads:
        suite = Suite(threads, options.rounds, options.only)
        cases(suite)
        rows += suite.rows
    for line in summary(rows):
        print(line)
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"environment": environment(), "rows": rows}, file, indent=1)
