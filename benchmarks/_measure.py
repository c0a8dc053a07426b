"""The harness of all benchmarks: two sides take turns in one process, and a row tells the median of their ratios.

A benchmark is a function `cases(suite)` that calls `suite.compare(name, ours, theirs)` for each of its rows, and ends
with `main(__doc__, cases)`. It runs once for each number of threads. Knows nothing of what is measured.
"""
import argparse
import json
import os
import platform
import statistics
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")      # before NumPy: its idle threads would disturb both sides

import tensorlib                                        # noqa: E402

try:
    import torch
except ImportError:
    torch = None

ROUNDS = 15
TURN = 0.02             # seconds that one side runs before the other's turn
SETTLE = 0.003          # idle workers of the side that has ended wait actively about so long


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
        threads (int): threads of both sides.
        rounds (int): turns that each side gets.
        only (str, optional): skip rows whose name does not contain it.
    """

    def __init__(self, threads=1, rounds=ROUNDS, only=None):
        self.threads, self.rounds, self.only, self.rows = threads, rounds, only, []
        tensorlib.set_num_threads(threads)
        if torch:
            torch.set_num_threads(threads)

    def compare(self, name, ours, theirs=None, work=None, unit="GFLOP/s", goal=None, turn=TURN):
        """Time two calls in turns, print the row and keep it.

        With one thread the ratio is of processor time, which other processes disturb less; else of wall time.

        Args:
            name (str): what is done, with its sizes.
            ours, theirs (callable): the same work in this package and in PyTorch; without theirs ours alone is timed.
            work (float, optional): units (10^9 operations or bytes) of one call, for a rate in `unit`.
            goal (float, optional): the ratio to reach, printed beside.
            turn (float): seconds of one turn.

        Returns:
            the row, a dict; None where it was skipped.
        """
        if self.only and self.only not in name:
            return None
        sides = [call for call in (ours, theirs if torch else None) if call]
        repeats = [repeats_for(call, turn) for call in sides]
        times = [self.round(sides, repeats, i % 2) for i in range(self.rounds)]
        kind = "cpu" if self.threads == 1 else "wall"
        row = {"name": name, "threads": self.threads, "clock": kind}
        for side, label in enumerate(("ours", "theirs")[:len(sides)]):
            for clock in ("wall", "cpu"):
                row["%s_%s" % (label, clock)] = statistics.median(getattr(t[side], clock) for t in times)
        if len(sides) == 2:
            ratios = sorted(getattr(t[1], kind) / getattr(t[0], kind) for t in times)
            quarter = len(ratios) // 4
            row.update(ratio=statistics.median(ratios), low=ratios[quarter], high=ratios[-1 - quarter])
        if work:
            row["rate"], row["unit"] = work / row["ours_" + kind], unit
        if goal:
            row["goal"] = goal
        self.rows.append(row)
        print(text_of(row), flush=True)
        return row

    def round(self, sides, repeats, swap):
        """One turn for each side; who begins changes from round to round."""
        clocks = [None] * len(sides)
        for side in reversed(range(len(sides))) if swap else range(len(sides)):
            if self.threads > 1:
                time.sleep(SETTLE)
            clocks[side] = Clock(sides[side], repeats[side])
        return clocks


def text_of(row):
    kind = row["clock"]
    text = "%-44s %d thread%s  ours %10.2f us" % (row["name"], row["threads"], " s"[row["threads"] > 1],
                                                  row["ours_" + kind] * 1e6)
    if "rate" in row:
        text += " %6.1f %s" % (row["rate"], row["unit"])
    if "ratio" in row:
        text += "   torch %10.2f us   x %.2f (%.2f-%.2f)" % (row["theirs_" + kind] * 1e6, row["ratio"], row["low"],
                                                             row["high"])
    if "goal" in row and "ratio" in row:
        text += "  goal %g%s" % (row["goal"], "" if row["ratio"] >= row["goal"] else " MISSED")
    return text


def environment():
    """What the figures depend on."""
    return {"machine": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version(),
            "tensorlib": tensorlib.__version__, "torch": torch.__version__ if torch else None}


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
        ratios = [row["ratio"] for row in suite.rows if "ratio" in row]
        if ratios:
            print("geometric mean with %d thread(s): x %.2f, least x %.2f"
                  % (threads, statistics.geometric_mean(ratios), min(ratios)))
        rows += suite.rows
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"environment": environment(), "rows": rows}, file, indent=1)
