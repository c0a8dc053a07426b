"""Files from the network, each checked by a hash and put in place whole or not at all. Knows nothing of their contents.

With tqdm installed, a bar shows how far it is.
"""
import hashlib
import os
import urllib.request

TIMEOUT = 60            # seconds without a byte
CHUNK = 1 << 20


def digest_of(path, algorithm):
    """The hash of a file, as hexadecimal digits."""
    digest = hashlib.new(algorithm)
    with open(path, "rb") as file:
        for piece in iter(lambda: file.read(CHUNK), b""):
            digest.update(piece)
    return digest.hexdigest()


def fetch(url, path, algorithm="md5", expected=None, progress=False):
    """Download to a path; see write_whole. progress: show a bar, if tqdm is there.

    Raises:
        OSError: it cannot be had. ValueError: what came is not the file.
    """
    with urllib.request.urlopen(url, timeout=TIMEOUT) as source:
        size = source.headers.get("Content-Length")
        size = int(size) if size else None
        with _bar(size, progress) as bar:
            write_whole(source, path, algorithm, expected, size, bar.update)


def write_whole(source, path, algorithm="md5", expected=None, size=None, tell=lambda n: None):
    """Copy a stream to a file that appears only when it is whole and its hash begins with `expected`.

    Args: size is the number of bytes, if it is known; tell is called with that of each piece.
    Raises: ValueError: bytes are missing, or the hash is another.
    """
    temporary = "%s.%d.part" % (path, os.getpid())
    digest, total = hashlib.new(algorithm), 0
    try:
        with open(temporary, "wb") as file:
            for piece in iter(lambda: source.read(CHUNK), b""):
                file.write(piece)
                digest.update(piece)
                total += len(piece)
                tell(len(piece))
        if size is not None and total != size:
            raise ValueError("what came is not the file: it has %d bytes, expected %d" % (total, size))
        if expected and not digest.hexdigest().startswith(expected):
            raise ValueError("what came is not the file: its %s hash is %s, expected %s"
                             % (algorithm.upper(), digest.hexdigest(), expected))
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


class _NoBar:
    """Takes the place of the bar where nothing is shown."""

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def update(self, n):
        pass


def _bar(total, progress):
    if progress:
        try:
            from tqdm import tqdm
            return tqdm(total=total, unit="B", unit_scale=True)
        except ImportError:
            pass
    return _NoBar()
