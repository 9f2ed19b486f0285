"""Training from a folder of augmented JPEGs by two worker threads, beside the same training from arrays in memory."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench import folder, nets, trainer
from bench.harness import Case, Contender, Plan
from lamella.core.types import Array
from lamella.models import Model
from lamella.preprocessing.image import ImageDataGenerator

NET = next(net for net in nets.NETS if net.name == "cifar10_cnn")
# Steps of one timed fit, and of one that shows how the time is split.
STEPS, QUICK_STEPS = 64, 4
WORKERS = 2


def cases(plan: Plan) -> Iterator[Case]:
    """For each decoder a case. Its ratio is the share of the steps/s that training from the folder keeps."""
    for decoder in ("pillow", "simplejpeg"):
        name = f"{NET.name} from JPEGs by {decoder}"
        if plan.wants(name) and (decoder == "pillow" or folder.installed(decoder)):
            with tempfile.TemporaryDirectory() as directory:
                if not plan.images:
                    folder.write_images(Path(directory), NET.input[0], NET.classes)
                yield case(name, plan.images or directory, decoder, QUICK_STEPS if plan.quick else STEPS)


def case(name: str, directory: str, decoder: str, steps: int) -> Case:
    model = trainer.build(NET, dropout=True)
    flow = folder.without_output(
        ImageDataGenerator(rescale=1 / 255, **folder.AUGMENTS["augmented"]).flow_from_directory,
        directory,
        NET.input[0],
        decoder=decoder,
    )
    batches = [flow[i % len(flow)] for i in range(steps)]
    x, y = (np.concatenate(parts) for parts in zip(*batches))
    from_folder = partial(fit_folder, model, flow, steps)
    from_folder()
    training, loading = (1000 * seconds / steps for seconds in split_of(from_folder))
    return Case(
        f"{name}; CPU a step: training {training:.1f} ms, loading {loading:.1f} ms",
        "samples/s",
        [
            Contender("from the folder", "ours", from_folder, len(x)),
            Contender("from arrays", "peer", partial(fit_arrays, model, x, y), len(x)),
        ],
    )


def fit_folder(model: Model, flow: Any, steps: int) -> None:
    model.fit_generator(flow, steps_per_epoch=steps, epochs=1, verbose=0, shuffle=False, workers=WORKERS)


def fit_arrays(model: Model, x: Array, y: Array) -> None:
    model.fit(x, y, batch_size=NET.batch, epochs=1, verbose=0, shuffle=False)


def split_of(train: Callable[[], object]) -> tuple[float, float]:
    """CPU seconds of this thread, and of all other threads of this process, which load where kernels use one thread."""
    process, thread = time.process_time(), time.thread_time()
    train()
    training = time.thread_time() - thread
    return training, time.process_time() - process - training
