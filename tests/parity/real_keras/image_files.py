"""keras.preprocessing.image with files: load_img and save_img, flow_from_directory and flow_from_dataframe, files and their names."""

import contextlib
import tempfile
from pathlib import Path

import numpy as np
from images import module, ordered, picture, programs
from on_tensors import attempt


def folders(random):
    seed, shuffle, split = int(random.randint(99)), bool(random.rand() < 0.5), float(random.choice([0, 0.3]))
    pictures = [picture(random) for _ in range(7)]
    mode = [None, "categorical", "binary", "sparse", "input"][random.randint(5)]
    color, interpolation = (
        str(random.choice(["rgb", "grayscale", "rgba"])),
        str(random.choice(["nearest", "bilinear", "bicubic"])),
    )
    subset = [None, "training", "validation"][random.randint(3)] if split else None

    def run(keras):
        image = module(keras)
        with tempfile.TemporaryDirectory() as folder:
            for i, x in enumerate(pictures):
                place = Path(folder, "in", "ba"[i % 2], f"{i}.png")
                place.parent.mkdir(parents=True, exist_ok=True)
                image.save_img(str(place), x, scale=False)
            Path(folder, "out").mkdir()
            named = {
                "target_size": (5, 4),
                "color_mode": color,
                "batch_size": 3,
                "shuffle": shuffle,
                "seed": seed,
                "subset": subset,
            }
            named |= {"interpolation": interpolation, "class_mode": mode}
            generator = image.ImageDataGenerator(rescale=0.5, validation_split=split)
            flow = generator.flow_from_directory(f"{folder}/in", save_to_dir=f"{folder}/out", save_prefix="p", **named)
            batches = [next(flow) for _ in range(len(flow))]
            saved = [
                "_".join(p.name.split("_")[: 1 if shuffle else 2]) + p.suffix for p in sorted(Path(folder, "out").iterdir())
            ]
            facts = [flow.samples, flow.class_indices, flow.filenames, flow.classes, flow.image_shape, len(flow)]
            return [facts, ordered([*batches, next(flow)], shuffle), saved[: flow.samples]]

    return f"directory {shuffle, split, subset, mode, color, interpolation}", run


def frames(random):
    seed, shuffle, split = int(random.randint(99)), bool(random.rand() < 0.5), float(random.choice([0, 0.3]))
    pictures = [picture(random) for _ in range(6)]
    mode = [None, "categorical", "binary", "sparse", "input", "raw", "multi_output"][random.randint(7)]
    subset = [None, "training", "validation"][random.randint(3)] if split else None

    def run(keras):
        import pandas as pd

        image = module(keras)
        with tempfile.TemporaryDirectory() as folder:
            for i, x in enumerate(pictures):
                image.save_img(f"{folder}/{i}.png", x, scale=False)
            table = pd.DataFrame({"filename": [f"{i}.png" for i in range(6)] + ["missing.png"], "class": list("bababab")})
            table["n"] = table["m"] = np.arange(7.0)
            named = {"y_col": ["m", "n"] if mode == "multi_output" else "n" if mode == "raw" else "class"}
            generator = image.ImageDataGenerator(validation_split=split)
            named |= {
                "target_size": (5, 4),
                "class_mode": mode,
                "batch_size": 4,
                "shuffle": shuffle,
                "seed": seed,
                "subset": subset,
            }
            flow = generator.flow_from_dataframe(table, folder, **named)
            classes = flow.class_indices if mode in ("categorical", "binary", "sparse") else 0
            batches = [next(flow) for _ in range(len(flow) + 1)]
            return [flow.samples, list(flow.filenames), classes, ordered([list(b) for b in batches], shuffle)]

    return f"frame {shuffle, split, subset, mode}", run


def files(random):
    x, size = picture(random, int(random.choice([1, 3, 4]))), tuple(int(n) for n in random.randint(2, 9, 2))
    mode = str(random.choice(["rgb", "grayscale", "rgba"]))
    first, scale = bool(random.rand() < 0.3), bool(random.rand() < 0.5)
    form = "channels_first" if first else "channels_last"

    def run(keras):
        image = module(keras)
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            given = x.transpose(2, 0, 1) if first else x
            made = image.array_to_img(given / 3 - (10 if scale else 0), data_format=form, scale=scale)
            image.save_img("a.png", given, data_format=form, scale=False)
            loaded = {}
            for how in ("nearest", "bilinear", "bicubic", "box", "lanczos", "hamming", "wrong"):
                loaded[how] = attempt(lambda how=how: image.img_to_array(image.load_img("a.png", False, mode, size, how)))
            plain = image.load_img("a.png", color_mode=mode)
            back = image.img_to_array(made, data_format=form, **({"dtype": "float64"} if scale else {}))
            return [
                back,
                made.mode,
                made.size,
                plain.mode,
                plain.size,
                loaded,
                attempt(lambda: image.load_img("a.png", color_mode="x")),
            ]

    return f"files {x.shape, size, mode, form, scale}", run


def cases(random, count):
    return programs([folders, frames, files], random, count)
