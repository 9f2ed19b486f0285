"""Logs with both names of accuracy, History, BaseLogger, CallbackList, and the progress lines."""

import os
import subprocess
import sys
import warnings

import pytest

from lamella.callbacks import BaseLogger, Callback, CallbackList, History, Progbar, ProgbarLogger
from lamella.callbacks.logs import Logs
from lamella.callbacks.progress import ProgressLine


def test_an_entry_has_both_names_of_accuracy():
    logs = Logs({"acc": 0.5, "val_acc": 0.25, "out_acc": 0.125, "loss": 1.0})
    assert logs["accuracy"] == 0.5 and logs["val_accuracy"] == 0.25 and logs.get("out_accuracy") == 0.125
    assert "val_accuracy" in logs and "accuracy_val" not in logs and "val_loss_accuracy" not in logs
    assert list(logs) == ["acc", "val_acc", "out_acc", "loss"]
    assert Logs({"accuracy": 2})["acc"] == 2
    assert logs.get("missing_accuracy", 7) == 7 and logs.get("missing") is None
    with pytest.raises(KeyError, match="f1_accuracy"):
        logs["f1_accuracy"]


def test_history_keeps_each_key_once():
    history = History()
    history.on_train_begin()
    history.on_epoch_end(3, Logs(loss=1.0, acc=0.5))
    history.on_epoch_end(4, Logs(loss=0.5, acc=0.75, lr=0.1))
    assert history.epoch == [3, 4]
    assert dict(history.history) == {"loss": [1.0, 0.5], "acc": [0.5, 0.75], "lr": [0.1]}
    assert history.history["accuracy"] == [0.5, 0.75]
    history.on_train_begin()
    assert history.epoch == [] and history.history == {}


def test_base_logger_weights_by_size_except_stateful_metrics():
    base = BaseLogger(stateful_metrics=["auc"])
    base.set_params({"metrics": ["loss", "auc", "val_loss"]})
    base.on_epoch_begin(0)
    base.on_train_batch_end(0, {"batch": 0, "size": 3, "loss": 1.0, "auc": 0.2})
    base.add(["loss", "auc"], [2.0, 0.4], 1)
    logs = Logs()
    base.on_epoch_end(0, logs)
    assert logs == {"loss": 1.25, "auc": 0.4}
    base.on_batch_end(1)
    assert base.seen == 4 and base.totals == {"loss": 5.0, "auc": 0.4}


class Recorder(Callback):
    def __init__(self, calls, name):
        super().__init__()
        self.calls, self.name = calls, name

    def on_epoch_end(self, epoch, logs=None):
        self.calls.append((self.name, epoch, dict(logs)))
        logs[self.name] = epoch


class BatchRecorder(Recorder):
    def on_batch_end(self, batch, logs=None):
        self.calls.append((self.name, "batch", batch, logs["size"]))


def test_hooks_are_called_in_order_with_the_same_dict():
    calls = []
    callbacks = CallbackList([Recorder(calls, "a"), Recorder(calls, "b")])
    callbacks.on_epoch_end(2, Logs(loss=1.0))
    assert calls == [("a", 2, {"loss": 1.0}), ("b", 2, {"loss": 1.0, "a": 2})]


def test_batch_hooks_are_called_only_where_defined():
    calls = []
    quiet, loud, late = Recorder(calls, "quiet"), BatchRecorder(calls, "loud"), Callback()
    late.on_train_batch_begin = lambda batch, logs=None: calls.append(("late", batch))
    callbacks = CallbackList([quiet, loud, late])
    assert callbacks.listeners("train") == [loud, late] and callbacks.listeners("test") == []
    for hook in (callbacks.on_batch_begin, callbacks.on_batch_end, callbacks.on_test_batch_end):
        hook(0, Logs(batch=0, size=5))
    assert calls == [("late", 0), ("loud", "batch", 0, 5)]
    callbacks.on_train_batch_end(1, Logs(batch=1, size=2))
    assert calls[2:] == [("loud", "batch", 1, 2)]


def test_no_logs_means_an_empty_dict():
    calls = []
    CallbackList([Recorder(calls, "a")]).on_epoch_end(0)
    assert calls == [("a", 0, {})]


