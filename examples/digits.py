"""Trains a convolutional network to read handwritten digits, and shows how well it does.

    python examples/digits.py                   1,797 real digits of 8 x 8 pixels, which come with this file
    python examples/digits.py --data DIR        MNIST or Fashion-MNIST: DIR has their four idx files, packed or not

It prints the accuracy on images that were not trained on, saves the weights, and draws two pictures.
"""
import argparse
import gzip
import os
import time

import tensorlib
import tensorlib.nn.functional as F
from tensorlib import nn, optim
from tensorlib.autograd import Variable
from tensorlib.utils.data import DataLoader, Dataset, TensorDataset
from tensorlib.vision import datasets, transforms

try:
    from tqdm import tqdm
except ImportError:
    def tqdm(iterable, **options):
        return iterable

HERE = os.path.dirname(os.path.abspath(__file__))


class DigitsNet(nn.Module):
    """Three convolutions for images of 8 x 8."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
            nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
            nn.MaxPool2d(2), nn.Dropout(0.15),
            nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
            nn.MaxPool2d(2), nn.Dropout(0.15))
        self.classifier = nn.Sequential(nn.Linear(32 * 2 * 2, 128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, 10))

    def forward(self, x):
        x = self.features(x)
        return F.log_softmax(self.classifier(x.view(x.size(0), -1)))


class LeNet(nn.Module):
    """The small network of the MNIST example of 2017, for images of 28 x 28."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 10, kernel_size=5)
        self.conv2 = nn.Conv2d(10, 20, kernel_size=5)
        self.conv2_drop = nn.Dropout2d()
        self.fc1 = nn.Linear(320, 50)
        self.fc2 = nn.Linear(50, 10)

    def forward(self, x):
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.conv2_drop(self.conv2(x)), 2))
        x = x.view(-1, 320)
        x = F.relu(self.fc1(x))
        x = F.dropout(x, training=self.training)
        return F.log_softmax(self.fc2(x))


class Part(Dataset):
    """Those samples of a dataset whose numbers are given."""

    def __init__(self, dataset, indices):
        self.dataset, self.indices = dataset, indices

    def __getitem__(self, i):
        return self.dataset[self.indices[i]]

    def __len__(self):
        return len(self.indices)


def embedded_digits():
    """The digits beside this file, split at random: 1437 to train on, 360 to test on."""
    with gzip.open(os.path.join(HERE, "data", "digits.csv.gz"), "rt") as file:
        rows = tensorlib.LongTensor([[int(n) for n in line.split(",")] for line in file])
    images = rows[:, :64].float().div(16).view(-1, 1, 8, 8)
    digits = TensorDataset(images, rows[:, 64].contiguous())
    order = tensorlib.randperm(len(digits)).tolist()
    return Part(digits, order[:1437]), Part(digits, order[1437:])


def idx_files(folder):
    """MNIST, or whatever has its form, from idx files."""
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    return [datasets.MNIST(folder, train=train, transform=transform) for train in (True, False)]


def train(model, loader, optimizer, title):
    """Train for one epoch; returns the loss of each step."""
    model.train()
    losses = []
    for images, targets in tqdm(loader, desc=title, ncols=80, leave=False):
        optimizer.zero_grad()
        loss = F.nll_loss(model(Variable(images)), Variable(targets))
        loss.backward()
        optimizer.step()
        losses.append(loss.data[0])
    return losses


def predict(model, loader):
    """Return what the model says to all images of a loader, and the truth."""
    model.eval()
    said, truth = [], []
    for images, targets in loader:
        output = model(Variable(images, volatile=True))
        said += output.data.max(1)[1].tolist()
        truth += targets.tolist()
    return said, truth


def draw(losses, test_set, said, truth, out):
    try:
        import _pictures
    except ImportError:
        print("no pictures: they need Pillow (pip install Pillow)")
        return
    wrong = [i for i in range(len(said)) if said[i] != truth[i]]
    right = [i for i in range(len(said)) if said[i] == truth[i]]
    shown = (wrong[:20] + right)[:100]
    images = tensorlib.stack([test_set[i][0][0] for i in shown])
    images = (images - images.min()) / (images.max() - images.min())
    paths = [os.path.join(out, name) for name in ("loss.png", "predictions.png")]
    _pictures.loss_curve(losses, paths[0])
    _pictures.prediction_grid(images, [said[i] for i in shown], [truth[i] for i in shown], "0123456789", paths[1])
    print("pictures: %s and %s" % tuple(paths))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder of idx files, instead of the digits that come with this file")
    parser.add_argument("--epochs", type=int, help="times through the training images (default: 20, with --data 6)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2, help="processes that load data")
    parser.add_argument("--out", default=os.path.join("build", "demo"), help="folder of the checkpoint and pictures")
    return parser.parse_args()


def main():
    options = arguments()
    tensorlib.manual_seed(options.seed)
    started = time.time()
    if options.data:
        (train_set, test_set), model = idx_files(options.data), LeNet()
        optimizer = optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
        batch_size, epochs = 64, options.epochs or 6
    else:
        (train_set, test_set), model = embedded_digits(), DigitsNet()
        optimizer = optim.Adam(model.parameters(), lr=2e-3)
        batch_size, epochs = 32, options.epochs or 20
    train_loader = DataLoader(train_set, batch_size=batch_size, shuffle=True, num_workers=options.workers)
    test_loader = DataLoader(test_set, batch_size=250, num_workers=options.workers)
    scheduler = optim.lr_scheduler.MultiStepLR(optimizer, [int(epochs * 0.6), int(epochs * 0.85)], gamma=0.2)
    print(model)
    print("%d images to train on, %d to test on" % (len(train_set), len(test_set)))
    losses = []
    for epoch in range(epochs):
        scheduler.step()
        losses += train(model, train_loader, optimizer, "epoch %d of %d" % (epoch + 1, epochs))
        mean = sum(losses[-len(train_loader):]) / len(train_loader)
        print("epoch %2d: loss %.4f, %.1f s" % (epoch + 1, mean, time.time() - started))
    said, truth = predict(model, test_loader)
    right = sum(a == b for a, b in zip(said, truth))
    print("test accuracy: %.2f %% (%d of %d)" % (100.0 * right / len(truth), right, len(truth)))
    os.makedirs(options.out, exist_ok=True)
    path = os.path.join(options.out, "model.pt")
    tensorlib.save({"epochs": epochs, "seed": options.seed, "model": model.state_dict()}, path)
    print("checkpoint: " + path)
    draw(losses, test_set, said, truth, options.out)


if __name__ == "__main__":
    main()
