"""Images listed in a CSV file, read by pandas and loaded in batches by worker processes.

It makes its own images and CSV file in a folder that is removed at the end. Needs pandas and Pillow.

    python examples/data_loader.py
"""
import os
import tempfile

import pandas as pd
from PIL import Image

import tensorlib
import tensorlib.vision as tv

data_transforms = tv.transforms.Compose([
    tv.transforms.RandomCrop((64, 64), padding=4),
    tv.transforms.RandomHorizontalFlip(),
    tv.transforms.ToTensor(),
])


class ImagesDataset(tensorlib.utils.data.Dataset):
    def __init__(self, df, transform=None,
                 loader=tv.datasets.folder.default_loader):
        self.df = df
        self.transform = transform
        self.loader = loader

    def __getitem__(self, index):
        row = self.df.iloc[index]

        target = row['class_']
        path = row['path']
        img = self.loader(path)
        if self.transform is not None:
            img = self.transform(img)

        return img, target

    def __len__(self):
        n, _ = self.df.shape
        return n


def make_images(folder, n=60):
    """Write red, green and blue pictures and a CSV file with their paths and classes; returns its path."""
    rows = []
    for i in range(n):
        path = os.path.join(folder, "%d.png" % i)
        colour = [40, 40, 40]
        colour[i % 3] = 220
        Image.new("RGB", (64, 64), tuple(colour)).save(path)
        rows.append({"path": path, "class_": i % 3})
    csv = os.path.join(folder, "images.csv")
    pd.DataFrame(rows).to_csv(csv, index=False)
    return csv


def main():
    with tempfile.TemporaryDirectory() as folder:
        train_df = pd.read_csv(make_images(folder))
        train_dataset = ImagesDataset(df=train_df, transform=data_transforms)
        train_loader = tensorlib.utils.data.DataLoader(train_dataset,
                                                       batch_size=10,
                                                       shuffle=True,
                                                       num_workers=16)
        seen = 0
        for img, target in train_loader:
            seen += len(target)
            brightest = [int(image.mean(2).mean(1).max(0)[1][0]) for image in img]
            print("a batch of %s, classes %s" % (" x ".join(str(n) for n in img.size()), target.tolist()))
            assert brightest == target.tolist(), "the brightest channel should tell the class"
        print("%d images in %d batches, loaded by 16 processes" % (seen, len(train_loader)))


if __name__ == "__main__":
    main()
