import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from learned_jpeg.cli import command, main
from learned_jpeg.runtime.packages import PROJECT
from learned_jpeg.view import pictures, server

import pytest
from makers import chunk, picture, saved

PNG = saved(picture(30, 40), "PNG")


def refused(found, *request, **options):
    status, said = found.send(*request, **options)
    assert said.count(b"\n") == 1 and found.server.token.encode() not in said
    return status


def raw(found, data, ends=True):
    """The server's answer to bytes."""
    with socket.create_connection(("127.0.0.1", found.server.server_port), timeout=30) as one:
        one.sendall(data)
        if ends:
            one.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: one.recv(65536), b""))


def test_only_who_knows_the_address_gets_an_answer(serve, folder):
    found = serve(folder / "photo.jpg")
    port = found.server.server_port
    assert found.send("GET", "state")[0] == 200
    for host in (f"evil.example:{port}", f"localhost:{port}", "127.0.0.1", f"127.0.0.1:{port + 1}"):
        assert refused(found, "GET", "state", headers={"Host": host}) == 403
    for origin in ("https://evil.example", "null", f"http://localhost:{port}", ""):
        for method in ("GET", "POST"):
            headers = {"Origin": origin}
            assert refused(found, method, "state", headers=headers) == 403
    assert found.send("GET", "state", headers={"Origin": None})[0] == 200  # a link has none
    assert refused(found, "POST", "remove", '{"picture": 1}', headers={"Origin": None}) == 403
    for token in ("", "x", found.server.token[:-1], found.server.token + "x", "%2e%2e", "é"):
        token = token if token.isascii() else "%C3%A9"
        assert refused(found, "GET", "state", token=token) == 403
    assert len(found.state()["pictures"]) == 1


def test_a_path_is_no_file(serve, folder):
    found = serve(folder / "photo.jpg")
    for path in (
        "../photo.jpg",
        "..%2f..%2fetc/passwd",
        "/etc/passwd",
        str(folder / "photo.jpg"),
        "photo.jpg",
        "page.html/../server.py",
        "server.py",
        "original/../state",
        "original/0x1",
        "original/1?x",
        "STATE",
    ):
        assert refused(found, "GET", path) == 404
    for number in ("0", "2", "999999999"):
        assert found.send("GET", f"original/{number}")[0] == 422


