"""A training loop with plugins that watch it; what they do is told in `plugins`."""
from ...autograd import Variable
from . import plugins

__all__ = ["Trainer", "plugins"]

UNITS = ("iteration", "epoch", "batch", "update")


class Trainer:
    """Trains a model on the batches of a dataset.

    Args:
        model: called with the input of a batch, a Variable.
        criterion: called with the output and the target, returns the loss.
        optimizer: its `step` is called with a closure.
        dataset: gives pairs of input and target, batch by batch; for instance a DataLoader.

    A plugin is called as `plugin.UNIT(time, ...)` each so many times of a unit: `batch(i, input, target)` before an
    iteration, `iteration(i, input, target, output, loss)` after it, `update(i, model)` when the model has changed,
    `epoch(i)` after an epoch. Times count from 1; inputs, targets, outputs and losses are tensors.

    Attributes: iterations, how many were done; stats, a dict in which plugins keep what they found.
    """

    def __init__(self, model=None, criterion=None, optimizer=None, dataset=None):
        self.model = model
        self.criterion = criterion
        self.optimizer = optimizer
        self.dataset = dataset
        self.iterations = 0
        self.epochs = 0
        self.stats = {}
        self.plugins = {unit: [] for unit in UNITS}

    def register_plugin(self, plugin):
        """Let a plugin take part, at the intervals of its `trigger_interval`, pairs of a number and a unit.

        Raises:
            ValueError: an unknown unit, or an interval below 1.
        """
        intervals = plugin.trigger_interval
        intervals = intervals if isinstance(intervals, list) else [intervals]
        for every, unit in intervals:
            if unit not in UNITS or every < 1:
                raise ValueError("a plugin's interval is a number from 1 on and one of %s, but got %r"
                                 % (", ".join(UNITS), (every, unit)))
        plugin.register(self)
        for every, unit in intervals:
            self.plugins[unit].append((every, plugin))

    def call_plugins(self, unit, time, *args):
        """Call the plugins whose turn it is, in the order in which they were registered."""
        for every, plugin in self.plugins[unit]:
            if time % every == 0:
                getattr(plugin, unit)(time, *args)

    def run(self, epochs=1):
        """Train for so many epochs more."""
        for _ in range(epochs):
            self.train()
            self.epochs += 1
            self.call_plugins("epoch", self.epochs)

    def train(self):
        """Train on each batch once."""
        for input, target in self.dataset:
            time = self.iterations + 1
            self.call_plugins("batch", time, input, target)
            output, loss = self._step(Variable(input), Variable(target))
            self.iterations = time
            self.call_plugins("iteration", time, input, target, output, loss)
            self.call_plugins("update", time, self.model)

    def _step(self, input, target):
        """One step of the optimizer; returns the output and the loss that it began with, tensors."""
        first = []

        def closure():
            self.optimizer.zero_grad()
            output = self.model(input)
            loss = self.criterion(output, target)
            loss.backward()
            if not first:
                first.extend([output.data, loss.data])
            return loss

        self.optimizer.step(closure)
        return first
