"""UpSampling2D and K.resize_images of tf.keras: half-pixel centres, recorded from TensorFlow 2.21."""

import json
from pathlib import Path

import numpy as np
import pytest

from lamella import backend as K
from lamella import layers, tf_keras
from lamella.core import config
from lamella.models import Model, Sequential, load_model, model_from_json

RECORDED = json.loads((Path(__file__).parents[1] / "golden" / "tf_2.21.json").read_text())["resize"]
X = np.array([[[[1.0], [3.0]]]], "float32")
# By hand: at -1/4, 1/4, 3/4 and 5/4 in TensorFlow 2; at 0, 1/2, 1 and 3/2 in TensorFlow 1.
CENTRES, CORNERS = [1.0, 1.5, 2.5, 3.0], [1.0, 2.0, 3.0, 3.0]


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: str(case["factors"]))
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_bilinear_numbers_are_those_of_tensorflow(case, data_format):
    x, y = (np.array(case[name], "float32") for name in ("x", "y"))
    if data_format == "channels_first":
        x, y = x.transpose(0, 3, 1, 2), y.transpose(0, 3, 1, 2)
    layer = tf_keras.layers.UpSampling2D(case["factors"], data_format, interpolation="bilinear", input_shape=x.shape[1:])
    np.testing.assert_allclose(Sequential([layer]).predict(x), y, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dialect, wanted", [("keras2", CORNERS), ("tf", CENTRES)])
def test_resize_images_follows_the_dialect_in_which_it_is_called(dialect, wanted):
    config.set_dialect(dialect)
    assert K.resize_images(X, 1, 2, "channels_last", "bilinear").ravel().tolist() == wanted
    x = layers.Input((1, 2, 1))
    model = Model(x, K.resize_images(x, 1, 2, "channels_last", interpolation="bilinear"))
    config.set_dialect("tf" if dialect == "keras2" else "keras2")
    for made in (model, model_from_json(model.to_json())):
        assert made.predict(X).ravel().tolist() == wanted


def test_a_file_means_the_same_in_both_dialects(tmp_path):
    config.set_dialect("tf")
    model = Sequential([tf_keras.layers.UpSampling2D((1, 2), interpolation="bilinear", input_shape=(1, 2, 1))])
    model.save(tmp_path / "m.h5")
    again = tf_keras.layers.UpSampling2D.from_config(model.layers[0].get_config())
    assert again.get_config() == model.layers[0].get_config()
    for dialect in ("tf", "keras2"):
        config.set_dialect(dialect)
        assert load_model(tmp_path / "m.h5", compile=False).predict(X).ravel().tolist() == CENTRES
    plain = Sequential([layers.UpSampling2D((1, 2), interpolation="bilinear", input_shape=(1, 2, 1))])
    assert plain.predict(X).ravel().tolist() == CORNERS
    assert "half_pixel_centers" not in plain.layers[0].get_config()


def test_half_pixel_centres_need_bilinear():
    with pytest.raises(ValueError, match='half_pixel_centers=True needs interpolation="bilinear", got .nearest.'):
        layers.UpSampling2D(half_pixel_centers=True)
