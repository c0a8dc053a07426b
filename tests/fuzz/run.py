"""Fuzzing: random programs, each from a seed, run in a child process, so that a crash is a failure like another.

    python tests/fuzz/run.py --seconds 3600 --seed 1      for a while
    python tests/fuzz/run.py --programs 200 --seed 1      a fixed number
A failure is printed as the shortest program found, with the seed that leads to it. Exits with 1 if there was one.
"""
import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import warnings

import mirrors
import numpy as np
from drawing import TYPES
from graphs import draw_graph, graph_sides
from layers import draw_layers, layer_sides
from operations import draw_program
from program import Difference, Program, Step, replay, shrink
from pytorch import judge
from storages import draw_storages, storage_sides

import tensorlib

STEPS = 14
BATCH = 200


def setitem(t, key, value):
    t[key] = value
    return t


def tensor_sides():
    """The names that tensor programs may use, on both sides."""
    numbers = {"nan": float("nan"), "inf": float("inf"), "np": np}
    ours = dict(numbers, tensorlib=tensorlib, setitem=setitem, NAMES=TYPES)
    return ours, dict(vars(mirrors), **numbers)


# Kinds of programs: how often, how they are drawn, the names of the two sides, who judges the mirror.
KINDS = {"tensors": (0.55, draw_program, lambda: Program(*tensor_sides(), judge=judge)),
         "storages": (0.15, draw_storages, lambda: Program(*storage_sides())),
         "graphs": (0.15, draw_graph, lambda: graph_sides() and Program(*graph_sides())),
         "layers": (0.15, draw_layers, lambda: layer_sides() and Program(*layer_sides()))}


class Journal(list):
    """Steps, each written to a file before it runs: what is there when the process dies."""

    def __init__(self, path, *header):
        super().__init__()
        self.file = open(path, "w")
        self.file.write(json.dumps(header) + "\n")

    def append(self, step):
        super().append(step)
        self.file.write(json.dumps(vars(step)) + "\n")
        self.file.flush()


def one(seed, journal, only=None):
    """Run the program of a seed. Returns its report if it failed."""
    rng = random.Random(seed)
    kind = only or rng.choices(list(KINDS), [often for often, _, _ in KINDS.values()])[0]
    _, draw, make = KINDS[kind]
    program = make()
    if program is None:
        return None
    program.steps = Journal(journal, seed, kind)
    try:
        draw(rng, program, STEPS)
    except Difference as e:
        def fails(steps):
            ran, difference = replay(steps, make)
            return ran if difference and ran[-1].ours == program.steps[-1].ours else None
        steps = shrink(list(program.steps), fails)
        return report(seed, steps, replay(steps, make)[1] or e)
    return None


def report(seed, steps, what):
    lines = ["    " + str(step) for step in steps]
    mirror = "" if steps[-1].mirror is None else "mirrored by %s\n" % steps[-1].mirror
    return "seed %d, %s:\n%s\n%s%s\n" % (seed, steps[-1].operation, "\n".join(lines), mirror, what)


def child(first, count, journal, only=None):
    """Run programs; failures are printed."""
    warnings.simplefilter("ignore")
    failed = 0
    for seed in range(first, first + count):
        found = one(seed, journal, only)
        if found:
            failed += 1
            print(found, flush=True)
    return failed


# ---- the parent -------------------------------------------------------------------------------------------------

def crash_report(journal, rc):
    """The report of a program that ended its process."""
    with open(journal) as f:
        lines = f.read().splitlines()
    seed, kind = json.loads(lines[0])
    steps = [Step(**json.loads(line)) for line in lines[1:]]

    def fails(fewer):
        with open(journal + ".replay", "w") as f:
            json.dump([kind, [vars(s) for s in fewer]], f)
        run = subprocess.run([sys.executable, __file__, "--replay", journal + ".replay"], capture_output=True)
        return fewer if run.returncode < 0 else None
    return report(seed, shrink(steps, fails) if fails(steps) else steps,
                  "the process ended with %d" % rc)


def run_batch(first, count, folder, only=None):
    """Programs in a child; goes on after a crash. Returns the reports."""
    journal, reports = os.path.join(folder, "journal"), []
    while count:
        command = [sys.executable, __file__, "--child", str(first), str(count), journal]
        run = subprocess.run(command + (["--kind", only] if only else []), capture_output=True, text=True)
        if run.stdout.strip():
            reports.append(run.stdout)
        if run.returncode in (0, 1):
            if run.stderr.strip():
                reports.append("the child said:\n" + run.stderr)
            break
        reports.append(crash_report(journal, run.returncode))
        with open(journal) as f:
            done = json.loads(f.readline())[0] - first + 1
        first, count = first + done, count - done
    return reports


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, help="run for about this long")
    parser.add_argument("--programs", type=int, help="run this many programs")
    parser.add_argument("--seed", type=int, default=0, help="the seed of the first program; the next ones count on")
    parser.add_argument("--kind", choices=list(KINDS), help="only programs of this kind")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--replay", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        return 1 if child(int(args.child[0]), int(args.child[1]), args.child[2], args.kind) else 0
    if args.replay:
        with open(args.replay) as f:
            kind, steps = json.load(f)
        replay([Step(**s) for s in steps], KINDS[kind][2])
        return 0
    return drive(args)


def drive(args):
    end = time.time() + args.seconds if args.seconds else None
    seed, failures = args.seed, 0
    last = None if end else seed + (args.programs or BATCH)
    with tempfile.TemporaryDirectory() as folder:
        while time.time() < end if end else seed < last:
            count = BATCH if end else min(BATCH, last - seed)
            for text in run_batch(seed, count, folder, args.kind):
                failures += 1
                print(text, flush=True)
            seed += count
    print("%d programs, seeds %d to %d: %s" % (seed - args.seed, args.seed, seed - 1,
                                               "failures, above" if failures else "no difference"))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
