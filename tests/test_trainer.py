"""The training loop: what plugins are told and when, what monitors keep, and that the model learns."""
import pytest

import tensorlib
from tensorlib import nn, optim
from tensorlib.utils.data import DataLoader, TensorDataset
from tensorlib.utils.trainer import Trainer, plugins


def make_trainer(**options):
    tensorlib.manual_seed(1)
    x = tensorlib.randn(60, 4)
    data = TensorDataset(x, (x.sum(1) > 0).long())
    model = nn.Linear(4, 2)
    optimizer = optim.SGD(model.parameters(), lr=0.5)
    return Trainer(model, nn.CrossEntropyLoss(), optimizer, DataLoader(data, batch_size=20, **options))


class Recorder(plugins.Plugin):
    """Notes each call."""

    def register(self, trainer):
        self.calls = []

    def __getattr__(self, unit):
        if unit not in ("batch", "iteration", "update", "epoch"):
            raise AttributeError(unit)
        return lambda time, *args: self.calls.append((unit, time, len(args)))


def test_when_plugins_are_called():
    trainer, recorder = make_trainer(), Recorder([(1, "batch"), (2, "iteration"), (3, "update"), (1, "epoch")])
    trainer.register_plugin(recorder)
    trainer.run(epochs=2)
    assert trainer.iterations == 6
    assert recorder.calls == [
        ("batch", 1, 2), ("batch", 2, 2), ("iteration", 2, 4), ("batch", 3, 2), ("update", 3, 1), ("epoch", 1, 0),
        ("batch", 4, 2), ("iteration", 4, 4), ("batch", 5, 2), ("batch", 6, 2), ("iteration", 6, 4), ("update", 6, 1),
        ("epoch", 2, 0)]


def test_bad_plugins():
    for interval in [(1, "year")], [(0, "epoch")]:
        with pytest.raises(ValueError, match="iteration, epoch"):
            make_trainer().register_plugin(Recorder(interval))
    with pytest.raises(NotImplementedError):
        make_trainer().register_plugin(plugins.Plugin())


def test_monitors_and_the_model(capsys):
    trainer = make_trainer()
    for plugin in (plugins.LossMonitor(), plugins.AccuracyMonitor(), plugins.TimeMonitor(), plugins.ProgressMonitor(),
                   plugins.Logger(["loss", "accuracy.last", "progress"], [(3, "iteration"), (1, "epoch")])):
        trainer.register_plugin(plugin)
    trainer.run(1)
    first = trainer.stats["loss"]["epoch_mean"]
    trainer.run(9)
    loss, accuracy = trainer.stats["loss"], trainer.stats["accuracy"]
    assert loss["epoch_mean"] < first / 2 and loss["last"] < first and accuracy["epoch_mean"] > 90
    assert trainer.stats["progress"]["epoch_size"] == 60 and trainer.stats["time"]["last"] >= 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 20
    assert lines[0].startswith("loss: ") and "accuracy.last: " in lines[0] and "progress: 60/60 (100.00%)" in lines[0]
    assert lines[1].startswith("Epoch 1 summary: loss: %.4f\taccuracy.last: " % first)


def test_averages():
    class Numbers(plugins.Monitor):
        stat_name = "numbers"

        def _get_value(self, iteration, *args):
            return iteration

    trainer = make_trainer()
    trainer.register_plugin(Numbers(smoothing=0.5))
    trainer.run(2)
    stats = trainer.stats["numbers"]
    assert stats["last"] == 6 and stats["epoch_mean"] == 5
    expected = 1
    for value in range(2, 7):
        expected = (expected + value) / 2
    assert stats["running_avg"] == expected


def test_an_optimizer_that_calls_the_closure_often():
    trainer = make_trainer()
    trainer.optimizer = optim.LBFGS(trainer.model.parameters(), max_iter=4)
    trainer.register_plugin(plugins.LossMonitor())
    trainer.run(2)
    assert trainer.iterations == 6 and trainer.stats["loss"]["epoch_mean"] < 0.2
