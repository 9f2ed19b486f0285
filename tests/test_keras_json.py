"""keras.json: read by install_as_keras, honoured, and never the reason why an import fails."""

import json
import os
import subprocess
import sys

import pytest

from lamella.core import config
from lamella.core.keras_json import apply_keras_json, keras_home


@pytest.fixture(autouse=True)
def _epsilon_is_put_back():
    yield
    config.set_epsilon(1e-7)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    return tmp_path


def settings():
    return config.floatx(), config.epsilon(), config.image_data_format()


DEFAULTS = ("float32", 1e-7, "channels_last")
KERAS = {"floatx": "float64", "epsilon": 1e-5, "backend": "tensorflow", "image_data_format": "channels_first"}


def test_settings_of_the_file_hold(home):
    (home / "keras.json").write_text(json.dumps(KERAS))
    apply_keras_json()
    assert settings() == ("float64", 1e-5, "channels_first")


def test_a_file_with_some_settings(home):
    (home / "keras.json").write_text('{"epsilon": 0.001, "somebody_elses": [1]}')
    apply_keras_json()
    assert settings() == ("float32", 0.001, "channels_last")


def test_without_a_file_nothing_happens_and_none_is_written(home):
    apply_keras_json()
    assert settings() == DEFAULTS and list(home.iterdir()) == []


def test_where_the_file_is(home, monkeypatch):
    assert keras_home() == str(home)
    monkeypatch.setenv("HOME", "/somewhere")
    monkeypatch.setenv("KERAS_HOME", "~/k")
    assert keras_home() == "/somewhere/k"
    monkeypatch.setenv("KERAS_HOME", "")
    assert keras_home() == "/somewhere/.keras"


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[1, 2]", b"3", b"\xff\xfe", b"[" * 100000], ids=["empty", "cut", "list", "number", "bytes", "deep"]
)
def test_a_damaged_file_is_named_in_a_warning(home, text):
    (home / "keras.json").write_bytes(text)
    with pytest.warns(UserWarning, match="keras.json is ignored") as warned:
        apply_keras_json()
    assert str(home) in str(warned[0].message) and len(warned) == 1 and settings() == DEFAULTS


def test_a_directory_in_its_place(home):
    (home / "keras.json").mkdir()
    with pytest.warns(UserWarning, match="keras.json is ignored"):
        apply_keras_json()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("floatx", "float16"), ("floatx", None), ("epsilon", "small"), ("epsilon", 0), ("epsilon", True), ("epsilon", [1]),
        ("image_data_format", "th"), ("image_data_format", 3),
    ],
)  # fmt: skip
def test_a_value_that_means_nothing_is_named(home, name, value):
    (home / "keras.json").write_text(json.dumps(KERAS | {name: value}))
    with pytest.warns(UserWarning, match=rf"keras.json: {name} is ignored") as warned:
        apply_keras_json()
    assert len(warned) == 1
    wanted = dict(zip(("floatx", "epsilon", "image_data_format"), ("float64", 1e-5, "channels_first")))
    wanted[name] = dict(zip(wanted, DEFAULTS))[name]
    assert settings() == tuple(wanted.values())


def test_another_backend_only_warns(home):
    (home / "keras.json").write_text(json.dumps(KERAS | {"backend": "theano"}))
    with pytest.warns(UserWarning, match="asks for the backend 'theano'"):
        apply_keras_json()
    assert settings() == ("float64", 1e-5, "channels_first")


def test_install_as_keras_reads_it_and_lamella_alone_does_not(home):
    (home / "keras.json").write_text(json.dumps(KERAS))
    code = (
        "import sys, lamella; from lamella.core import config\n"
        "assert config.floatx() == 'float32'\n"
        "lamella.install_as_keras()\n"
        "import keras\n"
        "from keras import backend as K\n"
        "assert (K.floatx(), K.epsilon(), K.image_data_format()) == ('float64', 1e-5, 'channels_first')\n"
        "K.set_floatx('float32'); lamella.install_as_keras(); assert K.floatx() == 'float32'\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, env=dict(os.environ))
    assert (done.returncode, done.stderr) == (0, "")
