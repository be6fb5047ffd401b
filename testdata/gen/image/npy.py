"""Writes internal/npy/testdata with NumPy 2.4.6: python testdata/gen/image/npy.py

Every numeric array holds the values 0, 1, 2, ... in the order of its own axes
(so the transposed files hold them in C order too), signed and float ones minus
three.
"""
import pathlib

import numpy as np

OUT = pathlib.Path(__file__).parents[3] / "internal/npy/testdata"


def values(dtype, shape):
    n = np.arange(int(np.prod(shape)))
    if np.dtype(dtype).kind in "if":
        n = n - 3
    if np.dtype(dtype).kind == "b":
        n = n % 2
    return n.astype(dtype).reshape(shape)


def save(name, array, version=None):
    with open(OUT / f"{name}.npy", "wb") as f:
        np.lib.format.write_array(f, array, version=version)


def main():
    OUT.mkdir(exist_ok=True)
    for d in "f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 b1".split():
        save(d, values(d, (2, 3)))
    save("scalar", np.float64(2.5).reshape(()))
    save("vector", values("i4", (5,)))
    save("empty", values("f4", (2, 0, 3)))
    save("rank5", values("u1", (1, 2, 1, 3, 2)))
    save("fortran", np.asfortranarray(values("i4", (2, 3, 4))))
    save("bigendian", values(">f4", (2, 3)))
    save("bigendian_strings", np.array(["a", "größe", ""], ">U6"))
    save("version2", values("f4", (2, 3)), (2, 0))
    save("version3", values("f4", (2, 3)), (3, 0))
    save("strings", np.array(["Mount", "▁Everest", "🏔", ""]))
    save("structured", np.zeros(2, [("x", "f4"), ("y", "i4")]))
    save("special", np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 6e-8, 65504], "f2"))
    two = {"relevance": values("f4", (2, 3)), "input_ids": values("i8", (4,))}
    np.savez(OUT / "stored.npz", **two)
    np.savez_compressed(OUT / "deflated.npz", **two)


main()
