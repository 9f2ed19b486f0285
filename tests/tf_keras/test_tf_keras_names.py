"""`tensorflow.keras` is lamella with the dialect of TensorFlow 2. Each case runs in a new process."""

import subprocess
import sys

import numpy as np
import pytest

from lamella import layers, tf_keras


def run(code, dialect="tf"):
    first = f"import lamella\nlamella.install_as_keras(dialect={dialect!r})\n"
    return subprocess.run([sys.executable, "-c", first + code], capture_output=True, text=True, timeout=60)


def check(code):
    done = run(code)
    assert done.returncode == 0, done.stderr


def test_ways_of_importing():
    check("""
import tensorflow as tf
from tensorflow import keras
import keras as plain
from tensorflow.keras import layers, models, backend as K, optimizers
from tensorflow.keras.layers import Dense, GRU, Input
from tensorflow.keras.models import Sequential, Model, load_model, model_from_json
from tensorflow.keras.preprocessing.image import load_img, img_to_array
from tensorflow.keras.preprocessing.sequence import pad_sequences
from tensorflow.keras.utils import to_categorical, Sequence
from tensorflow.keras.callbacks import EarlyStopping, ModelCheckpoint, TensorBoard
from tensorflow.keras.losses import categorical_crossentropy, BinaryCrossentropy
from tensorflow.keras.metrics import AUC, Mean
from tensorflow.keras.initializers import HeNormal, GlorotUniform, Constant
from tensorflow.keras.regularizers import l2, L1L2
from tensorflow.keras.optimizers.schedules import ExponentialDecay
from tensorflow.keras.optimizers.legacy import Adam
from tensorflow.keras.layers import *
assert tf.keras is keras is plain is lamella.tf_keras
assert Dense is lamella.layers.Dense is tf.keras.layers.Dense and GRU is not lamella.layers.GRU
assert Model is lamella.Model is tf.keras.Model and K is lamella.backend and Conv2D is lamella.layers.Conv2D
assert optimizers.Ftrl().get_config()["initial_accumulator_value"] == 0.1 and optimizers.get("ftrl").name == "Ftrl"
assert tf.keras.__version__ == "2.10.0" and l2(l2=0.5).l2 == 0.5 and Adam is optimizers.Adam
""")


def test_star_imports_have_only_names_of_keras():
    check("""
from tensorflow.keras.utils import Sequence
for room, some in (("layers", {"Input", "GRU", "Dense"}), ("initializers", {"HeNormal", "Zeros"}), ("regularizers", {"L2", "l1_l2"}),
                   ("callbacks", {"TensorBoard", "EarlyStopping"}), ("optimizers", {"Adam", "SGD"})):
    shown = {}
    exec(f"from tensorflow.keras.{room} import *", shown)
    assert some <= set(shown), (room, some - set(shown))
    assert not {"Any", "Mapping", "Sequence", "annotations", "rest_of", "np"} & set(shown), room
    module = __import__(f"tensorflow.keras.{room}", fromlist=["x"])
    assert all(shown[name] is getattr(module, name) for name in some)
""")


@pytest.mark.parametrize(
    "statement, message",
    [
        (
            "import tensorflow as tf; tf.constant(1)",
            "tensorflow.constant is not available: lamella replaces only tensorflow.keras",
        ),
        ("import tensorflow as tf; tf.random.set_seed(1)", "lamella.utils.set_random_seed(seed) seeds layers and training"),
        ("import tensorflow.data", "tensorflow.data is not available"),
        ("from tensorflow.python.keras.layers import Dense", "tensorflow.python is not available"),
        (
            "from tensorflow.keras.layers.experimental import preprocessing",
            "`tensorflow.keras.layers.experimental` does not exist",
        ),
        ("from tensorflow.keras.optimizers import Muon", "Muon"),
        (
            "import lamella; lamella.install_as_keras()",
            "`keras` already resolves to the other dialect; a process can use only one",
        ),
    ],
)
def test_missing_names_say_what_to_do(statement, message):
    done = run(statement)
    assert done.returncode == 1 and message in done.stderr.splitlines()[-1], done.stderr


