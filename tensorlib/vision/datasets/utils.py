"""Files from the network, each checked by its MD5 hash and put in place whole or not at all. Knows no dataset."""
import hashlib
import os
import shutil
import tarfile
import urllib.request

TIMEOUT = 60            # seconds without a byte
CHUNK = 1 << 20


def check_integrity(fpath, md5=None):
    """Tell whether a file exists and has this MD5 hash, if one is given."""
    if not os.path.isfile(fpath):
        return False
    return md5 is None or _md5(fpath) == md5


def _md5(path):
    digest = hashlib.md5()
    with open(path, "rb") as file:
        for piece in iter(lambda: file.read(CHUNK), b""):
            digest.update(piece)
    return digest.hexdigest()


def download_url(url, root, filename, md5=None):
    """Download a file to root/filename, unless it is there already.

    Args:
        url: where it is; or several such places, tried in turn.
        root: the folder, which is made if need be.
        filename: its name there.
        md5: the hash that it must have.

    Raises:
        RuntimeError: no place has it; the text tells why of each.
    """
    path = os.path.join(root, filename)
    if check_integrity(path, md5):
        return
    os.makedirs(root, exist_ok=True)
    failures = []
    for place in [url] if isinstance(url, str) else url:
        try:
            _fetch(place, path, md5)
            return
        except (OSError, ValueError) as error:          # URLError is an OSError
            failures.append("%s: %s" % (place, error))
    raise RuntimeError("%s cannot be downloaded.\n%s" % (filename, "\n".join(failures)))


def _fetch(url, path, md5):
    with urllib.request.urlopen(url, timeout=TIMEOUT) as source:
        _write(source, path, md5)


def _write(source, path, md5=None):
    """Copy a stream to a file that appears only when it is whole and has the hash."""
    temporary = "%s.%d.part" % (path, os.getpid())
    try:
        with open(temporary, "wb") as file:
            shutil.copyfileobj(source, file, CHUNK)
        if md5 is not None and _md5(temporary) != md5:
            raise ValueError("what came is not the file: its MD5 hash is %s, expected %s" % (_md5(temporary), md5))
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def extract(path, root, members):
    """Unpack some files of a tar.gz to the same places below root; nothing else in it is written.

    Raises:
        RuntimeError: it is damaged, or lacks one of them.
    """
    left = set(members)
    try:
        with tarfile.open(path, "r:gz") as tar:
            for entry in tar:
                if entry.name in left and entry.isfile():
                    target = os.path.join(root, *entry.name.split("/"))
                    os.makedirs(os.path.dirname(target), exist_ok=True)
                    _write(tar.extractfile(entry), target)
                    left.remove(entry.name)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise RuntimeError("%s is damaged: %s" % (path, error)) from error
    if left:
        raise RuntimeError("%s lacks %s" % (path, ", ".join(sorted(left))))