def test_forged_and_broken_requests_get_nothing_and_harm_nothing(serve, folder, monkeypatch):
    monkeypatch.setattr(server._Handler, "timeout", 0.3)
    found = serve(folder / "photo.jpg")
    host, path = found.server.origin[7:], f"/{found.server.token}/pictures?name=a.png"
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: {found.server.origin}\r\n".encode()
    for request, status in (
        (head + b"Content-Length: 99999999999\r\n\r\n", b"413"),
        (head + b"Content-Length: -1\r\n\r\n", b"411"),
        (head + b"Content-Length: 1e3\r\n\r\n", b"411"),
        (head + b"\r\n", b"411"),
        (head + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", b"411"),
        (head + b"Content-Length: 1000\r\n\r\nhalf", b"400"),
        (head + b"Host: evil.example\r\nContent-Length: 4\r\n\r\nabcd", b"403"),
        (f"GET http://{host}{path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode(), b"403"),
        (f"DELETE {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode(), b"501"),
        (b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),
    ):
        assert re.search(rb"(^|HTTP/1.0 )" + status, raw(found, request)), request[:200]
    half = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n".encode()
    start = time.monotonic()
    assert raw(found, half, ends=False) == b""  # nobody waits for the rest
    raw(found, head + b"Content-Length: 1000\r\n\r\nhalf", ends=False)
    assert time.monotonic() - start < 10
    for body in (b"", b"[]", b"{", b'{"picture": "1"}', b'{"picture": true}', b"[" * 30000):
        assert refused(found, "POST", "remove", body) == 400
    assert refused(found, "POST", "remove", b" " * (server.MOST_JSON + 1)) == 413
    assert [one["name"] for one in found.state()["pictures"]] == ["photo.jpg"]


def test_more_connections_than_a_browser_has_are_closed(serve, monkeypatch):
    monkeypatch.setattr(server, "_CONNECTIONS", 3)
    found = serve()
    held = [socket.create_connection(("127.0.0.1", found.server.server_port)) for _ in range(3)]
    for one in held:
        one.sendall(b"GET /")
    time.sleep(0.2)
    with pytest.raises(OSError):
        found.state()
    for one in held:
        one.close()
    time.sleep(0.2)
    assert found.state()["pictures"] == []


def test_the_page_may_ask_this_server_alone(serve):
    found = serve()
    with socket.create_connection(("127.0.0.1", found.server.server_port)) as one:
        one.sendall(f"GET /{found.server.token}/ HTTP/1.1\r\nHost: ".encode())
        one.sendall(f"{found.server.origin[7:]}\r\n\r\n".encode())
        answer = b"".join(iter(lambda: one.recv(65536), b"")).decode()
    head, _, page = answer.partition("\r\n\r\n")
    assert "default-src 'none'" in head and "frame-ancestors 'none'" in head
    assert "Cross-Origin-Resource-Policy: same-origin" in head and "Cache-Control: no-store" in head
    assert not re.search(r'(src|href)="(?!data:)[^"]*(//|\.\.)', page)
    assert "Python" not in head


def bomb(width, height):
    """A PNG that is small as a file."""
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\0\0\0"
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"x") + chunk(b"IEND", b"")
    )


def test_pictures_that_are_broken_or_too_large_are_a_line_and_leave_nothing(serve, monkeypatch):
    found = serve()
    for name, data, words in (
        ("half.png", PNG[: len(PNG) // 2], "half.png: "),
        ("text.jpg", b"no picture", "text.jpg: cannot be read as an image"),
        ("empty.png", b"", "empty.png: "),
        ("large.png", bomb(10000, 10000), "megapixels"),
        ("long.png", bomb(10**6, 1), "long.png: "),
    ):
        error = found.add(name, data)["error"]
        assert words in error and "\n" not in error and "/" not in error, error
    monkeypatch.setattr(pictures, "MOST_BYTES", len(PNG) - 1)
    assert "at most" in found.add("a.png", PNG)["error"]
    monkeypatch.setattr(pictures, "MOST_BYTES", len(PNG))
    assert [found.add("a.png", PNG).get("name") for _ in range(3)] == ["a.png", "a.png", None]
    assert "too many pictures" in found.add("a.png", PNG)["error"]
    assert len(found.state()["pictures"]) == 2


def test_no_answer_holds_a_folder_of_this_machine(serve, folder):
    (folder / "broken.png").write_bytes(PNG[:200])
    found = serve(folder / "photo.jpg", folder / "broken.png", folder / "gone.png")
    said = [json.dumps(found.state()), json.dumps(found.file(1)), json.dumps(found.file(2))]
    said += [json.dumps(found.file(3)), found.send("GET", "thumbnail/3")[1].decode()]
    assert "broken.png: " in said[2] and "gone.png: cannot be read" in said[3]
    for place in (folder, folder.parent, PROJECT, Path.home()):
        assert str(place) not in "".join(said)
    line = server._Handler._line(None, ValueError("/usr/lib/x.py: no /a b, 1/2 of http://x/y/z"))
    assert line == "x.py: no /a b, 1/2 of http://x/y/z"


def test_memory_is_bounded_over_a_thousand_requests(serve, folder):
    found = serve(folder / "photo.jpg")

    def work(count):
        for number in range(count):
            if number % 5 == 0:
                found.file(1, dial=1 + number % 100)
            elif number % 5 == 1:
                added = found.add("a.png", PNG)["number"]
                found.get(f"thumbnail/{added}")
                found.send("POST", "remove", json.dumps({"picture": added}))
            else:
                found.get("original/1")

    def resident():
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    work(100)
    before = resident()
    work(1000)
    assert resident() - before < 20_000_000
    assert len(found.server.making.files._all) <= 16


@pytest.fixture
def started(tmp_path):
    """`view` as a process: (the process, its address)."""
    process = subprocess.Popen(
        [sys.executable, "-m", "learned_jpeg", "view", "--max_megapixels", "1"],
        env=os.environ | {"PYTHONPATH": str(PROJECT), "TMPDIR": str(tmp_path)},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    yield process, process.stdout.readline().strip()
    process.kill()
    process.communicate()


def test_ctrl_c_ends_it_at_once_and_leaves_nothing(started, tmp_path):
    process, address = started
    port = int(re.match(r"http://127\.0\.0\.1:(\d+)/[\w-]{32}/$", address)[1])
    with socket.create_connection(("127.0.0.1", port)) as one:
        one.sendall(b"GET /half")  # a request that never ends
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert time.monotonic() - start < 2
    assert process.stderr.read() == "interrupted\n"
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_what_cannot_be_served_is_said_at_once(tmp_path, capsys, trained):
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    for words, said in (
        ([str(tmp_path / "none.png")], "no such file"),
        ([str(tmp_path)], "no image in this folder"),
        (["--model", "best"], "none of the shipped ones"),
        (["--model", str(trained)], "holds a model of ljpeg"),
        (["--port", str(taken.getsockname()[1])], "--port"),
    ):
        with pytest.raises(SystemExit) as end:
            command.run(lambda words=words: main.main(["view", *words]))
        assert end.value.code == 2
        assert said in capsys.readouterr().err
    taken.close()
