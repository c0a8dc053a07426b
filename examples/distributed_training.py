"""Training by two processes, each with a share of the data: gradients are averaged, weights stay the same in both."""
import os
import socket

import tensorlib
import tensorlib.distributed as dist
import tensorlib.multiprocessing as multiprocessing
from tensorlib import nn, optim
from tensorlib.autograd import Variable
from tensorlib.utils.data import DataLoader, TensorDataset
from tensorlib.utils.data.distributed import DistributedSampler

PROCESSES = 2


def samples():
    """Points on a plane, and which side of a parabola they are on."""
    generator = tensorlib.Generator()
    generator.manual_seed(0)
    points = tensorlib.rand(400, 2, generator=generator) * 2 - 1
    return TensorDataset(points, (points[:, 1] > points[:, 0] * points[:, 0]).long())


def train(rank, world_size, address):
    """What each process does; only lines with `dist` or `Distributed` tell that there are others."""
    dist.init_process_group("tcp", init_method=address, rank=rank, world_size=world_size)
    tensorlib.set_num_threads(max(1, os.cpu_count() // world_size))
    tensorlib.manual_seed(rank)         # other first weights in each: those of rank 0 are taken
    dataset = samples()
    sampler = DistributedSampler(dataset)
    loader = DataLoader(dataset, batch_size=20, sampler=sampler)
    net = nn.parallel.DistributedDataParallel(nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2)))
    optimizer = optim.SGD(net.parameters(), lr=0.5, momentum=0.9)
    for epoch in range(30):
        sampler.set_epoch(epoch)        # another order of the data, the same in all processes
        for points, sides in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(net(Variable(points)), Variable(sides))
            loss.backward()             # here gradients are averaged
            optimizer.step()

    right = (net(Variable(dataset.data_tensor)).data.max(1)[1] == dataset.target_tensor).sum()
    everywhere = [tensorlib.zeros(2) for _ in range(world_size)]
    dist.all_gather(everywhere, next(net.parameters()).data[0].contiguous())
    if rank == 0:
        print("rank 0 of %d: %.1f %% right" % (world_size, 100 * right / len(dataset)))
        print("the same weights everywhere:", all(w.tolist() == everywhere[0].tolist() for w in everywhere))
    dist.destroy_process_group()


def main():
    with socket.socket() as sock:       # a port that is free; on several machines you would choose one
        sock.bind(("127.0.0.1", 0))
        address = "tcp://127.0.0.1:%d" % sock.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=train, args=(rank, PROCESSES, address)) for rank in range(PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise SystemExit("a process has failed")


if __name__ == "__main__":
    main()
