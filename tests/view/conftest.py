"""A server of the page in this process, and a client of it."""

import http.client
import json
import threading

from learned_jpeg.cli import command
from learned_jpeg.models.rdo import RDO
from learned_jpeg.pictures import reading
from learned_jpeg.view.choices import Choices
from learned_jpeg.view.making import Making
from learned_jpeg.view.pictures import Pictures
from learned_jpeg.view.server import Server

import numpy as np
import pytest
from makers import picture
from PIL import Image, ImageCms


class Asker:
    """Asks a server as the page does."""

    def __init__(self, server):
        self.server = server

    def send(self, method, path, body=None, headers=(), token=None):
        """(status, bytes) of a request below the token. headers: in place of the page's own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.server_port, timeout=60)
        headers = {"Origin": self.server.origin} | dict(headers)
        headers = {name: value for name, value in headers.items() if value is not None}
        token = self.server.token if token is None else token
        try:
            connection.request(method, f"/{token}/{path}", body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def get(self, path):
        status, data = self.send("GET", path)
        assert status == 200, data
        return data

    def state(self):
        return json.loads(self.get("state"))

    def add(self, name, data):
        """The answer to a dropped picture."""
        return json.loads(self.send("POST", f"pictures?name={name}", data)[1])

    def tell(self, job, place="place", **body):
        """The messages of a job."""
        status, data = self.send("POST", job, json.dumps({"place": place, **body}))
        assert status == 200, data
        return [json.loads(line) for line in data.splitlines()]

    def file(self, number, **choice):
        """The message on the file of a choice."""
        choice = {"model": "rdo_visual", **choice}
        lines = self.tell("choice", picture=number, choice=choice)
        (found,) = [line["file"] for line in lines if "file" in line] or [lines[-1]]
        return found


@pytest.fixture
def serve():
    """Starts a server of some paths; returns its Asker."""
    started = []

    def start(*paths, architecture=RDO, program="learned-jpeg", named=(), megapixels=2.0):
        parser = command._compress_parser(architecture)

        def parse(words):
            return command._with_model(architecture, parser.parse_args(words))

        limit = reading.limit(megapixels)
        limit.__enter__()
        choices = Choices(architecture, program, parse, named)
        server = Server(Making(Pictures(paths), choices))
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        started.append((server, limit))
        return Asker(server)

    yield start
    for server, limit in started:
        server.shutdown()
        server.server_close()
        limit.__exit__(None, None, None)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with pictures, which the commands run in: one that is turned and has a profile of
    its own, one whose name a shell would take apart, a JPEG file, one of 16 bits and gray."""
    monkeypatch.chdir(tmp_path)
    exif = Image.Exif()
    exif[274] = 6  # orientation: a quarter to the right
    exif[270] = "A description"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture(45, 70).save(tmp_path / "turned.png", exif=exif, icc_profile=profile)
    picture(60, 40).save(tmp_path / "-it's $HOME.png")
    picture(48, 64).save(tmp_path / "photo.jpg", quality=95)
    gray = np.asarray(picture(40, 50, "L")).astype(np.uint16) * 257
    Image.fromarray(gray).save(tmp_path / "gray.png")
    return tmp_path
