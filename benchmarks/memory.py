"""Peak resident memory of each training step of training.py, ours and PyTorch's, each in a process of its own.

    python benchmarks/memory.py [--threads N] [--steps N] [--times N] [--only TEXT] [--json FILE]

`peak` is of the whole process, `above` what of it came after the imports, `growth` how much of the peak came in the
second half of the steps: a loop of training should not grow. A row is MISSED where ours is more than PyTorch's.
PyTorch loads some 80 MB of libraries with its first backward: --times makes batches larger, so that tensors count more.
"""
import argparse
import importlib
import json
import subprocess
import sys

TRIFLE = 512            # kB; pages that a process touches by chance


def resident(name):
    """A figure of this process in kB: VmRSS now, VmHWM at most since the last reset."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name + ":"))


def reset_peak():
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def measure(side, workload, threads, steps, times):
    """Figures of one side, in a process that has not imported anything yet; None where there is no PyTorch."""
    if side == "ours":
        sys.modules["torch"] = None             # an import of it fails
    else:
        importlib.import_module("torch").set_num_threads(threads)
    bare = resident("VmRSS")
    training = importlib.import_module("training")
    training.tensorlib.set_num_threads(threads)
    imported = resident("VmRSS")
    if side == "ours":
        bare = imported
    reset_peak()
    run = training.step_of(training.OURS if side == "ours" else training.THEIRS, workload, times)
    for _ in range(steps // 2):
        run()
    half = resident("VmHWM")
    for _ in range(steps - steps // 2):
        run()
    peak = resident("VmHWM")
    # PyTorch's process has us in it as well, before the reset; that is not counted.
    return {"imported": bare, "above": peak - imported, "peak": bare + peak - imported, "growth": peak - half}


def apart(side, workload, options):
    command = [sys.executable, __file__, "--side", side, "--only", workload, "--threads", str(options.threads),
               "--steps", str(options.steps), "--times", str(options.times)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--times", type=int, default=1, metavar="N", help="batches so many times as large")
    parser.add_argument("--only", metavar="TEXT", default="", help="workloads whose name contains this")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--side", choices=["ours", "theirs"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        print(json.dumps(measure(options.side, options.only, options.threads, options.steps, options.times)))
        return
    import training
    rows = []
    print("%-40s %26s %26s" % ("MB, %d steps" % options.steps, "tensorlib", "PyTorch"))
    print("%-40s %s" % ("", " %8s %8s %8s" % ("peak", "above", "growth") * 2))
    for name in training.WORKLOADS:
        if options.only in name:
            row = {"name": name, "ours": apart("ours", name, options)}
            sides = [row["ours"]]
            if training.torch:
                row["theirs"] = apart("theirs", name, options)
                sides.append(row["theirs"])
            missed = any(sides[0][kind] > s[kind] + TRIFLE for s in sides[1:] for kind in ("peak", "above"))
            print("%-40s %s%s" % (name, "".join(" %8.1f %8.1f %8.1f" % tuple(s[k] / 1024 for k in (
                "peak", "above", "growth")) for s in sides), "  MISSED" * missed), flush=True)
            rows.append(row)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
