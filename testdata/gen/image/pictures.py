"""Writes image/testdata: python testdata/gen/image/pictures.py

Needs numpy and Pillow 13.0.0 (whose wheel carries libjpeg-turbo 3.2), and
cjpeg of libjpeg-turbo for the two chroma layouts that Pillow cannot write. The
pictures are synthetic. Expected pixels are Pillow's; the crops and
normalisations are torchvision's and transformers' formulas in NumPy.
"""
import io
import math
import pathlib
import subprocess

import numpy as np
import PIL
from PIL import Image

OUT = pathlib.Path(__file__).parents[3] / "image/testdata"
FILTERS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}
SIZES = [(16, 12), (40, 5), (31, 9), (11, 23), (48, 30), (5, 60), (1, 1), (31, 23)]


def noise(w, h, seed=0):
    """A gradient with noise and hard edges: every filter overshoots on it."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:h, 0:w]
    a = np.stack([x * 255 / w, y * 255 / h, (x + y) * 255 / (w + h)], -1)
    a += rng.normal(0, 40, a.shape)
    a[h // 3 : h // 2, w // 4 : w // 2] = [255, 0, 0]
    a[h // 2 :, : w // 5] = [0, 0, 255]
    return Image.fromarray(a.clip(0, 255).astype(np.uint8))


def smooth(w, h):
    """What a photo is like to a JPEG encoder: soft hues, some edges."""
    y, x = np.mgrid[0:h, 0:w]
    a = np.stack([
        128 + 100 * np.sin(x / 9), 128 + 100 * np.cos(y / 7), 128 + 90 * np.sin((x + y) / 11),
    ], -1)
    a[h // 4 : h // 2, w // 3 : w // 2] = [220, 40, 60]
    return Image.fromarray(a.clip(0, 255).astype(np.uint8))


def flat(w, h, step):
    """Blocks of one colour each: their inverse DCT has one coefficient, so that
    every decoder agrees on it and only chroma interpolation can differ."""
    rng = np.random.default_rng(1)
    blocks = rng.integers(0, 256, (-(-h // step), -(-w // step), 3), np.uint8)
    return Image.fromarray(blocks.repeat(step, 0).repeat(step, 1)[:h, :w])


def png_modes(out):
    """One PNG for each pixel format, with its convert('RGB')."""
    rgb = noise(13, 9, seed=2)
    grey = rgb.convert("L")
    alpha = Image.fromarray(np.arange(13 * 9, dtype=np.uint8).reshape(9, 13) * 2)
    rgba = rgb.copy()
    rgba.putalpha(alpha)
    la = grey.copy()
    la.putalpha(alpha)
    pal = rgb.quantize(23)
    cases = {
        "rgb": (rgb, {}), "grey": (grey, {}), "rgba": (rgba, {}), "grey_alpha": (la, {}),
        "palette": (pal, {}), "palette_alpha": (pal, {"transparency": bytes([0, 128, 255])}),
        "palette_2bit": (rgb.quantize(4), {"bits": 2}),
        "bilevel": (grey.convert("1"), {}),
        "rgb_key": (rgb, {"transparency": rgb.getpixel((0, 0))}),
    }
    for name, (im, kw) in cases.items():
        im.save(OUT / f"{name}.png", optimize=True, **kw)
    rgb16(OUT / "rgb16.png", 13, 9)
    for name in [*cases, "rgb16"]:
        out[f"png.{name}"] = np.asarray(Image.open(OUT / f"{name}.png").convert("RGB"))


def rgb16(path, w, h):
    """A 16-bit RGB PNG, which Pillow reads but does not write."""
    import struct
    import zlib

    rng = np.random.default_rng(3)
    a = rng.integers(0, 65536, (h, w, 3), np.uint16).astype(">u2")
    raw = b"".join(b"\0" + row.tobytes() for row in a)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 16, 2, 0, 0, 0))
                     + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b""))


def cjpeg(im, sample, quality):
    ppm = io.BytesIO()
    im.save(ppm, "PPM")
    return subprocess.run(["cjpeg", "-quality", str(quality), "-sample", sample, "-optimize"],
                          input=ppm.getvalue(), capture_output=True, check=True).stdout


def jpegs(out):
    layouts = {"444": "1x1", "422": "2x1", "420": "2x2", "440": "1x2", "411": "4x1"}
    for name, sample in layouts.items():
        (OUT / f"flat_{name}.jpg").write_bytes(cjpeg(flat(61, 43, 32), sample, 95))
        (OUT / f"smooth_{name}.jpg").write_bytes(cjpeg(smooth(61, 43), sample, 85))
    (OUT / "flat_tiny.jpg").write_bytes(cjpeg(flat(4, 3, 32), "2x2", 95))
    smooth(61, 43).save(OUT / "smooth_progressive.jpg", quality=85, progressive=True)
    flat(61, 43, 8).convert("L").save(OUT / "flat_grey.jpg", quality=95)
    flat(61, 43, 8).convert("CMYK").save(OUT / "flat_cmyk.jpg", quality=95)
    for path in sorted(OUT.glob("*.jpg")):
        out[f"jpg.{path.stem}"] = np.asarray(Image.open(path).convert("RGB"))


def short_side(im, size, filter):
    w, h = im.size
    short, long = sorted(im.size)
    long = int(size * long / short)
    return im.resize((size, long) if w <= h else (long, size), filter)


def crop(a, size, rule):
    h, w = a.shape[:2]
    if rule == "torchvision":
        ph, pw = max(0, size - h), max(0, size - w)
        a = np.pad(a, ((ph // 2, (ph + 1) // 2), (pw // 2, (pw + 1) // 2), (0, 0)))
        h, w = a.shape[:2]
        t, l = int(round((h - size) / 2.0)), int(round((w - size) / 2.0))
    else:
        ph, pw = max(0, size - h), max(0, size - w)
        a = np.pad(a, ((math.ceil(ph / 2), ph // 2), (math.ceil(pw / 2), pw // 2), (0, 0)))
        h, w = a.shape[:2]
        t, l = (h - size) // 2, (w - size) // 2
    return a[t : t + size, l : l + size]


def normalise(a, mean, std):
    x = a.astype(np.float32) / np.float32(255)
    return ((x - np.float32(mean)) / np.float32(std)).transpose(2, 0, 1)[None]


def pipelines(out):
    clip = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
    half = [0.5] * 3, [0.5] * 3
    imagenet = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    for name, size in {"wide": (45, 32), "tall": (29, 50), "small": (9, 14)}.items():
        im = noise(*size, seed=4)
        im.save(OUT / f"{name}.png", optimize=True)
        for rule in ["torchvision", "transformers"]:
            a = np.asarray(short_side(im, 17, Image.Resampling.BICUBIC))
            out[f"pipe.{name}.clip.{rule}"] = normalise(crop(a, 14, rule), *clip)
            out[f"pipe.{name}.pad.{rule}"] = normalise(crop(np.asarray(im), 20, rule), *imagenet)
        out[f"pipe.{name}.squeeze"] = normalise(np.asarray(im.resize((12, 12), Image.Resampling.BILINEAR)), *half)
        grey = np.asarray(im.convert("L").resize((8, 8), Image.Resampling.BILINEAR))
        out[f"pipe.{name}.grey"] = grey.astype(np.float32)[None, None]


def main():
    assert PIL.__version__ == "13.0.0", PIL.__version__
    OUT.mkdir(exist_ok=True)
    out = {}
    src = noise(31, 23)
    src.save(OUT / "noise.png", optimize=True)
    for name, filter in FILTERS.items():
        for w, h in SIZES:
            out[f"resize.{name}.{w}x{h}"] = np.asarray(src.resize((w, h), filter))
    png_modes(out)
    jpegs(out)
    pipelines(out)
    np.savez_compressed(OUT / "expected.npz", **out)


if __name__ == "__main__":
    main()
