"""multi_gpu_model returns the model itself, because lamella uses only the CPU."""

import warnings

import pytest

from lamella.layers import Dense
from lamella.models import Sequential
from lamella.utils import multi_gpu_model, multi_gpu_utils


@pytest.fixture(autouse=True)
def _nobody_was_warned(monkeypatch):
    monkeypatch.setattr(multi_gpu_utils, "_warned", False)


@pytest.mark.parametrize("gpus", [None, 2, 8, [0, 1], (1, 0, 2)])
def test_it_returns_the_model_itself(gpus):
    model = Sequential([Dense(2, input_shape=(3,))])
    with pytest.warns(UserWarning, match="computes on the CPU, with all cores"):
        assert multi_gpu_model(model, gpus, cpu_merge=False, cpu_relocation=True) is model


def test_it_warns_once_and_at_the_script():
    with pytest.warns(UserWarning) as warned:
        multi_gpu_model("model", 2)
    assert len(warned) == 1 and warned[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert multi_gpu_model("model", 4) == "model"


@pytest.mark.parametrize(
    ("gpus", "text"),
    [
        (0, "`multi_gpu_model` with `gpus >= 2`. Received: `gpus=0`"),
        (1, "`multi_gpu_model` with `gpus >= 2`. Received: `gpus=1`"),
        (-1, "`gpus >= 2`. Received: `gpus=-1`"),
        ([0], "`multi_gpu_model` with `len(gpus) >= 2`. Received: `gpus=[0]`"),
        ([], "`len(gpus) >= 2`. Received: `gpus=[]`"),
        ((3,), "`len(gpus) >= 2`. Received: `gpus=(3,)`"),
    ],
)
def test_fewer_than_two_are_refused(gpus, text):
    with pytest.raises(ValueError) as error:
        multi_gpu_model("model", gpus)
    assert text in str(error.value) and str(error.value).startswith("For multi-gpu usage to be effective")
