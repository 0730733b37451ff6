"""Pillow's `Image.save` with this encoder, after a call of `register_pillow`."""

from typing import IO

from learned_jpeg import api

from PIL import Image

FORMAT = "LEARNED_JPEG"
_SAMPLINGS = {0: "444", "4:4:4": "444", 2: "420", "4:2:0": "420", -1: None}


def register_pillow() -> None:
    """Lets Pillow save by this encoder: `image.save(path, format="LEARNED_JPEG", quality=75)`.

    It reads Pillow's options quality, subsampling, exif, icc_profile and xmp, and the options of
    `api.Model.encode` by their names. The format "JPEG" stays Pillow's own.
    """
    Image.register_save(FORMAT, _save)


def _save(image: Image.Image, file: IO[bytes], filename: str | bytes) -> None:
    names = ("sampling", "refine", "huffman", "quantizer", "tune", "exif", "icc_profile", "xmp")
    asked = image.encoderinfo
    options = {name: asked[name] for name in names if name in asked}
    if "subsampling" in asked:
        options.setdefault("sampling", _SAMPLINGS.get(asked["subsampling"], asked["subsampling"]))
    file.write(api.encode(image, asked.get("quality"), **options))
