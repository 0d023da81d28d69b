"""Pins downloads against a real server: resumed, checked before they get their name, and honest about failures."""

import contextlib
import gzip
import hashlib
import http.server
import io
import socket
import struct
import tarfile
import threading

import numpy as np
import pytest

from lookalike.core.errors import LookalikeError, MachineError
from lookalike.data import cifar10, download, mnist
from lookalike.data.download import fetch
from lookalike.data.loading import load

DATA = np.random.default_rng(0).integers(0, 256, 100_000, dtype=np.uint8).tobytes()


def md5(data):
    return hashlib.md5(data).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.requests.append((self.path, self.headers.get("Range")))
        data = server.files.get(self.path.lstrip("/"))
        if data is None:
            return self.send_error(404)
        start = 0
        if server.ranges and self.headers.get("Range"):
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            if start >= len(data):
                return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        stop = len(data) if server.break_at is None else server.break_at
        self.wfile.write(data[start:stop])
        if server.stall:
            server.released.wait(10)
        return None

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    """Serves `files` by name; may lack ranges, break off at a byte, or fall silent there."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.requests = {"data.bin": DATA}, []
        self.ranges, self.break_at, self.stall, self.released = True, None, False, threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}/"

    @property
    def ranges_asked(self):
        return [asked for _, asked in self.requests]


@contextlib.contextmanager
def serving():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.released.set()
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def server():
    with serving() as server:
        yield server


@pytest.fixture
def nobody():
    """The address of a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{probe.getsockname()[1]}/data.bin"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_plain_fetch_makes_the_folder(server, tmp_path):
    path = tmp_path / "new/folder/data.bin"
    fetch([server.url + "data.bin"], path, md5(DATA))
    assert path.read_bytes() == DATA
    assert names(path.parent) == ["data.bin"]
    assert server.ranges_asked == [None]


def test_a_whole_file_is_not_fetched_again(server, tmp_path):
    (tmp_path / "data.bin").write_bytes(DATA)
    fetch([server.url + "data.bin"], tmp_path / "data.bin", md5(DATA))
    assert server.requests == []


def test_a_damaged_file_is_replaced(server, tmp_path):
    (tmp_path / "data.bin").write_bytes(DATA[:50])
    fetch([server.url + "data.bin"], tmp_path / "data.bin", md5(DATA))
    assert (tmp_path / "data.bin").read_bytes() == DATA


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("have", [1, 60_000])
def test_what_has_arrived_is_resumed_where_the_server_can(server, tmp_path, ranges, have):
    server.ranges = ranges
    (tmp_path / "data.bin.part").write_bytes(DATA[:have])
    fetch([server.url + "data.bin"], tmp_path / "data.bin", md5(DATA))
    assert (tmp_path / "data.bin").read_bytes() == DATA
    assert names(tmp_path) == ["data.bin"]
    assert server.ranges_asked == [f"bytes={have}-"]


def test_a_part_that_is_whole_only_gets_its_name(server, tmp_path):
    (tmp_path / "data.bin.part").write_bytes(DATA)
    fetch([server.url + "data.bin"], tmp_path / "data.bin", md5(DATA))
    assert (tmp_path / "data.bin").read_bytes() == DATA
    assert names(tmp_path) == ["data.bin"]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_download_goes_on_the_next_time(server, tmp_path, ranges):
    server.ranges, server.break_at = ranges, 70_000
    with pytest.raises(LookalikeError, match=r"data\.bin: broke off after 70000 of 100000 bytes"):
        fetch([server.url + "data.bin"], tmp_path / "data.bin", md5(DATA))
    assert names(tmp_path) == ["data.bin.part"]
    assert (tmp_path / "data.bin.part").read_bytes() == DATA[:70_000]
    server.break_at = None
    fetch([server.url + "data.bin"], tmp_path / "data.bin", md5(DATA))
    assert (tmp_path / "data.bin").read_bytes() == DATA
    assert server.ranges_asked == [None, "bytes=70000-"]


def test_the_second_address_goes_on_where_the_first_broke_off(server, tmp_path):
    server.break_at = 70_000
    with serving() as second:
        fetch([server.url + "data.bin", second.url + "data.bin"], tmp_path / "data.bin", md5(DATA))
        assert second.ranges_asked == ["bytes=70000-"]
    assert (tmp_path / "data.bin").read_bytes() == DATA


def test_a_silent_server_is_given_up(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "_TIMEOUT_S", 0.2)
    server.break_at, server.stall = 70_000, True
    with pytest.raises(LookalikeError, match=r"data\.bin: timed out"):
        fetch([server.url + "data.bin"], tmp_path / "data.bin", md5(DATA))
    assert names(tmp_path) == ["data.bin.part"]


def test_wrong_checksum_is_reported_and_removed(server, tmp_path):
    server.files["data.bin"] = b"something else"
    expected = rf"checksum {md5(b'something else')}, expected {md5(DATA)}; the wrong file was removed"
    with pytest.raises(LookalikeError, match=expected):
        fetch([server.url + "data.bin"], tmp_path / "data.bin", md5(DATA))
    assert names(tmp_path) == []


def test_wrong_checksum_leaves_an_earlier_file_alone(server, tmp_path):
    (tmp_path / "data.bin").write_bytes(b"the user's own")
    server.files["data.bin"] = b"something else"
    with pytest.raises(LookalikeError, match="checksum"):
        fetch([server.url + "data.bin"], tmp_path / "data.bin", md5(DATA))
    assert (tmp_path / "data.bin").read_bytes() == b"the user's own"


