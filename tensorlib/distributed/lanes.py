"""Order among threads: jobs of one lane run one after the other, in the order they were begun, and some in a thread.

It knows nothing of processes and messages.
"""
import itertools
import threading
import time


class Request:
    """An operation under way."""

    def __init__(self):
        self._over = threading.Event()
        self._error = None

    def is_completed(self):
        """Tell whether the operation is over, well or badly."""
        return self._over.is_set()

    def wait(self):
        """Return when the operation is over.

        Raises:
            whatever went wrong with it.
        """
        self._over.wait()
        if self._error is not None:
            raise self._error


class Lane:
    """A queue of jobs for one thing that can do one job at a time. A job that runs in the caller's thread costs no more
    than a lock."""

    def __init__(self):
        self._turn = threading.Condition()
        self._tickets = itertools.count()
        self._waiting = []          # tickets not yet over, the one that runs first
        self._threads = set()

    def _enter(self):
        with self._turn:
            ticket = next(self._tickets)
            self._waiting.append(ticket)
        return ticket

    def _work(self, ticket, job):
        """Run the job when it is the ticket's turn."""
        try:
            with self._turn:
                self._turn.wait_for(lambda: self._waiting[0] == ticket)
            return job()
        finally:
            self._leave(ticket)

    def _leave(self, ticket):
        with self._turn:
            self._waiting.remove(ticket)
            self._turn.notify_all()

    def run(self, job):
        """Return job(), called after all earlier jobs."""
        return self._work(self._enter(), job)

    def run_if_idle(self, job):
        """Return (True, job()), or (False, None) where another job has not ended."""
        with self._turn:
            if self._waiting:
                return False, None
            ticket = next(self._tickets)
            self._waiting.append(ticket)
        return True, self._work(ticket, job)

    def start(self, job):
        """Let a thread call job() after all earlier jobs; returns a Request."""
        request, ticket = Request(), self._enter()

        def work():
            try:
                self._work(ticket, job)
            except BaseException as error:      # whatever it is, the one who waits must hear of it
                request._error = error
            finally:
                self._threads.discard(thread)
                request._over.set()

        # A daemon, for a receive that nothing answers must not keep the process alive.
        thread = threading.Thread(target=work, name="tensorlib.distributed", daemon=True)
        self._threads.add(thread)
        try:
            thread.start()
        except BaseException:       # too many threads: others must not wait for one that never comes
            self._threads.discard(thread)
            self._leave(ticket)
            raise
        return request

    def join(self, deadline):
        """Wait for the threads of started jobs, up to a time of time.monotonic()."""
        for thread in list(self._threads):
            thread.join(max(0, deadline - time.monotonic()))

    @property
    def idle(self):
        return not self._waiting
