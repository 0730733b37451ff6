"""Pictures that are no photographs, made by code and the same at each call.

    python3 benchmarks/graphics.py FOLDER    # writes them as PNG files

GRAPHICS has a function for each picture, which returns uint8 [height, width, 3]. Photographs in the
pictures are scikit-image's, and fonts are matplotlib's.
"""

import argparse
import functools
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont

SIZE = 512, 384  # width, height


@functools.cache
def font(size, name="DejaVuSans"):
    """A font of matplotlib's, by its size in pixels."""
    import matplotlib

    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", f"{name}.ttf"), size)


def canvas(colour, size=SIZE):
    """(image, the object that draws on it)."""
    image = Image.new("RGB", size, colour)
    return image, ImageDraw.Draw(image)


def photograph(name):
    """A photograph of scikit-image, as large as the canvas."""
    import skimage.data

    image = Image.fromarray(getattr(skimage.data, name)()).convert("RGB")
    scale = max(SIZE[0] / image.width, SIZE[1] / image.height)
    image = image.resize([round(scale * side) for side in image.size], Image.Resampling.LANCZOS)
    return image.crop((0, 0, *SIZE))


WORDS = "the search finds what a file of few bytes shows best of each block and its colours".split()


def words(rng, number):
    """A line of random words."""
    return " ".join(rng.choice(WORDS, number))


def code():
    """Coloured text, light on dark, of an editor."""
    image, draw = canvas("#1e1e2e")
    rng = np.random.default_rng(1)
    colours = [
        "#ff5555",
        "#50fa7b",
        "#8be9fd",
        "#ffb86c",
        "#bd93f9",
        "#f8f8f2",
        "#6272a4",
        "#ff79c6",
    ]
    mono = font(13, "DejaVuSansMono")
    for row in range(24):
        draw.text((6, 4 + 16 * row), f"{row + 1:3d}", "#6272a4", mono)
        x = 40 + 24 * rng.integers(0, 3)
        for word in words(rng, rng.integers(2, 7)).split():
            draw.text((x, 4 + 16 * row), word, colours[rng.integers(len(colours))], mono)
            x += 8 * (len(word) + 1)
    return image


def interface():
    """Windows, buttons, icons and links of a program."""
    image, draw = canvas("#eceff1")
    draw.rectangle((0, 0, 512, 30), "#1565c0")
    draw.text((10, 7), "File   Edit   View   Help", "white", font(14))
    rng = np.random.default_rng(2)
    for n in range(6):
        top = 44 + 55 * n
        draw.rounded_rectangle((12, top, 170, top + 44), 6, "white", "#b0bec5")
        colour = ["#d32f2f", "#388e3c", "#1976d2", "#f57c00", "#7b1fa2", "#0097a7"][n]
        draw.ellipse((22, top + 8, 50, top + 36), colour)
        draw.text((60, top + 6), words(rng, 2), "#212121", font(13))
        draw.text((60, top + 24), words(rng, 2), "#1a0dab", font(11))
    draw.rectangle((184, 44, 500, 370), "white", "#90a4ae")
    for n in range(14):
        draw.text(
            (196, 54 + 19 * n), words(rng, 6), ["#212121", "#c62828", "#1a0dab"][n % 3], font(13)
        )
    for n, colour in enumerate(("#2e7d32", "#c62828")):
        draw.rounded_rectangle((290 + 105 * n, 332, 385 + 105 * n, 360), 5, colour)
        draw.text((312 + 105 * n, 338), ("Apply", "Cancel")[n], "white", font(13))
    return image


def chart():
    """Thin coloured curves on white, with axes and a legend."""
    image, draw = canvas("white")
    draw.line((50, 20, 50, 350, 495, 350), "black")
    for n in range(7):
        draw.line((50, 350 - 50 * n, 495, 350 - 50 * n), "#e0e0e0")
        draw.text((14, 343 - 50 * n), f"{20 * n}", "black", font(12))
        draw.text((60 + 66 * n, 356), f"{1990 + 5 * n}", "black", font(12))
    rng = np.random.default_rng(3)
    for n, colour in enumerate(("red", "blue", "#00a000", "magenta", "#ff8000", "#00b0b0")):
        heights = 320 - 45 * n + np.cumsum(rng.normal(-0.4, 3, 445))
        draw.line(
            [(51 + x, float(np.clip(y, 22, 349))) for x, y in enumerate(heights)], colour, 1 + n % 2
        )
        draw.line((70, 32 + 16 * n, 95, 32 + 16 * n), colour, 2)
        draw.text((102, 25 + 16 * n), words(rng, 2), colour, font(12))
    return image


