"""Plugins of a Trainer: they measure, and they print. What is measured stands in `trainer.stats`."""
import time


class Plugin:
    """Base of all plugins.

    Args:
        interval: a list of pairs of a number and a unit: (10, "iteration") is each tenth iteration.
    """

    def __init__(self, interval=None):
        self.trigger_interval = [] if interval is None else interval

    def register(self, trainer):
        """Take part in a training. To be written."""
        raise NotImplementedError("%s has no register()" % type(self).__name__)


class Monitor(Plugin):
    """Keeps a number of each iteration: its last value, a running average, and the mean of the epoch.

    Args:
        running_average: keep an average in which older values fade: smoothing * average + (1 - smoothing) * value.
        epoch_average: keep the mean of the values since the last epoch's end.
        smoothing: see above.
        precision: digits behind the point, in what a Logger prints.
        number_format: a format for numbers instead, as ".3e".
        unit: stands behind the number.
    """

    stat_name = None

    def __init__(self, running_average=True, epoch_average=True, smoothing=0.7, precision=None, number_format=None,
                 unit=""):
        super().__init__([(1, "iteration"), (1, "epoch")])
        self.running_average = running_average
        self.epoch_average = epoch_average
        self.smoothing = smoothing
        self.number_format = number_format or ".%df" % (4 if precision is None else precision)
        self.unit = unit
        self.total, self.count = 0., 0

    def register(self, trainer):
        """Take a place in the stats of a trainer."""
        self.trainer = trainer
        stats = trainer.stats.setdefault(self.stat_name, {})
        stats["log_format"] = "{:%s}%s" % (self.number_format, self.unit)
        stats["log_iter_fields"] = ["{last:%s}%s" % (self.number_format, self.unit)]
        if self.running_average:
            stats["log_iter_fields"].append("({running_avg:%s}%s)" % (self.number_format, self.unit))
        if self.epoch_average:
            stats["log_epoch_fields"] = ["{epoch_mean:%s}%s" % (self.number_format, self.unit)]

    def iteration(self, *args):
        """Note the value of an iteration."""
        stats, value = self.trainer.stats[self.stat_name], self._get_value(*args)
        stats["last"] = value
        self.total, self.count = self.total + value, self.count + 1
        if self.running_average:
            before = stats.get("running_avg", value)
            stats["running_avg"] = before * self.smoothing + value * (1 - self.smoothing)

    def epoch(self, number):
        """Note the mean of an epoch, and begin the next."""
        if self.epoch_average and self.count:
            self.trainer.stats[self.stat_name]["epoch_mean"] = self.total / self.count
        self.total, self.count = 0., 0

    def _get_value(self, iteration, input, target, output, loss):
        raise NotImplementedError("%s has no _get_value()" % type(self).__name__)


class LossMonitor(Monitor):
    """Keeps the loss, as stats["loss"]."""

    stat_name = "loss"

    def _get_value(self, iteration, input, target, output, loss):
        return loss[0]


class AccuracyMonitor(Monitor):
    """Keeps the percentage of rows whose largest output is that of the target, as stats["accuracy"]."""

    stat_name = "accuracy"

    def __init__(self, *args, **kwargs):
        kwargs.setdefault("unit", "%")
        kwargs.setdefault("precision", 2)
        super().__init__(*args, **kwargs)

    def _get_value(self, iteration, input, target, output, loss):
        return 100. * (output.max(1)[1] == target).sum() / input.size(0)


class TimeMonitor(Monitor):
    """Keeps the milliseconds of an iteration, as stats["time"]."""

    stat_name = "time"

    def __init__(self, *args, **kwargs):
        kwargs.setdefault("unit", "ms")
        kwargs.setdefault("precision", 0)
        super().__init__(*args, **kwargs)
        self.last = None

    def _get_value(self, *args):
        now, last = time.monotonic(), self.last
        self.last = now
        return (now - last) * 1000 if last is not None else 0.


class ProgressMonitor(Plugin):
    """Keeps how many samples of the epoch were used, as stats["progress"]."""

    stat_name = "progress"

    def __init__(self):
        super().__init__([(1, "iteration"), (1, "epoch")])

    def register(self, trainer):
        """Take a place in the stats of a trainer."""
        self.trainer = trainer
        dataset = trainer.dataset
        samples = len(getattr(dataset, "dataset", dataset))
        fields = ["{samples_used}/{epoch_size}", "({percent:.2f}%)"]
        trainer.stats[self.stat_name] = dict(samples_used=0, epoch_size=samples, percent=0., log_iter_fields=fields)

    def iteration(self, iteration, input, *args):
        """Count the samples of a batch."""
        stats = self.trainer.stats[self.stat_name]
        stats["samples_used"] += input.size(0)
        stats["percent"] = 100. * stats["samples_used"] / max(stats["epoch_size"], 1)

    def epoch(self, *args):
        """Begin anew."""
        self.trainer.stats[self.stat_name].update(samples_used=0, percent=0.)


class Logger(Plugin):
    """Prints stats.

    Args:
        fields: their names: "loss", or "loss.last" for one number of them.
        interval: when; by default after each iteration and each epoch.
    """

    def __init__(self, fields, interval=None):
        super().__init__([(1, "iteration"), (1, "epoch")] if interval is None else interval)
        self.fields = [field.split(".") for field in fields]

    def register(self, trainer):
        """Print the stats of a trainer."""
        self.trainer = trainer

    def iteration(self, *args):
        """Print a line."""
        print("\t".join(self._texts("log_iter_fields")))

    def epoch(self, number):
        """Print the means of an epoch."""
        print("Epoch %d summary: " % number + "\t".join(self._texts("log_epoch_fields")))

    def _texts(self, kind):
        """What is printed for each field that has something of the kind."""
        for path in self.fields:
            stats = self.trainer.stats
            for name in path[:-1]:
                stats = stats[name]
            value = stats[path[-1]]
            if not isinstance(value, dict):
                yield "%s: %s" % (".".join(path), stats.get("log_format", "{}").format(value))
            elif kind in value:
                yield "%s: %s" % (".".join(path), " ".join(value[kind]).format(**value))
