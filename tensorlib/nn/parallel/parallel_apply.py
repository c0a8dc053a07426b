"""Run modules at the same time, in a thread each; kernels release the lock, so they do overlap."""
import threading
from contextlib import nullcontext


def parallel_apply(modules, inputs, kwargs_tup=None, devices=None):
    """Call each module on its inputs, all at once, and return the outputs in order.

    Args:
        modules (list of Module): the modules.
        inputs (list): for each a tuple of arguments, or one argument.
        kwargs_tup (list of dict, optional): for each its keyword arguments.
        devices (list of int, optional): for each the GPU that is current while it runs.

    Raises:
        whatever the first failing module, in order, raised.
    """
    if len(inputs) != len(modules):
        raise AssertionError("got %d modules for %d inputs" % (len(modules), len(inputs)))
    kwargs_tup = kwargs_tup or ({},) * len(modules)
    devices = devices or (None,) * len(modules)
    results = [None] * len(modules)

    def work(i, module, args, kwargs, device):
        try:
            with _current(device):
                results[i] = True, module(*(args if isinstance(args, (tuple, list)) else (args,)), **kwargs)
        except Exception as error:
            results[i] = False, error

    jobs = list(zip(range(len(modules)), modules, inputs, kwargs_tup, devices))
    threads = [threading.Thread(target=work, args=job) for job in jobs[1:]]
    for thread in threads:
        thread.start()
    work(*jobs[0])
    for thread in threads:
        thread.join()
    for worked, value in results:
        if not worked:
            raise value
    return [value for _, value in results]


def _current(device):
    if device is None:
        return nullcontext()
    from ... import cuda  # loaded only where there is a GPU to use
    return cuda.device(device)
