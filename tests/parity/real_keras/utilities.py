"""keras.utils: files, generators, the progress bar, names of functions, shapes of convolutions."""

import os
import re
import tempfile

import numpy as np
from on_tensors import attempt

DECIDED = {
    "get_file.printed": "one line without a screen, and the number of bytes that there are",
}


def enqueued(random):
    size, workers = int(random.randint(2, 7)), int(random.randint(1, 3))

    def run():
        from keras import utils

        class Numbers(utils.Sequence):
            def __len__(self):
                return size

            def __getitem__(self, index):
                return np.full(2, index)

        def counted():
            yield from range(size)

        ordered = utils.OrderedEnqueuer(Numbers())
        ordered.start(workers, 5)
        values = ordered.get()
        first = [next(values) for _ in range(size + 2)]
        ordered.stop()
        generated = utils.GeneratorEnqueuer(counted())
        generated.start(1, 5)
        second = list(generated.get())
        generated.stop()
        return [first, second, ordered.is_running(), [list(each) for each in Numbers()]]

    return f"enqueuers {size, workers}", run


def without_times(text):
    text = re.sub(r"ETA: [\d:]+s?|\d+(us|ms|s)/step|\d+s(?= )|\x08+|\r", "T", text)
    return re.sub(r" +\n", "\n", text)


def bars(random):
    target, verbose, width = [None, 7, 20][random.randint(3)], int(random.randint(1, 3)), [30, 12][random.randint(2)]
    values = [float(v) for v in random.uniform(0, 10, 5)] + [1e-5]
    stateful = ["b"] if random.rand() < 0.5 else None

    def run():
        import contextlib
        import io

        from keras.utils import Progbar

        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            bar = Progbar(target, width, verbose, interval=0, stateful_metrics=stateful)
            for i, value in enumerate(values[:-1]):
                bar.update(i + 1, [("a", value), ("b", i), ("small", values[-1])])
            bar.add(2, [("a", 3)])
            if target == 7:
                bar.update(7)
        lines = without_times(printed.getvalue()).strip().splitlines()
        return lines[-1] if target == 7 and lines else ""  # without a screen only the last line is printed here

    return f"Progbar {target, verbose, width, stateful}", run


def names(random):
    number = int(random.randint(9))

    def run():
        from keras import layers, utils
        from keras.utils import generic_utils

        class Mine(layers.Layer):
            pass

        def plain(a, b=1, *rest, c=2):
            return a + number

        with utils.CustomObjectScope({"Mine": Mine}):
            made = layers.deserialize({"class_name": "Mine", "config": {"name": "m"}}).name
        with generic_utils.custom_object_scope({"plain": plain}):
            found = generic_utils.deserialize_keras_object("plain", module_objects={}) is plain
        utils.get_custom_objects()["x"] = 1
        held = list(utils.get_custom_objects())
        utils.get_custom_objects().clear()
        has = [generic_utils.has_arg(plain, n) for n in ("a", "b", "c", "d")]
        has.append(generic_utils.has_arg(lambda **k: 0, "d", accept_all=True))
        serialized = [utils.serialize_keras_object(plain), utils.serialize_keras_object(None)]
        serialized.append(attempt(lambda: utils.serialize_keras_object(3)))
        lists = [generic_utils.to_list(1), generic_utils.to_list((1,)), generic_utils.unpack_singleton([1])]
        lists += [generic_utils.unpack_singleton([1, 2]), generic_utils.object_list_uid([number])[:0]]
        lists += [generic_utils.is_all_none([None, None]), generic_utils.slice_arrays([np.arange(5), None], 1, 3)]
        lists += [
            generic_utils.slice_arrays(np.arange(5), [0, 2]),
            generic_utils.transpose_shape((1, 2, 3), "channels_first", (1, 2)),
        ]
        unknown = attempt(lambda: utils.deserialize_keras_object("nothing", {}, printable_module_name="x"))
        return [made, found, held, has, serialized, lists, unknown]

    return f"names {number}", run


def convolutions(random):
    n, k, s, d = int(random.randint(9, 20)), int(random.randint(1, 5)), int(random.randint(1, 4)), int(random.randint(1, 3))
    kernel = random.standard_normal(tuple(random.randint(1, 4, random.randint(3, 6))))

    def run():
        from keras.utils import conv_utils, layer_utils

        lengths = [conv_utils.conv_output_length(n, k, p, s, d) for p in ("valid", "same", "causal", "full")]
        lengths += [conv_utils.conv_input_length(n, k, p, s) for p in ("valid", "same", "full")]
        lengths += [conv_utils.deconv_length(n, s, k, p, o, d) for p in ("valid", "same", "full") for o in (None, 0)]
        tuples = [conv_utils.normalize_tuple(v, 2, "x") for v in (3, (1, 2), [3, 4])]
        tuples.append(attempt(lambda: conv_utils.normalize_tuple((1, 2, 3), 2, "x")))
        tuples += [conv_utils.normalize_padding("SAME"), attempt(lambda: conv_utils.normalize_padding("x"))]
        flipped = [conv_utils.convert_kernel(kernel), layer_utils.convert_all_kernels_in_model.__name__]
        return [lengths, tuples, flipped]

    return f"convolutions {n, k, s, d} {kernel.shape}", run


def files(random):
    text = bytes(random.randint(0, 256, 30).astype("uint8"))

    def run():
        from pathlib import Path

        from keras.utils import data_utils, get_file

        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "from.bin")
            source.write_bytes(text)
            digest = data_utils._hash_file(str(source), "md5")
            place = get_file("to.bin", source.as_uri(), file_hash=digest, cache_dir=folder, cache_subdir="sub")
            again = get_file("to.bin", source.as_uri(), md5_hash=digest, cache_dir=folder, cache_subdir="sub")
            valid = [data_utils.validate_file(place, digest), data_utils.validate_file(place, "0" * 32, "md5")]
            return [os.path.relpath(place, folder), again == place, Path(place).read_bytes() == text, digest, valid]

    return "get_file", run


def cases(random, count):
    kinds = [enqueued, bars, names, convolutions, files]
    for i in range(count):
        name, run = kinds[i % len(kinds)](random)
        yield f"{i}:{name}", run