def bars():
    """Saturated areas side by side, smoothed at their edges."""
    image, draw = canvas("white", (1024, 768))
    rng = np.random.default_rng(4)
    for n in range(12):
        colour = tuple(int(c) for c in rng.choice([0, 60, 128, 200, 255], 3))
        top = 700 - int(rng.integers(80, 600))
        draw.rectangle((60 + 80 * n, top, 120 + 80 * n, 700), colour)
        draw.pieslice((600, 40, 900, 340), 30 * n, 30 * n + 30, colour)
    return image.resize(SIZE, Image.Resampling.LANCZOS)


def city_map():
    """Roads, water and names."""
    image, draw = canvas("#f2efe9", (1024, 768))
    rng = np.random.default_rng(5)
    for colour in ("#aad3df", "#add19e", "#c8facc", "#e0dfdf", "#f7efb7"):
        for _ in range(5):
            centre, radius = rng.uniform(0, [1024, 768]), rng.uniform(40, 150)
            turns = np.sort(rng.uniform(0, 2 * np.pi, 9))
            edge = centre + radius * np.stack([np.cos(turns), np.sin(turns)], 1)
            draw.polygon([tuple(p) for p in edge], colour)
    for width, colour in ((14, "#e892a2"), (10, "#fcd6a4"), (6, "#ffffff"), (3, "#b04040")):
        for _ in range(7):
            line = np.cumsum(
                np.vstack([rng.uniform(0, [1024, 768]), rng.normal(0, 170, (6, 2))]), 0
            )
            draw.line([tuple(p) for p in line], "#8a6d6d", width + 2, "curve")
            draw.line([tuple(p) for p in line], colour, width, "curve")
    image = image.resize(SIZE, Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(image)
    for n in range(22):
        place = tuple(rng.uniform(0, [430, 370]))
        draw.text(place, words(rng, 1), ["#333333", "#6b1fa0", "#0d47a1"][n % 3], font(11))
    return image


def pixel_art():
    """Sprites of few colours, enlarged."""
    rng = np.random.default_rng(6)
    palette = rng.choice([0, 85, 170, 255], (12, 3)).astype(np.uint8)
    tiles = rng.integers(0, 12, (24, 8, 4))
    sprites = np.concatenate([tiles, tiles[..., ::-1]], 2)  # symmetrical, 8x8
    chosen = sprites[rng.integers(0, 24, (12, 16))]
    plane = chosen.transpose(0, 2, 1, 3).reshape(96, 128)
    return Image.fromarray(palette[plane].repeat(4, 0).repeat(4, 1))


def comic():
    """Flat colours with black outlines, dots for shades, and lettering."""
    image, draw = canvas("#ffe066", (1536, 1152))
    rng = np.random.default_rng(7)
    colours = ["#e63946", "#457b9d", "#f1faee", "#2a9d8f", "#f4a261", "#8338ec", "#ffbe0b"]
    for n in range(26):
        x, y = rng.uniform(0, [1536, 1152])
        r = rng.uniform(50, 220)
        box = (x - r, y - r * rng.uniform(0.4, 1), x + r, y + r)
        (draw.ellipse if n % 3 else draw.rectangle)(box, colours[n % 7], "black", 9)
    for y in range(700, 1152, 18):
        for x in range(0, 700, 18):
            draw.ellipse((x, y, x + 10, y + 10), "#e63946")
    draw.ellipse((880, 60, 1490, 330), "white", "black", 9)
    draw.text((960, 130), "WHAT A FILE!", "black", font(72, "DejaVuSans-Bold"))
    return image.resize(SIZE, Image.Resampling.LANCZOS)


def scan():
    """A page from a scanner: soft grey text, a stamp, paper's colour and noise."""
    image, draw = canvas("#f3efe4", (1024, 768))
    rng = np.random.default_rng(8)
    for n in range(24):
        draw.text((60, 30 + 30 * n), words(rng, 12), "#3a3634", font(22, "DejaVuSerif"))
    draw.ellipse((690, 480, 960, 700), None, "#c2254a", 9)
    draw.text((745, 560), "RECEIVED", "#c2254a", font(34, "DejaVuSans-Bold"))
    draw.line([(80, 640), (180, 600), (250, 660), (390, 610)], "#1a3a9c", 5)
    image = image.rotate(0.7, Image.Resampling.BICUBIC, fillcolor="#f3efe4")
    image = image.filter(ImageFilter.GaussianBlur(1.3)).resize(SIZE, Image.Resampling.LANCZOS)
    return noisy(image, 3, 9)


def noisy(image, sigma, seed):
    """Gaussian noise of its own on each sample."""
    noise = np.random.default_rng(seed).normal(0, sigma, (image.height, image.width, 3))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).round().astype(np.uint8))


