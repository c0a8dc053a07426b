"""What it costs to have the package: time of an import, memory after it, installed size; beside PyTorch and NumPy.

    python benchmarks/startup.py [--rounds N] [--json FILE]

Each import is in a process of its own, in turns; processor and wall time and memory are above those of bare Python.
"""
import argparse
import importlib.util
import json
import os
import pathlib
import statistics
import subprocess
import sys

SIDES = {"tensorlib": "tensorlib", "with nn, optim, data": "tensorlib.nn, tensorlib.optim, tensorlib.utils.data",
         "numpy": "numpy", "torch": "torch"}
PROBE = """
import os, time
wall, cpu = time.perf_counter(), time.process_time()
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
before = resident()
import %s
print(time.perf_counter() - wall, time.process_time() - cpu, resident() - before)
"""
INSTALLED = {".py", ".pyi", ".so", ".cu", ".cuh", ".typed", ".image"}       # of us, who may run from a source tree


def probe(modules):
    """(wall seconds, processor seconds, bytes) of one import; compiled files are there from an earlier one."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run([sys.executable, "-c", PROBE % modules], env=environment, check=True, capture_output=True,
                          text=True)
    return tuple(map(float, done.stdout.split()))


def installed_bytes(package):
    folder = pathlib.Path(importlib.util.find_spec(package).origin).parent
    files = [p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    beside = folder.parent / (package + ".libs")            # where wheels keep libraries of theirs
    files += beside.iterdir() if beside.is_dir() else []
    return sum(p.stat().st_size for p in files if package != "tensorlib" or p.suffix in INSTALLED)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    sides = {side: modules for side, modules in SIDES.items() if importlib.util.find_spec(modules.partition(",")[0])}
    for modules in sides.values():
        probe(modules)                                       # compiles, and reads the files into the system's cache
    times = {side: [] for side in sides}
    for _ in range(options.rounds):
        for side, modules in sides.items():
            times[side].append(probe(modules))
    rows = {}
    print("%-22s %10s %10s %12s %14s" % ("import", "wall ms", "cpu ms", "memory MB", "installed MB"))
    for side, modules in sides.items():
        wall, cpu, memory = [statistics.median(column) for column in zip(*times[side])]
        rows[side] = {"wall": wall, "cpu": cpu, "memory": memory,
                      "installed": installed_bytes(modules.partition(".")[0])}
        print("%-22s %10.1f %10.1f %12.1f %14.1f" % (side, wall * 1e3, cpu * 1e3, memory / 2 ** 20,
                                                    rows[side]["installed"] / 2 ** 20))
    if "torch" in rows:
        print("PyTorch over tensorlib: " + ", ".join("%s x %.0f" % (kind, rows["torch"][kind] / rows["tensorlib"][kind])
                                                    for kind in ("wall", "cpu", "memory", "installed")))
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"cores": os.cpu_count(), "rows": rows}, file, indent=1)


if __name__ == "__main__":
    main()
