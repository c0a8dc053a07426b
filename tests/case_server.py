"""Forks a process for each case that `processes.py` asks for. Or runs one itself: `case_server.py CASE OPTIONS`."""
import atexit
import faulthandler
import json
import os
import signal
import sys
import traceback

import distributed_cases
import distributed_network_cases


def case_of(name):
    return getattr(distributed_cases, name, None) or getattr(distributed_network_cases, name)


def run(case, options, environment, path):
    """Run a case in this process, which was forked for it."""
    os.environ.update(environment)
    for name, number in ("/dev/null", 0), (path + ".out", 1), (path + ".err", 2):
        os.dup2(os.open(name, os.O_RDWR | os.O_CREAT), number)
    faulthandler.register(signal.SIGALRM, chain=True)       # writes where it hangs, then it ends
    signal.alarm(80)
    status = 1
    try:
        case_of(case)(**options)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def serve():
    """Fork a process for each case that standard input names, and answer with its number; or wait for one."""
    for line in sys.stdin:
        command = json.loads(line)
        if "wait" in command:
            print(os.waitpid(command["wait"], 0)[1], flush=True)
            continue
        pid = os.fork()
        if not pid:
            run(**command)
        print(pid, flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:           # a program of its own, as mpiexec starts it
        case_of(sys.argv[1])(**json.loads(sys.argv[2]))
    else:
        serve()
