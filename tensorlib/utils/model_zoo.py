"""Trained weights from the network, kept in a folder after the first time."""
import os
import re
import sys
from urllib.parse import unquote, urlsplit

from ..serialization import load
from ._download import fetch

FOLDER = os.path.join("~", ".tensorlib", "models")
HASH = re.compile(r"-([a-f0-9]{8,})\.")         # how names of such files tell the beginning of their SHA-256


def load_url(url, model_dir=None, map_location=None, progress=True):
    """Load an object that save() wrote from an address; it is downloaded unless the folder has it.

    If the name in the address looks like name-0123abcd.pth, the digits are the beginning of the file's SHA-256, and
    another file is refused.

    Args:
        url (str): where it is.
        model_dir (str, optional): the folder: $TENSORLIB_MODEL_ZOO, or ~/.tensorlib/models, unless given.
        map_location (optional): where storages go, as for load().
        progress (bool): write to standard error what is downloaded, with a bar where tqdm is installed.

    Raises:
        RuntimeError: it cannot be downloaded, or is another file; the folder is as it was.
    """
    folder = os.path.expanduser(model_dir or os.environ.get("TENSORLIB_MODEL_ZOO") or FOLDER)
    name = os.path.basename(unquote(urlsplit(url).path))
    if not name:
        raise ValueError("load_url: there is no name of a file in %r" % url)
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        os.makedirs(folder, exist_ok=True)
        if progress:
            sys.stderr.write('Downloading: "%s" to %s\n' % (url, path))
        found = HASH.search(name)
        try:
            fetch(url, path, "sha256", found.group(1) if found else None, progress)
        except (OSError, ValueError) as error:          # URLError is an OSError
            raise RuntimeError("load_url: %s cannot be downloaded: %s" % (url, error)) from error
    return load(path, map_location=map_location)
