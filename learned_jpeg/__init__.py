"""LearnedJPEG: smaller JPEG files at the same visible quality, which every decoder opens.

import learned_jpeg
learned_jpeg.save(image, "photo.jpg", quality=75)  # an array or a Pillow image
data = learned_jpeg.encode(image, quality=75)
data = learned_jpeg.transcode(data)  # of any JPEG file, without loss
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from learned_jpeg.api import Model, encode, load, save, transcode, warm_up
    from learned_jpeg.pillow_plugin import register_pillow
    from learned_jpeg.runtime.errors import UserError

__version__ = "1.3.0"

__all__ = [
    "Model",
    "UserError",
    "encode",
    "load",
    "register_pillow",
    "save",
    "transcode",
    "warm_up",
]


def __getattr__(name: str) -> "Any":
    # Each import of a module runs this file, so that the public functions are imported when used.
    if name == "register_pillow":
        from learned_jpeg import pillow_plugin

        return pillow_plugin.register_pillow
    if name in __all__:
        from learned_jpeg import api

        return getattr(api, name)
    raise AttributeError(f"module 'learned_jpeg' has no attribute {name!r}")
