"""Writes images.npz: what ImageDataGenerator of keras-preprocessing draws, computes and finds. Run it with the package itself:

    pip install keras-preprocessing==1.1.2 scipy pillow
    python make_images.py

Brightness is left out: Keras stretches the values there. Featurewise statistics are of 1.1.2, which rescales first.
"""

import json
import os
import pathlib
import tempfile

import numpy as np
import scipy
from PIL import Image

if not hasattr(scipy.ndimage, "interpolation"):  # gone from newer releases of SciPy
    scipy.ndimage.interpolation = scipy.ndimage

from keras_preprocessing import image as kp

# Arguments of generators; lists stay lists.
GENERATORS = {
    "rotation": {"rotation_range": 40},
    "shift": {"width_shift_range": 0.2, "height_shift_range": 0.3},
    "shift_pixels": {"width_shift_range": 3.0, "height_shift_range": 2.5, "fill_mode": "reflect"},
    "shift_int": {"width_shift_range": 3, "height_shift_range": 2, "fill_mode": "constant", "cval": 9.0},
    "shift_list": {"width_shift_range": [0.1, 0.3], "height_shift_range": [1, 2], "fill_mode": "wrap"},
    "shear": {"shear_range": 20.0},
    "zoom": {"zoom_range": 0.4},
    "zoom_two": {"zoom_range": [0.5, 0.8]},
    "flips": {"horizontal_flip": True, "vertical_flip": True},
    "channel": {"channel_shift_range": 30.0, "horizontal_flip": True},
    "all": {
        "rotation_range": 25, "width_shift_range": 0.1, "height_shift_range": 0.2, "shear_range": 10, "zoom_range": 0.3,
        "channel_shift_range": 20, "horizontal_flip": True, "vertical_flip": True, "rescale": 1 / 255,
    },
    "first": {"rotation_range": 25, "zoom_range": 0.3, "horizontal_flip": True, "data_format": "channels_first"},
    "nearest": {"rotation_range": 25, "interpolation_order": 0},
    "samplewise": {"samplewise_std_normalization": True, "samplewise_center": True, "rotation_range": 10},
    "featurewise": {"featurewise_center": True, "featurewise_std_normalization": True, "rescale": 1 / 255},
    "zca": {"featurewise_center": True, "zca_whitening": True, "zca_epsilon": 0.1, "rescale": 1 / 255},
}  # fmt: skip
SEEDS = range(4)


def pictures(name):
    x = np.random.RandomState(0).randint(0, 256, (6, 8, 10, 3)).astype("float32")
    if name == "zca":
        x = x[:, :3, :3]
    return x.transpose(0, 3, 1, 2) if name == "first" else x


def main():
    numbers, texts = {}, {}
    for name, arguments in GENERATORS.items():
        generator = kp.ImageDataGenerator(**arguments)
        x = pictures(name)
        if name in ("featurewise", "zca"):
            generator.fit(x)
            numbers[f"{name}/mean"] = generator.mean
            if name == "zca":
                numbers["zca/components"] = generator.principal_components
            else:
                numbers["featurewise/std"] = generator.std
        texts[name] = []
        for seed in SEEDS:
            drawn = generator.get_random_transform(x.shape[1:], seed=seed)
            texts[name].append({key: None if value is None else float(value) for key, value in drawn.items()})
            changed = generator.apply_transform(x[seed].copy(), drawn)
            numbers[f"{name}/{seed}"] = generator.standardize(changed.astype("float32").copy())
        np.random.seed(7)
        numbers[f"{name}/random"] = generator.random_transform(x[0].copy())
    x = pictures("")[1]
    axes = {"row_axis": 0, "col_axis": 1, "channel_axis": 2}
    for name, arguments in {
        "random_rotation": (30,), "random_shift": (0.2, 0.3), "random_shear": (20,), "random_zoom": ((0.6, 1.3),),
    }.items():  # fmt: skip
        np.random.seed(3)
        numbers[name] = getattr(kp, name)(x, *arguments, **axes)
    np.random.seed(3)
    numbers["random_channel_shift"] = kp.random_channel_shift(x, 40, 2)
    with tempfile.TemporaryDirectory() as folder:
        for inside in ("b/2.png", "b/10.png", "a/x.jpg", "a/sub/1.BMP", "a/sub/0.png", "a/z.gif", "c/1.tif"):
            path = os.path.join(folder, inside)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            Image.new("RGB", (3, 2)).save(path)
        generator = kp.ImageDataGenerator(validation_split=0.4)
        for subset in (None, "training", "validation"):
            texts[f"files/{subset}"] = generator.flow_from_directory(folder, subset=subset).filenames
    here = pathlib.Path(__file__).parent
    np.savez_compressed(here / "images.npz", **{name: np.asarray(value, "float32") for name, value in numbers.items()})
    (here / "images.json").write_text(json.dumps({"generators": GENERATORS, "drawn": texts}, indent=1) + "\n")


if __name__ == "__main__":
    main()
