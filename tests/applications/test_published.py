"""Every layer of every network, its weights and its output are those of Keras 2.2.5."""

import importlib
import inspect
import json
import lzma
import warnings
from pathlib import Path

import numpy as np
import pytest

from lamella import applications
from lamella.core import config
from lamella.core.names import reset_uids
from lamella.models import Model
from tests.golden.applications.network_lines import features_of, images_of, lines_of, some, weights_of

RECORD = Path(__file__).parents[1] / "golden" / "applications" / "networks.json.xz"
ENTRIES = json.loads(lzma.decompress(RECORD.read_bytes()))


def label(entry):
    _, name, data_format, arguments = entry["case"]
    return "-".join([name, data_format[9:], *(f"{k}={v}" for k, v in arguments.items())])


@pytest.mark.parametrize("entry", ENTRIES, ids=label)
def test_layers_and_numbers_are_the_published_ones(entry, zero_kernels):
    module, name, data_format, arguments = entry["case"]
    config.set_image_data_format(data_format)
    reset_uids()
    given = {key: tuple(value) if isinstance(value, list) else value for key, value in arguments.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ResNet50 without a top, and 1 channel
        model = getattr(importlib.import_module(f"lamella.applications.{module}"), name)(weights=None, **given)
    assert model.name == entry["model"]
    assert lines_of(model) == entry["lines"]
    if "features" in entry:
        model.set_weights(weights_of(model))
        features, outputs = Model(model.input, [features_of(model), model.output]).predict(images_of(model))
        # float32 through up to 700 layers: both results have errors of about 1e-6 of the largest number.
        np.testing.assert_allclose(some(features), entry["features"], rtol=0, atol=2e-5 * entry["largest"])
        np.testing.assert_allclose(outputs, entry["outputs"], atol=1e-4)


def test_every_network_is_recorded():
    networks = {name for name, value in vars(applications).items() if inspect.isfunction(value) and name[0].isupper()}
    assert {entry["case"][1] for entry in ENTRIES} == networks and len(networks) >= 18
    # VGG19 has the layers of VGG16.
    modules, computed = ({entry["case"][0] for entry in ENTRIES if key in entry} for key in ("case", "features"))
    assert modules - computed == {"vgg19"}