def test_a_dialect_is_one_of_two_and_tensorflow_is_not_mixed_in(tmp_path):
    done = run("", "torch")
    assert "ValueError: install_as_keras: expected dialect 'keras2' or 'tf', got 'torch'" in done.stderr
    (tmp_path / "tensorflow.py").write_text("")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import tensorflow, lamella; lamella.install_as_keras(dialect='tf')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "RuntimeError: install_as_keras: another tensorflow is already imported" in done.stderr


def test_a_script_runs_and_its_file_loads_in_keras_2(tmp_path):
    path = tmp_path / "m.h5"
    check(f"""
import numpy as np
from tensorflow import keras
from tensorflow.keras import layers
rng = np.random.RandomState(0)
x = rng.rand(60, 5, 4).astype("float32")
y = x.sum(1).argmax(1)
inputs = keras.Input(shape=(5, 4), batch_size=None)
h = layers.GRU(16)(inputs)
outputs = layers.Dense(4)(h)
model = keras.Model(inputs, outputs)
assert [layer.name for layer in model.layers] == ["input_1", "gru", "dense"] and model.name == "model"
model.compile(optimizer=keras.optimizers.Adam(learning_rate=0.02), metrics=["accuracy"],
              loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
stop = keras.callbacks.EarlyStopping(monitor="val_accuracy", patience=50)
plateau = keras.callbacks.ReduceLROnPlateau(monitor="val_acc", patience=50)
log = model.fit(x, y, epochs=40, validation_split=0.2, verbose=0, callbacks=[stop, plateau]).history
assert set(log) == {{"loss", "accuracy", "val_loss", "val_accuracy", "lr"}}, log.keys()
assert log["accuracy"][-1] > 0.8, log["accuracy"]
model.save({str(path)!r})
np.save({str(tmp_path / "p.npy")!r}, model.predict(x))
np.save({str(tmp_path / "x.npy")!r}, x)
""")
    model = tf_keras.models.load_model(str(path))
    assert type(model.layers[1]) is layers.GRU and model.layers[1].reset_after
    np.testing.assert_array_equal(model.predict(np.load(tmp_path / "x.npy")), np.load(tmp_path / "p.npy"))
    assert float(model.optimizer.lr) == 0.02


@pytest.mark.parametrize("kind, after", [("GRU", True), ("GRUCell", True), ("LSTM", None), ("LSTMCell", None)])
def test_recurrent_defaults_and_positions(kind, after):
    ours, theirs = getattr(tf_keras.layers, kind)(3), getattr(layers, kind)(3)
    changed = {k: v for k, v in ours.get_config().items() if theirs.get_config()[k] != v and k != "name"}
    assert changed == {"recurrent_activation": "sigmoid", "implementation": 2} | ({"reset_after": True} if after else {})
    assert type(ours).from_config(ours.get_config()).get_config() == ours.get_config()
    assert getattr(tf_keras.layers, kind)(3, "relu", "tanh").recurrent_activation.__name__ == "tanh"
    with pytest.raises(TypeError, match=f"{kind}: got argument 'units' by position and by name"):
        getattr(tf_keras.layers, kind)(3, units=3)


def test_positions_after_the_dropouts_are_those_of_tf_keras():
    places = ["tanh", "sigmoid", True, "zeros", "zeros", "zeros", None, None, None, None, None, None, None, 0.1, 0.2]
    layer = tf_keras.layers.GRU(3, *places, True, True)
    assert (layer.dropout, layer.recurrent_dropout, layer.return_sequences, layer.return_state) == (0.1, 0.2, True, True)


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: tf_keras.layers.GRU(3, time_major=True), ValueError, "expected time_major=False, got True"),
        (lambda: tf_keras.layers.LSTM(3, *[None] * 40), TypeError, "LSTM: expected at most"),
        (lambda: tf_keras.layers.UpSampling2D(interpolation="bicubic"), ValueError, 'should be one of "nearest" or "bilinear"'),
        (lambda: tf_keras.Input((3,), ragged=True), ValueError, "expected ragged=False, got True"),
        (
            lambda: tf_keras.callbacks.TensorBoard(profile_batch="10,20"),
            ValueError,
            "TensorBoard: profile_batch is not in lamella",
        ),
        (lambda: tf_keras.layers.Nothing, AttributeError, "Nothing"),
    ],
)
def test_refused_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()
