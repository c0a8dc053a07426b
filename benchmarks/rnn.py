"""Recurrent networks against PyTorch: training steps of GRU, LSTM and RNN, single cells, inference, a language model.

    python benchmarks/rnn.py [--threads N ...] [--rounds N] [--only TEXT] [--json FILE]
"""
import tensorlib
from _measure import main, torch
from tensorlib.autograd import Variable


def wrap(module, tensor, **options):
    """A leaf on a tensor: a Variable with us, the tensor itself with PyTorch."""
    if module is tensorlib:
        return Variable(tensor, **options)
    return tensor.requires_grad_(options.get("requires_grad", False))


def training(module, kind, features, hidden, batch, steps, **options):
    """Forward and backward of a layer from its output, with a gradient for the input."""
    layer = getattr(module.nn, kind)(features, hidden, **options)
    x = wrap(module, module.rand(steps, batch, features), requires_grad=True)
    gradient = module.rand(steps, batch, hidden * (2 if options.get("bidirectional") else 1))

    def run():
        layer.zero_grad()
        layer(x)[0].backward(gradient)
    return run


def inference(module, kind, features, hidden, batch, steps):
    """Forward of a layer with nothing recorded."""
    layer = getattr(module.nn, kind)(features, hidden)
    x = module.rand(steps, batch, features)

    def run():
        with module.no_grad():
            layer(wrap(module, x))
    return run


def cell(module, kind, features, hidden, batch, steps):
    """Forward and backward of a single cell called in a loop."""
    net = getattr(module.nn, kind)(features, hidden)
    inputs = [wrap(module, module.rand(batch, features)) for _ in range(steps)]
    start = wrap(module, module.zeros(batch, hidden))

    def run():
        net.zero_grad()
        state = (start, start) if kind == "LSTMCell" else start
        for x in inputs:
            state = net(x, state)
        (state[0] if kind == "LSTMCell" else state).sum().backward()
    return run


def language_model(module, vocabulary=1000, hidden=200, batch=20, steps=35, layers=2):
    """A training step: embedding, LSTM of two layers with dropout, decoder, loss, clipped gradients, SGD by hand."""
    nn = module.nn
    table, rnn = nn.Embedding(vocabulary, hidden), nn.LSTM(hidden, hidden, layers, dropout=0.2)
    drop, decoder, criterion = nn.Dropout(0.2), nn.Linear(hidden, vocabulary), nn.CrossEntropyLoss()
    net = nn.ModuleList([table, rnn, drop, decoder])
    words = wrap(module, (module.rand(steps, batch) * vocabulary).long())
    targets = wrap(module, (module.rand(steps * batch) * vocabulary).long())
    start = [module.zeros(layers, batch, hidden) for _ in range(2)]
    clip = nn.utils.clip_grad_norm if module is tensorlib else nn.utils.clip_grad_norm_

    def run():
        net.zero_grad()
        output, _ = rnn(drop(table(words)), tuple(wrap(module, h) for h in start))
        loss = criterion(decoder(drop(output).view(-1, hidden)), targets)
        loss.backward()
        clip(net.parameters(), 0.25)
        for p in net.parameters():
            p.data.add_(p.grad.data, alpha=-1) if module is torch else p.data.add_(-1, p.grad.data)
    return run


def both(make, *args, **options):
    return [module and make(module, *args, **options) for module in (tensorlib, torch)]


def cases(suite):
    def compare(name, make, *args, goal=1, **options):
        suite.compare(name, *both(make, *args, **options), goal=goal, turn=0.05)

    compare("GRU 64, batch 4, 50 steps", training, "GRU", 64, 64, 4, 50, goal=4)
    for hidden in (16, 32, 64, 128, 256, 512):
        compare("LSTM %d, batch 20, 35 steps" % hidden, training, "LSTM", hidden, hidden, 20, 35)
    compare("LSTM 64, batch 1, 50 steps", training, "LSTM", 64, 64, 1, 50)
    compare("LSTM 128, batch 64, 20 steps", training, "LSTM", 128, 128, 64, 20)
    compare("LSTM 64, 2 layers, both directions", training, "LSTM", 64, 64, 8, 30, num_layers=2, bidirectional=True)
    compare("GRU 256, batch 20, 35 steps", training, "GRU", 256, 256, 20, 35)
    compare("RNN 128, batch 20, 35 steps", training, "RNN", 128, 128, 20, 35)
    compare("LSTM 128 inference, batch 1, 50 steps", inference, "LSTM", 128, 128, 1, 50)
    compare("GRU 128 inference, batch 16, 50 steps", inference, "GRU", 128, 128, 16, 50)
    for kind in ("LSTMCell", "GRUCell", "RNNCell"):
        compare("%s 51, batch 4, 20 steps" % kind, cell, kind, 51, 51, 4, 20)
    compare("language model, 2 x LSTM 200", language_model, goal=1.5)


if __name__ == "__main__":
    main(__doc__, cases)