def test_a_slow_callback_is_named(monkeypatch):
    clock = iter(range(1000))
    monkeypatch.setattr("lamella.callbacks.callback_list.perf_counter", lambda: next(clock) * 0.2)
    callbacks = CallbackList([BatchRecorder([], "slow")], queue_length=3)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for batch in range(3):
            callbacks.call_batch("train", "begin", batch, Logs(size=1))
            callbacks.call_batch("train", "end", batch, Logs(size=1))
    assert "Method on_batch_end() of BatchRecorder is slow compared to the batch update (0.200000)" in str(caught[-1].message)


class Slow(Callback):
    """Takes `seconds` of a fake clock in one hook."""

    def __init__(self, now, hook, seconds):
        super().__init__()
        setattr(self, hook, lambda batch, logs=None: now.__setitem__(0, now[0] + seconds))


class Slower(Slow):
    pass


def test_a_slow_hook_warns_once_with_its_own_name(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("lamella.callbacks.callback_list.perf_counter", lambda: now[0])

    def warned(*callbacks, epochs=3):
        chosen = CallbackList(callbacks, queue_length=3)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for epoch in range(epochs):
                chosen.on_epoch_begin(epoch)
                for batch in range(5):
                    chosen.call_batch("train", "begin", batch, Logs(size=1))
                    now[0] += 0.2  # the time of the batch itself
                    chosen.call_batch("train", "end", batch, Logs(size=1))
        return [
            str(w.message).removesuffix(" is slow compared to the batch update (0.300000). Check your callbacks.")
            for w in caught
        ]

    fast = Slow(now, "on_batch_end", 0.01)
    for hook in ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end"):
        assert warned(Slow(now, hook, 0.3)) == [f"Method {hook}() of Slow"]
    assert warned(Slow(now, "on_batch_end", 0.1)) == warned(fast) == []
    both = warned(Slow(now, "on_batch_begin", 0.3), Slower(now, "on_train_batch_end", 0.3))
    assert both == ["Method on_batch_begin() of Slow", "Method on_train_batch_end() of Slower"]
    assert warned(fast, Slower(now, "on_batch_end", 0.29))[0].startswith("Method on_batch_end() of Slower")


def test_last_line_of_a_bar(capsys):
    bar = ProgressLine(60, title="Epoch 1/3")
    bar.update(30, {"loss": 1.0})
    bar.finish(60, {"loss": 0.25, "acc": 0.001})
    out = capsys.readouterr().out
    assert out.startswith("Epoch 1/3 - 60/60 [==============================] - 0s ")
    assert out.endswith("/step - loss: 0.2500 - acc: 1.0000e-03\n") and out.count("\n") == 1
    ProgressLine(60, verbose=2, title="Epoch 1/3").finish(60, {"loss": 0.25})
    assert capsys.readouterr().out == "Epoch 1/3 - 0s - loss: 0.2500\n"
    ProgressLine(60, verbose=0).finish(60)
    assert capsys.readouterr().out == ""
    ProgressLine(60, width=6).finish(30)
    assert capsys.readouterr().out.startswith("30/60 [==>...] - 0s ")
    ProgressLine(1000, width=6).finish(30)
    assert capsys.readouterr().out.startswith("  30/1000 [......] - 0s ")


def test_output_to_a_pipe_has_a_line_every_ten_seconds(capsys, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("lamella.callbacks.progress.perf_counter", lambda: now[0])
    bar = ProgressLine(60, width=6, title="Epoch 1/3")
    for second in range(1, 36):
        now[0] += 1.0
        bar.update(second, {"loss": 0.5})
    bar.finish(60, {"loss": 0.25})
    assert capsys.readouterr().out.splitlines() == [
        "Epoch 1/3 - 10/60 [>.....] - ETA: 50s - loss: 0.5000",
        "Epoch 1/3 - 20/60 [=>....] - ETA: 40s - loss: 0.5000",
        "Epoch 1/3 - 30/60 [==>...] - ETA: 30s - loss: 0.5000",
        "Epoch 1/3 - 60/60 [======] - 35s 583ms/step - loss: 0.2500",
    ]
    for verbose in (0, 2):
        bar = ProgressLine(60, verbose=verbose)
        now[0] += 100.0
        bar.update(30)
    assert capsys.readouterr().out == ""


NOTEBOOK = """
import sys
import numpy as np
import IPython
from lamella.callbacks import Callback, progress
from lamella.layers import Dense
from lamella.models import Sequential

now = [0.0]
progress.perf_counter = lambda: now[0]

class Clock(Callback):
    def on_batch_end(self, batch, logs=None):
        now[0] += 0.15
        if batch == 3 and self.model.stopping:
            self.model.stop_training = True

model = Sequential([Dense(1, input_shape=(2,))])
model.compile("sgd", "mse")
x = np.ones((10, 2), "f4")
for model.stopping in (False, True):
    model.fit(x, x[:, :1], batch_size=2, epochs=2, verbose="auto", callbacks=[Clock()])
model.evaluate(x, x[:, :1], verbose=1)
print(len(IPython.shown), [(bar.seen, bar.max, bar.bar_style, box.open) for box in IPython.shown for bar in box.children[1:2]])
print(repr(IPython.shown[0].children[0].value), repr(IPython.shown[0].children[2].value))
"""

WIDGETS = """
class HTML:
    value = ""

class FloatProgress:
    def __init__(self, min, max):
        self.min, self.max, self.seen, self.bar_style = min, max, [], ""
        self.layout, self.style = HTML(), HTML()

    value = property(lambda self: self.seen[-1], lambda self, value: self.seen.append(value))

class HBox:
    open = True

    def __init__(self, children):
        self.children, self.layout = children, HTML()

    def close(self):
        self.open = False
"""


@pytest.mark.parametrize("widgets", [True, False])
def test_a_notebook_shows_the_bar_of_tqdm(tmp_path, widgets):
    """With stand-ins for IPython and ipywidgets, and tqdm's own notebook bar."""
    (tmp_path / "IPython").mkdir()
    (tmp_path / "IPython" / "__init__.py").write_text(
        "shown = []\nget_ipython = lambda: type('Shell', (), {'config': {'IPKernelApp': {}}})\n"
    )
    (tmp_path / "IPython" / "display.py").write_text("from IPython import shown\ndisplay = shown.append\n")
    if widgets:
        (tmp_path / "ipywidgets.py").write_text(WIDGETS)
    paths = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    script = NOTEBOOK if widgets else NOTEBOOK.split("print(len")[0]
    run = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": paths}, capture_output=True, timeout=120
    )
    assert run.returncode == 0, run.stderr.decode()
    out = run.stdout.decode()
    # Two epochs, one that a callback ends, and an evaluation: each leaves a line.
    assert out.count("Epoch 1/2\n") == 2 and out.count("/step") == 4
    if not widgets:
        assert "\r 6/10 [=================>............] - ETA: 0s - loss:" in out  # a line that is overwritten
        return
    assert "\r" not in out
    shown, texts = out.splitlines()[-2:]
    # One bar for each, updated every 0.2 s, and closed at its end. tqdm itself draws the first and the last value.
    epoch = ([0, 2, 6, 6], 10, "", False)
    assert shown == f"4 {[([0, 6, 6], 10, '', False), epoch, epoch, ([0, 10, 10], 10, '', False)]}"
    assert texts.startswith("'") and "ETA:" in texts.replace("\u2007", " ") and "loss:" in texts.replace("\u2007", " ")


def test_a_terminal_gets_a_drawn_bar(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    bar = ProgressLine(60, interval=0.0)
    bar.update(30, {"loss": 0.5})
    bar.finish(60, {"loss": 0.25})
    out = capsys.readouterr().out
    assert "30/60 [==============>...............] - ETA: 0s - loss: 0.5000" in out
    assert out.split("\r")[-1].startswith("60/60 [==============================] - 0s ")


def test_lines_of_a_drawn_bar_are_those_of_keras(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    # Some terminals report a width of 0.
    monkeypatch.setattr("tqdm.utils._screen_shape_wrapper", lambda: lambda file: (0, 0))
    now = [100.0]
    monkeypatch.setattr("lamella.callbacks.progress.perf_counter", lambda: now[0])
    drawn = []
    for target, current, seconds in ((20, 1, 2.0), (200, 100, 61.5), (5, 1, 1000.0), (None, 7, 3.0)):
        bar = ProgressLine(target, interval=0.0, width=10)
        now[0] += seconds
        bar.update(current)
        drawn.append(capsys.readouterr().out.split("\r")[-1].rstrip())
        bar.finish(current)
        capsys.readouterr()
    assert drawn == [
        " 1/20 [..........] - ETA: 38s", "100/200 [====>.....] - ETA: 1:01", "1/5 [=>........] - ETA: 1:06:40",
        "      7/Unknown - 3s",
    ]  # fmt: skip
    monkeypatch.setenv("COLUMNS", "12")
    bar = ProgressLine(20, interval=0.0)
    bar.update(5)
    bar.finish(20)
    assert "\r 5/20 [=====\r" in (out := capsys.readouterr().out).replace("\r            \r", "\r")
    assert out.count("\r            \r") == 1  # the drawn line is erased before the final line


def test_progbar_shows_means_over_units(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    bar = Progbar(10, width=5, interval=0.0, stateful_metrics=["state"])
    bar.update(2, [("loss", 1.0), ("state", 5.0)])
    bar.add(6, [("loss", 3.0), ("state", 7.0)])
    assert capsys.readouterr().out.split("\r")[-1].endswith(" 8/10 [===>.] - ETA: 0s - loss: 2.5000 - state: 7.0000")
    bar.add(2, [("late", 0.0005)])
    assert capsys.readouterr().out.endswith("/step - loss: 2.5000 - state: 7.0000 - late: 5.0000e-04\n")
    with pytest.raises(TypeError, match="unexpected keyword argument 'title'"):
        Progbar(10, title="mine")


def test_progbar_without_a_terminal_writes_its_last_line(capsys):
    for verbose, start in ((1, "2/2 [=====] - 0s"), (2, " - 0s - n: 1.5000\n"), (0, "")):
        bar = Progbar(2, 5, verbose)
        for value in (1, 2):
            bar.add(1, [("n", value)])
        out = capsys.readouterr().out
        assert out.startswith(start) and out.count("\n") == (verbose > 0)


def test_progbar_logger_counts_and_averages(capsys, monkeypatch):
    seen = []
    monkeypatch.setattr(ProgressLine, "update", lambda self, current, values=None: seen.append((current, values)))
    logger = ProgbarLogger()
    logger.set_params({"verbose": 1, "epochs": 2, "samples": 5, "steps": None, "metrics": ["loss", "val_loss"]})
    logger.on_train_begin()
    logger.on_epoch_begin(0)
    logger.on_train_batch_end(0, {"size": 2, "loss": 1.0})
    logger.on_train_batch_end(1, {"size": 2, "loss": 2.0})
    logger.on_train_batch_end(2, {"size": 1, "loss": 9.0})
    logger.on_epoch_end(0, Logs(val_loss=0.5, loss=3.0))
    assert seen == [(2, {"loss": 1.0}), (4, {"loss": 1.5})]  # the last batch is shown by the last line
    assert "Epoch 1/2 - 5/5 [" in (out := capsys.readouterr().out) and out.endswith(" - loss: 3.0000 - val_loss: 0.5000\n")
    with pytest.raises(ValueError, match="Unknown `count_mode`: batches"):
        ProgbarLogger("batches")


def test_values_that_take_long_are_drawn_less_often(capsys, monkeypatch):
    """A metric of all samples so far took three quarters of an epoch for the drawings of a terminal."""
    now = [100.0]
    monkeypatch.setattr("lamella.callbacks.progress.perf_counter", lambda: now[0])

    class Slow:
        def __float__(self):
            now[0] += 0.1
            drawn.append(batch)
            return 0.5

    bar, drawn = ProgressLine(1000, interval=0.05), []
    bar.interval = 0.05  # of a terminal
    for batch in range(100):
        bar.update(batch, {"auc": Slow()})
        now[0] += 0.06
    assert drawn == [1, 33, 65, 97]
    assert capsys.readouterr().out.count("auc: 0.5000") == 4
