"""The allocator of CPU memory: dead blocks serve again, do not pile up, and memory stays flat over a long training."""
import os
import subprocess
import sys

import tensorlib
from tensorlib import empty_cache, memory_stats, set_cache_limit


def test_dead_blocks_serve_again_and_are_counted():
    empty_cache()
    before = memory_stats()
    x = tensorlib.zeros(1 << 16)
    address = x.data_ptr()
    assert memory_stats()["allocated"] - before["allocated"] >= 4 << 16
    del x
    assert memory_stats()["allocated"] == before["allocated"] and memory_stats()["cached"] >= 4 << 16
    assert tensorlib.zeros(1 << 16).data_ptr() == address
    empty_cache()
    assert memory_stats()["cached"] == 0


def test_the_cache_can_be_turned_off():
    limit = set_cache_limit(0)
    try:
        tensorlib.zeros(1 << 16)
        assert memory_stats()["cached"] == 0
    finally:
        set_cache_limit(limit)


def test_a_dead_block_serves_a_little_smaller_one():
    """Batches of all lengths would else leave a block of each size behind."""
    empty_cache()
    address = tensorlib.zeros(1 << 17).data_ptr()
    x = tensorlib.zeros(100000)
    assert x.data_ptr() == address
    assert tensorlib.zeros(1 << 17).data_ptr() != address       # while it is in use
    del x
    assert tensorlib.zeros(1 << 16).data_ptr() != address       # half is too much to waste


def test_blocks_of_old_sizes_do_not_pile_up():
    """Living and dead blocks are at most twice what was ever alive at once, and some."""
    empty_cache()
    for n in range(1 << 16, 1 << 22, 1 << 15):                  # each size once: up to 16 MB alive, a GB in all
        tensorlib.FloatTensor(n)
    stats = memory_stats()
    assert stats["allocated"] + stats["cached"] <= 2 * stats["peak"] + (1 << 25)
    assert stats["cached"] < 1 << 28


TRAIN = """
import random
import tensorlib
from tensorlib import nn, optim
from tensorlib.autograd import Variable
from tensorlib.nn import functional as F

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) // 256

random.seed(0)
table, rnn, out = nn.Embedding(100, 64), nn.LSTM(64, 128), nn.Linear(128, 100)
conv = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2))
parameters = [p for m in (table, rnn, out, conv) for p in m.parameters()]
optimizer = optim.Adam(parameters)
seen = []
for step in range(STEPS):
    length = random.randint(2, 120)
    words = Variable((tensorlib.rand(length, 16) * 100).long())
    optimizer.zero_grad()
    loss = F.cross_entropy(out(rnn(table(words))[0].view(-1, 128)), words.view(-1))
    loss = loss + conv(Variable(tensorlib.randn(random.randint(1, 32), 1, 28, 28))).pow(2).mean()
    loss.backward()
    optimizer.step()
    seen.append(resident())
stats = tensorlib.memory_stats()
print(seen[0], max(seen[:STEPS // 3]), max(seen), stats["peak"] >> 20, stats["cached"])
"""


def run_training(steps, **environment):
    done = subprocess.run([sys.executable, "-c", TRAIN.replace("STEPS", str(steps))], capture_output=True, text=True,
                          env=dict(os.environ, **environment), timeout=600)
    assert done.returncode == 0, done.stderr
    return [int(word) for word in done.stdout.split()]


def test_memory_of_a_long_loop_stays_flat():
    """Sentences and batches of all sizes: megabytes at the start, after a third and at most."""
    first, third, most, alive, _ = run_training(150)
    assert most - third < 8 and most - first < 2 * alive + 40


def test_without_a_cache_memory_goes_back_at_once():
    first, _, most, alive, cached = run_training(20, TENSORLIB_CACHE="0")
    assert cached == 0 and most - first < alive + 10
