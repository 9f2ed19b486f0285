"""`import keras` resolves to lamella; each case runs in its own process."""

import subprocess
import sys

import pytest


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


def check(code):
    done = run("import lamella\nlamella.install_as_keras()\n" + code)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "statement, same",
    [
        ("import keras", "keras.layers is lamella.layers and keras.__version__ == '2.2.5'"),
        ("from keras.layers import Dense", "Dense is lamella.layers.Dense"),
        ("from keras.models import Sequential, Model, model_from_json", "Sequential is lamella.Sequential"),
        ("from keras import backend as K", "K is lamella.backend and K.floatx() == 'float32'"),
        ("import keras.backend as K", "K is lamella.backend"),
        ("import keras.layers.core as core", "core is lamella.layers.core"),
        ("from keras.layers.convolutional import Conv2D, MaxPooling2D", "Conv2D is lamella.layers.Conv2D"),
        ("from keras.models import load_model, save_model, model_from_yaml", "load_model is lamella.models.load_model"),
        ("from keras.engine.saving import load_model, ask_to_proceed_with_overwrite", "load_model is lamella.models.load_model"),
        ("from keras.engine.saving import model_from_json, model_from_config, save_model", "save_model is lamella.models.save_model"),
        ("import keras; keras.models.load_model, keras.models.save_model", "keras.models is lamella.models"),
        ("from keras.layers.normalization import BatchNormalization", "BatchNormalization is lamella.layers.BatchNormalization"),
        ("from keras.layers.merge import concatenate", "concatenate is lamella.layers.concatenate"),
        ("from keras.engine.topology import Layer, Input, InputSpec", "Layer is lamella.layers.Layer"),
        ("from keras.engine import Model, Layer", "Model is lamella.Model"),
        ("from keras.engine.training import Model", "Model is lamella.Model"),
        ("from keras.utils import to_categorical, np_utils", "np_utils.to_categorical is lamella.utils.to_categorical is to_categorical"),
        ("from keras.utils.generic_utils import Progbar; import keras", "Progbar is lamella.callbacks.Progbar is keras.utils.Progbar"),
        ("from keras.utils.layer_utils import print_summary; import keras", "print_summary is keras.utils.print_summary"),
        ("from keras.utils.np_utils import to_categorical, normalize", "normalize is lamella.utils.normalize"),
        ("from keras.utils import get_file, data_utils", "data_utils.get_file is get_file is lamella.utils.get_file"),
        ("from keras.utils.data_utils import get_file, validate_file", "get_file is lamella.utils.get_file"),
        ("from keras.utils.test_utils import layer_test, get_test_data", "layer_test.__module__ == 'lamella.utils.test_utils'"),
        ("from keras.utils import conv_utils, io_utils, generic_utils, layer_utils", "conv_utils is lamella.utils.conv_utils"),
        ("from keras.utils.io_utils import HDF5Matrix; import keras", "HDF5Matrix is keras.utils.HDF5Matrix is lamella.utils.HDF5Matrix"),
        ("from keras.utils.vis_utils import plot_model", "plot_model is lamella.utils.plot_model"),
        ("from keras.utils import multi_gpu_model", "multi_gpu_model is lamella.utils.multi_gpu_model"),
        ("from keras.engine.topology import get_source_inputs", "get_source_inputs is lamella.utils.get_source_inputs"),
        ("from keras.utils import serialize_keras_object, deserialize_keras_object, get_custom_objects", "get_custom_objects() == {}"),
        ("from keras.utils.generic_utils import CustomObjectScope", "CustomObjectScope is lamella.utils.custom_object_scope"),
        ("from keras.optimizers import SGD, Adam", "SGD is lamella.optimizers.SGD"),
        ("from keras.callbacks import EarlyStopping, History", "EarlyStopping is lamella.callbacks.EarlyStopping"),
        (
            "from keras.callbacks import BaseLogger, ProgbarLogger, ModelCheckpoint, ReduceLROnPlateau, LearningRateScheduler\n"
            "from keras.callbacks import CSVLogger, TensorBoard, TerminateOnNaN, LambdaCallback, RemoteMonitor, CallbackList\n"
            "from keras.callbacks import *",
            "TensorBoard is lamella.callbacks.TensorBoard and Callback is lamella.callbacks.Callback",
        ),
        ("from keras.losses import mean_squared_error", "mean_squared_error is lamella.losses.mean_squared_error"),
        ("from keras import activations, initializers, regularizers, constraints, metrics", "regularizers is lamella.regularizers"),
        ("from keras.applications.imagenet_utils import _obtain_input_shape", "_obtain_input_shape((9, 9, 3), 9, 5, 'channels_last', include_top=True, weights=None) == (9, 9, 3)"),
        ("import keras_applications.imagenet_utils as a; from keras.applications import imagenet_utils as b", "a is b"),
        ("from keras_applications.imagenet_utils import _obtain_input_shape, preprocess_input", "preprocess_input is lamella.applications.imagenet_utils.preprocess_input"),
        ("from keras import Input, Model, Sequential", "Input is lamella.layers.Input"),
        ("from keras.initializers import glorot_uniform, Orthogonal", "Orthogonal is lamella.initializers.Orthogonal"),
    ],
)  # fmt: skip
def test_the_same_objects(statement, same):
    check(f"{statement}\nassert {same}")


@pytest.mark.parametrize(
    "statement, named",
    [
        ("from keras.applications.vgg17 import VGG17", "keras.applications.vgg17"),
        ("from keras_applications.vgg16 import VGG17", "VGG17"),
        ("from keras.layers import LSTM9", "LSTM9"),
        ("from keras.layers.convolutional import Conv9D", "Conv9D"),
        ("from keras import nothing", "nothing"),
        ("import keras.layers.nothing", "keras.layers.nothing"),
    ],
)
def test_what_is_missing_is_an_import_error_that_names_it(statement, named):
    check(
        f"try:\n    {statement}\nexcept ImportError as e:\n    assert {named!r} in str(e), e\nelse:\n    raise SystemExit('imported')"
    )


def test_another_keras_is_never_mixed_in(tmp_path):
    (tmp_path / "keras").mkdir()
    (tmp_path / "keras" / "__init__.py").write_text("other = True")
    (tmp_path / "keras" / "nothing.py").write_text("")
    path = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
    done = run(
        path
        + "import lamella; lamella.install_as_keras(); import keras; assert not hasattr(keras, 'other')\nimport keras.nothing"
    )
    assert "lamella has no 'nothing'" in done.stderr
    done = run(path + "import keras, lamella; lamella.install_as_keras()")
    assert "RuntimeError: install_as_keras: another keras is already imported" in done.stderr


def test_a_module_keeps_its_own_name_and_installing_twice_is_fine():
    check("import keras.layers; assert keras.layers.__spec__.name == keras.layers.__name__ == 'lamella.layers'")
    check("assert lamella.install_as_keras() is lamella.install_as_keras()")


def test_a_keras_script_runs():
    check(
        """
import numpy as np
from keras.models import Sequential
from keras.layers import Dense, Dropout
from keras.utils import np_utils
np.random.seed(1)
x = np.random.rand(60, 4)
y = np_utils.to_categorical(x.argmax(1))
model = Sequential()
model.add(Dense(16, activation='relu', input_dim=4))
model.add(Dropout(0.1))
model.add(Dense(4, activation='softmax'))
model.compile(loss='categorical_crossentropy', optimizer='adam', metrics=['accuracy'])
history = model.fit(x, y, epochs=30, batch_size=10, verbose=0)
assert history.history['loss'][-1] < 0.9 * history.history['loss'][0], history.history['loss']
"""
    )
