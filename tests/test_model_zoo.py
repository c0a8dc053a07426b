"""utils.model_zoo: files of a server on this machine, and of its disk."""
import hashlib
import http.server
import os
import threading

import pytest

import tensorlib
from tensorlib.utils import model_zoo


@pytest.fixture
def weights(tmp_path):
    """A file of weights whose name has its hash."""
    plain = tmp_path / "weights.pth"
    tensorlib.save({"weight": tensorlib.arange(0, 6).view(2, 3)}, str(plain))
    named = tmp_path / ("net-%s.pth" % hashlib.sha256(plain.read_bytes()).hexdigest()[:8])
    return plain.rename(named)


@pytest.fixture
def server(tmp_path):
    """The folder as a web server shows it, and the paths that were asked for."""
    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(tmp_path))

        def do_GET(self):
            asked.append(self.path)
            if "half" in self.path:
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(b"x" * 10)
                return
            super().do_GET()

        def log_message(self, *args):
            pass

    asked = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield "http://127.0.0.1:%d/" % server.server_port, asked
        server.shutdown()
        thread.join()


def test_it_is_downloaded_once(weights, server, tmp_path, monkeypatch, capsys):
    address, asked = server
    monkeypatch.setenv("TENSORLIB_MODEL_ZOO", str(tmp_path / "zoo"))
    for _ in range(2):
        found = model_zoo.load_url(address + weights.name + "?version=2")
        assert found["weight"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert asked == ["/" + weights.name + "?version=2"]
    assert os.listdir(tmp_path / "zoo") == [weights.name]
    assert 'Downloading: "%s' % address in capsys.readouterr().err


def test_folders(weights, tmp_path, monkeypatch, capsys):
    model_zoo.load_url(weights.as_uri(), str(tmp_path / "given"), progress=False)
    assert (tmp_path / "given" / weights.name).exists()
    monkeypatch.delenv("TENSORLIB_MODEL_ZOO", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    model_zoo.load_url(weights.as_uri(), progress=False)
    assert (tmp_path / "home" / ".tensorlib" / "models" / weights.name).exists()
    assert capsys.readouterr().err == ""


def test_map_location_is_passed_on(weights, tmp_path):
    places = []

    def place(storage, tag):
        places.append(tag)
        return storage
    model_zoo.load_url(weights.as_uri(), str(tmp_path / "zoo"), place, progress=False)
    assert places == ["cpu"]


def test_another_file_is_refused(weights, tmp_path):
    other = weights.rename(tmp_path / "net-01234567.pth")
    with pytest.raises(RuntimeError, match="SHA256 hash is [0-9a-f]{64}, expected 01234567"):
        model_zoo.load_url(other.as_uri(), str(tmp_path / "zoo"), progress=False)
    assert os.listdir(tmp_path / "zoo") == []
    short = other.rename(tmp_path / "net-v2.pth")           # no hash: anything goes
    assert "weight" in model_zoo.load_url(short.as_uri(), str(tmp_path / "zoo"), progress=False)


@pytest.mark.parametrize("name, message", [("nowhere.pth", "404"), ("half.pth", "10 bytes, expected 1000")])
def test_what_cannot_be_had(server, tmp_path, name, message):
    with pytest.raises(RuntimeError, match=message):
        model_zoo.load_url(server[0] + name, str(tmp_path / "zoo"), progress=False)
    assert os.listdir(tmp_path / "zoo") == []
    with pytest.raises(ValueError, match="no name of a file"):
        model_zoo.load_url(server[0], str(tmp_path / "zoo"))