def test_the_file_has_no_name_before_its_checksum_is_right(server, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(download, "checksum", lambda path: seen.append((path.name, names(tmp_path))) or md5(DATA))
    fetch([server.url + "data.bin"], tmp_path / "data.bin", md5(DATA))
    assert seen == [("data.bin.part", ["data.bin.part"])]


def test_missing_file_on_the_server(server, tmp_path):
    with pytest.raises(LookalikeError) as error:
        fetch([server.url + "nothing.bin"], tmp_path / "data.bin", md5(DATA))
    assert str(error.value) == (
        f"could not download data.bin:\n  - {server.url}nothing.bin: HTTP Error 404: Not Found\n"
        f"Run the same command again to go on, or put the file into {tmp_path} by hand."
    )


def test_unreachable_host(nobody, tmp_path):
    with pytest.raises(LookalikeError, match=rf"{nobody}: .*Connection refused") as error:
        fetch([nobody], tmp_path / "data.bin", md5(DATA))
    assert not isinstance(error.value, MachineError)
    assert names(tmp_path) == []


def test_the_next_address_is_tried(server, nobody, tmp_path):
    urls = [nobody, server.url + "nothing.bin", server.url + "data.bin"]
    fetch(urls, tmp_path / "data.bin", md5(DATA))
    assert (tmp_path / "data.bin").read_bytes() == DATA


def test_every_address_that_failed_is_listed(server, nobody, tmp_path):
    with pytest.raises(LookalikeError, match=r"(?s)Connection refused.*404"):
        fetch([nobody, server.url + "nothing.bin"], tmp_path / "data.bin", md5(DATA))


def test_a_place_that_cannot_be_written_is_the_machines_fault(server, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(MachineError, match="cannot write"):
        fetch([server.url + "data.bin"], tmp_path / "file/data.bin", md5(DATA))


def idx(array):
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def mnist_server(server, monkeypatch):
    x, y = np.arange(72, dtype=np.uint8).reshape(2, 6, 6), np.array([3, 1], dtype=np.uint8)
    server.files = {f"{name}.gz": gzip.compress(idx(x if "images" in name else y)) for name in mnist._FILES}
    monkeypatch.setattr(mnist, "_HOSTS", (server.url,))
    monkeypatch.setattr(mnist, "_FILES", {name: md5(server.files[f"{name}.gz"]) for name in mnist._FILES})
    return server


def test_mnist_from_end_to_end(mnist_server, tmp_path):
    place = tmp_path / "mnist"
    images = load(f"mnist:{place}", download=True)
    assert images.pixels.shape == (4, 1, 6, 6)
    assert images.labels.tolist() == [3, 1, 3, 1]
    assert names(place) == sorted(mnist_server.files)
    load(f"mnist:{place}", download=True)
    assert len(mnist_server.requests) == 4  # all there: nothing was asked for again


def test_mnist_fetches_only_what_is_missing(mnist_server, tmp_path):
    unpacked = "train-images-idx3-ubyte"
    (tmp_path / unpacked).write_bytes(gzip.decompress(mnist_server.files[f"{unpacked}.gz"]))
    load(f"mnist:{tmp_path}", download=True)
    assert len(mnist_server.requests) == 3 and f"/{unpacked}.gz" not in dict(mnist_server.requests)


def test_mnist_with_a_wrong_checksum_is_not_read(mnist_server, tmp_path):
    mnist_server.files["t10k-images-idx3-ubyte.gz"] = gzip.compress(idx(np.zeros((2, 6, 6), dtype=np.uint8)))
    with pytest.raises(LookalikeError, match=r"could not download t10k-images-idx3-ubyte\.gz:\n.*checksum"):
        load(f"mnist:{tmp_path}", download=True)
    assert names(tmp_path) == ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"]


def test_nothing_is_fetched_unasked(mnist_server, tmp_path):
    with pytest.raises(LookalikeError, match="--download"):
        load(f"mnist:{tmp_path}")
    assert mnist_server.requests == []


@pytest.fixture
def cifar10_server(server, monkeypatch):
    rng, file = np.random.default_rng(0), io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name in cifar10._BATCHES:
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            member.size = 2 * 3073
            records = rng.integers(0, 10, (2, 3073), dtype=np.uint8)
            tar.addfile(member, io.BytesIO(records.tobytes()))
    server.files = {"cifar.tar.gz": file.getvalue()}
    monkeypatch.setattr(cifar10, "_URL", server.url + "cifar.tar.gz")
    monkeypatch.setattr(cifar10, "_MD5", md5(file.getvalue()))
    return server


def test_cifar10_from_end_to_end(cifar10_server, tmp_path):
    place = tmp_path / "cifar"
    assert load(f"cifar10:{place}", download=True).pixels.shape == (12, 3, 32, 32)
    assert names(place) == ["cifar-10-binary.tar.gz"]  # read as it came, nothing unpacked
    load(f"cifar10:{place}", download=True)
    assert len(cifar10_server.requests) == 1


def test_cifar10_resumes(cifar10_server, tmp_path):
    cifar10_server.break_at = 5000
    with pytest.raises(LookalikeError, match="broke off after 5000 of"):
        load(f"cifar10:{tmp_path}", download=True)
    assert names(tmp_path) == ["cifar-10-binary.tar.gz.part"]
    cifar10_server.break_at = None
    assert len(load(f"cifar10:{tmp_path}", download=True)) == 12
    assert cifar10_server.ranges_asked == [None, "bytes=5000-"]


def test_cifar10_with_a_wrong_checksum_is_not_read(cifar10_server, tmp_path):
    cifar10_server.files["cifar.tar.gz"] += b"more"
    with pytest.raises(LookalikeError, match="checksum"):
        load(f"cifar10:{tmp_path}", download=True)
    assert names(tmp_path) == []
