"""apply_affine_transform of keras-preprocessing 1.1.2 over SciPy's ndimage, to affine.json:

pip install keras-preprocessing==1.1.2 scipy==1.17.1 numpy pillow
python tests/golden/preprocessing/make_affine.py
"""

import itertools
import json
from pathlib import Path

import numpy as np
from keras_preprocessing.image import apply_affine_transform

FILLS, ORDERS = ("nearest", "constant", "reflect", "wrap"), (0, 1, 3)
MOVES = [
    {"theta": 33.0, "tx": 1.25, "ty": -0.5, "shear": 12.0, "zx": 0.8, "zy": 1.3},
    {"zx": 2.5, "zy": 2.5},
    {"tx": -3.5, "ty": 20.0},
]

image = np.random.default_rng(0).integers(0, 256, (12, 9, 1)).astype(np.uint8)
cases = []
for move, fill, order in itertools.product(MOVES, FILLS, ORDERS):
    moved = apply_affine_transform(image.astype(np.float64), **move, fill_mode=fill, cval=9.5, order=order)
    # As bytes SciPy rounds and, past 255, begins again; lamella stays at 255.
    kwargs = {**move, "fill_mode": fill, "cval": 9.5, "order": order}
    cases.append({"kwargs": kwargs, "result": np.round(moved, 6).ravel().tolist()})
text = json.dumps({"image": image.tolist(), "cases": cases}, separators=(",", ":"))
Path(__file__).with_name("affine.json").write_text(text)
