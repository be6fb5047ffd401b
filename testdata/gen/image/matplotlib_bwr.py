"""Writes heatmap/testdata/bwr_matplotlib.hex with the bwr of matplotlib 3.11 (256 colours,
three bytes each, truncated): python testdata/gen/image/matplotlib_bwr.py
"""
import pathlib

import matplotlib
import numpy as np

OUT = pathlib.Path(__file__).parents[3] / "heatmap/testdata"
rgb = (matplotlib.colormaps["bwr"](np.arange(256))[:, :3] * 255).astype(np.uint8)
(OUT / "bwr_matplotlib.hex").write_text(rgb.tobytes().hex() + "\n")
