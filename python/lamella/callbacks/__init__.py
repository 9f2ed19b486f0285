"""Callbacks: hooks that run beside training. They see the model only through `self.model`.

Each class loads with its first use: a usual fit needs only three of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamella.core import lazy as _lazy

if TYPE_CHECKING:
    from lamella.callbacks.backup import BackupAndRestore as BackupAndRestore
    from lamella.callbacks.base import Callback as Callback
    from lamella.callbacks.callback_list import CallbackList as CallbackList
    from lamella.callbacks.csv_logger import CSVLogger as CSVLogger
    from lamella.callbacks.early_stopping import EarlyStopping as EarlyStopping
    from lamella.callbacks.history import BaseLogger as BaseLogger
    from lamella.callbacks.history import History as History
    from lamella.callbacks.lambdas import LambdaCallback as LambdaCallback
    from lamella.callbacks.model_checkpoint import ModelCheckpoint as ModelCheckpoint
    from lamella.callbacks.progbar import Progbar as Progbar
    from lamella.callbacks.progress import ProgbarLogger as ProgbarLogger
    from lamella.callbacks.reduce_lr import ReduceLROnPlateau as ReduceLROnPlateau
    from lamella.callbacks.remote_monitor import RemoteMonitor as RemoteMonitor
    from lamella.callbacks.schedule import LearningRateScheduler as LearningRateScheduler
    from lamella.callbacks.tensorboard import TensorBoard as TensorBoard
    from lamella.callbacks.terminate_on_nan import TerminateOnNaN as TerminateOnNaN

_lazy.attach(__name__)
