"""Files from the network, each checked by its MD5 hash and put in place whole or not at all. Knows no dataset."""
import os
import tarfile

from ...utils._download import digest_of, fetch, write_whole


def check_integrity(fpath, md5=None):
    """Tell whether a file exists and has this MD5 hash, if one is given."""
    if not os.path.isfile(fpath):
        return False
    return md5 is None or digest_of(fpath, "md5") == md5


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
            fetch(place, path, "md5", md5)
            return
        except (OSError, ValueError) as error:          # URLError is an OSError
            failures.append("%s: %s" % (place, error))
    raise RuntimeError("%s cannot be downloaded.\n%s" % (filename, "\n".join(failures)))


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
                    write_whole(tar.extractfile(entry), target)
                    left.remove(entry.name)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise RuntimeError("%s is damaged: %s" % (path, error)) from error
    if left:
        raise RuntimeError("%s lacks %s" % (path, ", ".join(sorted(left))))