def gradient():
    """A sky with a little noise."""
    down, across = np.mgrid[0 : SIZE[1], 0 : SIZE[0]] / 384
    sky = np.stack([60 + 130 * down, 110 + 90 * down + 15 * across, 190 + 40 * down], 2)
    return noisy(Image.fromarray(sky.round().astype(np.uint8)), 1, 10)


def colour_wheel():
    """All hues beside each other, from white to full, without an edge but one."""
    down, across = np.mgrid[-192:192, -256:256]
    hue = (np.arctan2(down, across) / (2 * np.pi) * 255) % 255
    radius = np.hypot(down, across)
    planes = [hue, np.clip(1.3 * radius, 0, 255), np.where(radius < 190, 255, 40)]
    return Image.fromarray(np.stack(planes, 2).astype(np.uint8), "HSV").convert("RGB")


def poster():
    """A photograph with text on it, and beside it a column of text."""
    image = photograph("coffee")
    draw = ImageDraw.Draw(image)
    draw.text((20, 300), "Fresh coffee", "#ffe000", font(48, "DejaVuSans-Bold"))
    draw.text((22, 356), "now half the bytes", "#ff3030", font(17))
    draw.rectangle((350, 0, 512, 384), "white")
    rng = np.random.default_rng(11)
    for n in range(20):
        draw.text(
            (358, 8 + 18 * n), words(rng, 3), ["black", "#b00020", "#0040c0"][n % 3], font(12)
        )
    return image


def lines():
    """One pixel wide, of full colours on full colours."""
    image, draw = canvas("white")
    grounds = ["white", "blue", "black", "#00c000", "yellow", "#808080"]
    inks = ["red", "#ff0000", "#ff00ff", "blue", "#0000ff", "cyan"]
    for n, (ground, ink) in enumerate(zip(grounds, inks, strict=True)):
        left, top = 171 * (n % 3), 192 * (n // 3)
        draw.rectangle((left, top, left + 171, top + 192), ground)
        for k in range(0, 160, 11):
            draw.line((left + 5, top + 5 + k, left + 165, top + 180 - k), ink)
            draw.line((left + 5 + k, top + 5, left + 5 + k, top + 180), ink)
        draw.text((left + 40, top + 90), "colour", ink, font(18))
    return image


def vivid():
    """A photograph whose colours are twice as strong."""
    return ImageEnhance.Color(photograph("astronaut")).enhance(2)


def stained():
    """A photograph behind areas of colour with sharp edges."""
    image = np.asarray(photograph("chelsea"), np.float64)
    rng = np.random.default_rng(12)
    points = rng.uniform(0, [384, 512], (40, 2))
    down, across = np.mgrid[0:384, 0:512]
    distance = (down - points[:, 0, None, None]) ** 2 + (across - points[:, 1, None, None]) ** 2
    tint = rng.uniform(0, 1, (40, 3))[distance.argmin(0)]
    return Image.fromarray((image * tint).astype(np.uint8))


GRAPHICS = {
    make.__name__: make
    for make in (
        *(code, interface, chart, bars, city_map, pixel_art, comic, scan, gradient),
        *(colour_wheel, poster, lines, vivid, stained),
    )
}


def main():
    """Writes the files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", metavar="FOLDER", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in GRAPHICS.items():
        make().save(folder / f"{name}.png")


if __name__ == "__main__":
    main()
