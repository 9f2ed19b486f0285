"""ARCHITECTURE's table "Where things go", tested in a copy of the project: an addition changes only the files that it names.

A loss, two metrics, an activation, a layer, an optimizer, a callback, a function of K, a network, a data set, a file format and
an argument of fit are added: each by a change of the files in its row, and of no other file. Then the tests that check every loss,
every layer and so on pass, and check the additions too. `test_recipe.py` does the same for a kernel and an op, which are compiled.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lamella import _kernels, embedding

ROOT = Path(__file__).parents[2]
TESTS = """
tests/architecture tests/core/test_lazy.py tests/core/test_flags.py tests/layers/test_activation_functions.py
tests/layers/test_roster.py tests/losses tests/metrics tests/optimizers tests/callbacks tests/saving/test_suffixes.py
tests/saving/test_formats.py tests/backend/test_sweep.py tests/applications/test_published.py tests/datasets/test_datasets.py
tests/test_import.py tests/test_keras_names.py tests/test_public_surface.py tests/training/test_options.py
""".split()


def first_block(page):
    """The first block of Python in a page of docs/recipes."""
    return re.search(r"```python\n(.*?)```", (ROOT / "docs" / "recipes" / page).read_text(), re.S)[1]


LOSS = """@accepts_symbolic("losses")
def fourth_power(y_true: Value, y_pred: Value) -> Value:
    \"\"\"Mean of (y_pred - y_true)^4.

    Args:
        y_true: float [..., C].
        y_pred: float [..., C].
    \"\"\"
    return ops.mean(ops.power(ops.subtract(y_pred, y_true), 4.0), axis=-1)


"""
ACTIVATION = """@_activation
def cube(x: Value) -> Value:
    \"\"\"x^3.

    Args:
        x: float, of any shape.
    \"\"\"
    return ops.power(x, 3.0)


