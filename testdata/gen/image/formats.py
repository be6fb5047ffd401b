"""Writes the WebP pictures and the turned ones of image/testdata, and formats.npz: python testdata/gen/image/formats.py

Needs numpy and Pillow 13.0.0, which carries libwebp. What a file holds is Pillow's Image.open(path).convert("RGB"), after
ImageOps.exif_transpose.
"""
import numpy as np
from PIL import Image, ImageOps

from pictures import OUT, flat, noise, smooth

ORIENTATION = 0x0112


def main():
    out = {}
    turned = noise(7, 5, seed=4)
    for n in range(1, 9):
        exif = Image.Exif()
        exif[ORIENTATION] = n
        save(out, turned, f"turned_{n}.png", exif=exif)
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    save(out, flat(16, 24, 8).convert("L"), "turned.jpg", exif=exif, quality=95)
    save(out, noise(9, 6, seed=5), "turned.webp", exif=exif, lossless=True)
    save(out, noise(13, 9, seed=6), "lossless.webp", lossless=True)
    for name, side in {"lossy": (61, 43), "lossy_even": (60, 44), "lossy_narrow": (1, 5), "lossy_flat": (2, 1)}.items():
        save(out, smooth(*side), f"{name}.webp", quality=80)
    rgba = smooth(31, 20)
    rgba.putalpha(Image.fromarray((np.arange(620) % 256).astype(np.uint8).reshape(20, 31)))
    save(out, rgba, "lossy_alpha.webp", quality=80)
    np.savez_compressed(OUT / "formats.npz", **out)


def save(out, picture, name, **how):
    picture.save(OUT / name, **how)
    out[name] = np.asarray(ImageOps.exif_transpose(Image.open(OUT / name)).convert("RGB"))


if __name__ == "__main__":
    main()
