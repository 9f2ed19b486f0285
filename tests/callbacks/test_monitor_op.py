"""monitor_op: how callbacks that monitor a value compare it, which subclasses in scripts read."""

import numpy as np
import pytest

from lamella.callbacks import EarlyStopping, ModelCheckpoint, ReduceLROnPlateau


@pytest.mark.parametrize("callback", [EarlyStopping, lambda *args, **options: ModelCheckpoint("m.h5", *args, **options)])
def test_monitor_op_compares_in_the_direction_of_the_mode(callback):
    assert callback(monitor="val_loss").monitor_op is np.less
    assert callback(monitor="val_acc").monitor_op is np.greater
    assert callback(monitor="val_acc", mode="min").monitor_op is np.less
    assert callback(monitor="val_loss", mode="max").monitor_op is np.greater


def test_monitor_op_of_the_plateau_counts_min_delta():
    falling, rising = ReduceLROnPlateau(min_delta=0.5), ReduceLROnPlateau(min_delta=0.5, mode="max")
    assert [falling.monitor_op(value, 2.0) for value in (1.25, 1.5, 2.25)] == [True, False, False]
    assert [rising.monitor_op(value, 2.0) for value in (1.75, 2.5, 2.75)] == [False, False, True]