"""
METRIC = """@register("metrics")
@accepts_symbolic("metrics")
def within_one(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    \"\"\"Share of |y - p| <= 1 in each row.

    Args:
        y_true: The values that the model should output, [..., C].
        y_pred: The model's outputs, [..., C].

    Returns:
        One value for each row, [...].
    \"\"\"
    y, p = _arrays(y_true, y_pred)
    return _floats(np.abs(y - p) <= 1).mean(axis=-1, dtype=floatx())


"""
COUNTING_METRIC = """@register("metrics")
class LargestError(Metric):
    \"\"\"The largest |y - p| of all samples of an epoch.\"\"\"

    direction = "min"

    def __init__(self, name: str | None = None, dtype: str | None = None) -> None:
        super().__init__(name, dtype)
        self.reset_states()

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        self._largest = max(self._largest, float(np.abs(np.subtract(y_true, y_pred)).max()))

    def result(self) -> float:
        return self._largest

    def reset_states(self) -> None:
        self._largest = 0.0


"""
# The roster of layers and the networks of Keras take most of the time, and the additions do not change them.
SELECTED = "not (test_roster or test_published) or ChannelScale or every_registered or TinyNet or every_network"
PACKAGE = "python/lamella"
# The example of its page without the imports.
FUNCTION_OF_K = first_block("function_of_k.md").partition("\n\n\n")[2] + "\n\n"
ROW_OF_LERP = """    "lerp": [Row((T(X), T_(3, 4, 5), 0.25), lambda x, y, weight: x + weight * (y - x), integers=False)],
"""
# (file, the line above which something is put, what is put there)
ADDITIONS = [
    (f"{PACKAGE}/losses/functions.py", "mse = MSE =", LOSS),
    (f"{PACKAGE}/metrics/accuracies.py", "def _in_top_k", METRIC),
    (f"{PACKAGE}/metrics/means.py", "class _TopK(", COUNTING_METRIC),
    (
        f"{PACKAGE}/callbacks/__init__.py",
        "    from lamella.callbacks.terminate",
        "    from lamella.callbacks.stop_below import StopBelow as StopBelow\n",
    ),
    (f"{PACKAGE}/activations.py", "# Each op of ops/activations.py", ACTIVATION),
    ("tests/layers/test_activation_functions.py", '    "exponential":', '    "cube": lambda x: x**3,\n'),
    (
        f"{PACKAGE}/layers/__init__.py",
        "    from lamella.layers.core.dense",
        "    from lamella.layers.core.channel_scale import ChannelScale as ChannelScale\n",
    ),
    ("tests/layers/layer_roster.py", '    ("Dense", dict(units=4), (3,)),', '    ("ChannelScale", dict(), (4, 3)),\n'),
    (
        f"{PACKAGE}/optimizers/__init__.py",
        "# Also by the names in small letters",
        "from lamella.optimizers.sign_descent import SignDescent as SignDescent\n\n",
    ),
    (
        f"{PACKAGE}/training/options.py",
        "        timeout: Seconds to wait",
        "        mood: Callbacks find it in their params.\n",
    ),
    (f"{PACKAGE}/training/options.py", "    _: KW_ONLY", '    mood: str = "calm"\n'),
    (f"{PACKAGE}/training/run.py", '                "verbose": options.verbose,', '                "mood": options.mood,\n'),
    (f"{PACKAGE}/backend/elementwise.py", "@in_graphs", FUNCTION_OF_K),
    (f"{PACKAGE}/backend/elementwise.py", '    "negative",', '    "lerp",\n'),
    ("tests/backend/roster.py", '    "cos":', ROW_OF_LERP),
    (
        f"{PACKAGE}/applications/__init__.py",
        "from lamella.applications.vgg16",
        "from lamella.applications.tiny_net import TinyNet as TinyNet\n",
    ),
    (
        f"{PACKAGE}/datasets/__init__.py",
        "from lamella.datasets import reuters",
        "from lamella.datasets import points as points\n",
    ),
]
# The new files, and the pages of docs/recipes whose first block is such a file.
FILES = {
    "layers/core/channel_scale.py": "layer.md",
    "optimizers/sign_descent.py": "optimizer.md",
    "saving/formats/trees.py": "format.md",
    "callbacks/stop_below.py": "callback.md",
    "applications/tiny_net.py": "network.md",
    "datasets/points.py": "dataset.md",
}
USE = """
import io
import numpy as np
from lamella import activations, applications, backend as K, callbacks, datasets, layers, losses, metrics, models, optimizers
assert losses.get("fourth_power") is losses.fourth_power is metrics.fourth_power is metrics.get("fourth_power")
assert {"fourth_power"} <= {*losses.__all__} & {*metrics.__all__} and "SignDescent" in optimizers.__all__
assert "ChannelScale" in layers.__all__ and type(optimizers.get("SignDescent")) is optimizers.SignDescent
model = models.Sequential([layers.ChannelScale(input_shape=(3,)), layers.Dense(1, activation="cube")])
model.compile("SignDescent", "fourth_power", metrics=["fourth_power", "within_one", "LargestError"])
seen = callbacks.LambdaCallback()
stop = callbacks.StopBelow(value=1e9)
log = model.fit(np.ones((4, 3)), np.ones(4), epochs=3, mood="merry", verbose=0, callbacks=[seen, stop]).history
assert {"within_one", "LargestError"} <= {*metrics.__all__} and "StopBelow" in callbacks.__all__
error = log["largest_error"][0]
assert len(log["loss"]) == 1 and log["within_one"] == [float(error <= 1)] and abs(error**4 - log["loss"][0]) <= 1e-5 * error**4
assert log["loss"] == log["fourth_power"] and seen.params["mood"] == "merry"
model.save("m.tree")
assert open("m.tree", "rb").read(4) != b"\\x89HDF"
again = models.load_model("m.tree")
x = layers.Input((3,))
between = models.Model(x, K.lerp(x, layers.Dense(3, kernel_initializer="zeros")(x), weight=0.25))
assert between.predict(np.ones((1, 3))).tolist() == [[0.75] * 3] and "lerp" in dir(K)
network = applications.TinyNet(weights=None, classes=4)
assert network.predict(np.zeros((1, 32, 32, 3))).tolist() == [[0.25] * 4]
np.savez("mine.npz", x=np.ones((5, 2), "float32"), y=np.arange(5))
assert datasets.points.load_data("./mine.npz")[1].tolist() == [0, 1, 2, 3, 4]
assert type(again.optimizer) is optimizers.SignDescent and again.layers[1].activation is activations.cube
assert again.predict(np.ones((2, 3))).tolist() == model.predict(np.ones((2, 3))).tolist()
"""

# The record of a network is what Keras computes. Keras does not have this one, so lamella writes it.
RECORD = """
import json, lzma, sys
from pathlib import Path
from lamella.applications.tiny_net import TinyNet
from lamella.models import Model
from tests.golden.applications.network_lines import features_of, images_of, lines_of, some, weights_of
arguments = {"input_shape": [9, 9, 3], "classes": 4}
model = TinyNet(weights=None, input_shape=(9, 9, 3), classes=4)
entry = {"case": ["tiny_net", "TinyNet", "channels_last", arguments], "model": model.name, "lines": lines_of(model)}
model.set_weights(weights_of(model))
features, outputs = Model(model.input, [features_of(model), model.output]).predict(images_of(model))
entry |= {"largest": float(abs(features).max()), "features": some(features).tolist(), "outputs": outputs.tolist()}
path = Path("tests/golden/applications/networks.json.xz")
path.write_bytes(lzma.compress(json.dumps([*json.loads(lzma.decompress(path.read_bytes())), entry]).encode()))
"""


def put(path, above, text):
    lines = path.read_text().splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if line.startswith(above))
    lines.insert(at, text)
    path.write_text("".join(lines))


@pytest.mark.skipif("LAMELLA_RECIPE" not in os.environ, reason="takes a minute: LAMELLA_RECIPE=1")
@pytest.mark.timeout(900)
def test_an_addition_touches_what_the_table_names(tmp_path):
    for part in ("python", "tests", "docs", "cpp", "bench", "examples"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    for path in [*ROOT.glob("*.md"), *ROOT.glob("*.toml"), ROOT / "CMakeLists.txt", ROOT / "LICENSE"]:
        shutil.copy(path, tmp_path)
    if not list((tmp_path / PACKAGE / "_kernels").glob("_compiled*.so")):
        shutil.copy(_kernels._compiled.__file__, tmp_path / PACKAGE / "_kernels")
        for name, directory in (("lib", embedding.get_library()), ("include", embedding.get_include())):
            shutil.copytree(directory, tmp_path / PACKAGE / name)
    for file, above, text in ADDITIONS:
        put(tmp_path / file, above, text)
    for file, page in FILES.items():
        (tmp_path / PACKAGE / file).write_text(first_block(page).replace(".lamella", ".tree"))
    environment = {k: v for k, v in os.environ.items() if k not in ("LAMELLA_RECIPE", "LAMELLA_BUILD_DIR", "PYTEST_ADDOPTS")}
    environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path / "python"), str(tmp_path)])
    for command in (
        ["-c", USE],
        ["-c", RECORD],
        ["-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS, "-k", SELECTED],
    ):
        done = subprocess.run([sys.executable, *command], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-3000:]}"
