"""Callbacks: what happens beside training, hook by hook. They see the model only through `self.model`."""

from __future__ import annotations

from lamella.callbacks.base import Callback, CallbackList
from lamella.callbacks.early_stopping import EarlyStopping
from lamella.callbacks.history import BaseLogger, History
from lamella.callbacks.progress import Progbar, ProgbarLogger

__all__ = ["BaseLogger", "Callback", "CallbackList", "EarlyStopping", "History", "Progbar", "ProgbarLogger"]
