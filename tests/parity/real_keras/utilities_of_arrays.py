"""keras.utils of arrays, HDF5Matrix, and what the networks of keras.applications do with their inputs."""

import tempfile

import numpy as np
from on_tensors import attempt


def arrays(random):
    labels = random.randint(0, 5, tuple(random.randint(1, 4, random.randint(1, 4))))
    classes, dtype = [None, 6, 7][random.randint(3)], ["float32", "int32", "bool"][random.randint(3)]
    x, at, order = random.standard_normal((2, 3, 4)), int(random.randint(-3, 3)), [1, 2, 3, np.inf][random.randint(4)]

    def run():
        from keras import utils

        named = {"num_classes": classes, "dtype": dtype}
        few = attempt(lambda: utils.to_categorical(labels, 2))
        texts = [utils.to_categorical([1, 0, 2]), utils.to_categorical(labels.tolist()), utils.to_categorical(3)]
        return [utils.to_categorical(labels, **named), few, *texts, utils.normalize(x, at, order), utils.normalize([3.0, 4.0])]

    return f"arrays {labels.shape, classes, dtype, at, order}", run


def matrices(random):
    data = random.standard_normal((12, 3))
    start, end = int(random.randint(0, 4)), [None, 9, 12][random.randint(3)]
    keys = [3, slice(1, 5), slice(None, 4), [0, 2, 5], np.array([1, 3]), slice(2, None)]

    def run():
        import h5py
        from keras.utils import HDF5Matrix

        with tempfile.TemporaryDirectory() as folder:
            with h5py.File(f"{folder}/a.h5", "w") as file:
                file["x"] = data
            for_each = lambda v: v * 2
            matrix = HDF5Matrix(f"{folder}/a.h5", "x", start=start, end=end, normalizer=for_each if start % 2 else None)
            found = [attempt(lambda key=key: np.asarray(matrix[key])) for key in keys]
            found = [part if isinstance(part, str) else part.astype("float32") for part in found]
            return [len(matrix), matrix.shape, str(matrix.dtype), matrix.ndim, matrix.size, found]

    return f"HDF5Matrix {start, end}", run


def inputs(random):
    shape = tuple(random.randint(2, 5, 2)) + (3,)
    x = random.uniform(0, 255, (2, *shape)).astype(["float32", "float64", "int32"][random.randint(3)])
    mode, first = ["caffe", "tf", "torch"][random.randint(3)], bool(random.rand() < 0.4)
    size = int(random.randint(20, 60))

    def run():
        from keras.applications import imagenet_utils, mobilenet, resnet50, vgg16

        given = x.transpose(0, 3, 1, 2) if first else x
        form = "channels_first" if first else "channels_last"
        result = [imagenet_utils.preprocess_input(given.copy(), data_format=form, mode=mode)]
        result += [imagenet_utils.preprocess_input(given[0].copy(), form, mode=mode)]
        result += [module.preprocess_input(x.copy()) for module in (vgg16, mobilenet, resnet50)]
        if not first:
            import keras_applications
            from keras import backend as K

            keras_applications.imagenet_utils._IMAGENET_MEAN = None  # which Keras keeps of another graph
            result.append(K.eval(imagenet_utils.preprocess_input(K.constant(x), mode=mode)))
        from keras_applications.imagenet_utils import _obtain_input_shape

        shapes = [None, (size, size, 3), (size, size, 1), (None, None, 3), (size, size)]
        for top in (True, False):
            for of in shapes:
                named = {"default_size": 40, "min_size": 32, "data_format": "channels_last", "require_flatten": top}
                result.append(attempt(lambda of=of, named=named: _obtain_input_shape(of, **named)))
        result.append(attempt(lambda: imagenet_utils.decode_predictions(np.zeros((2, 10)))))
        return result

    return f"inputs {x.dtype, mode, first, size}", run


def cases(random, count):
    kinds = [arrays, matrices, inputs]
    for i in range(count):
        name, run = kinds[i % len(kinds)](random)
        yield f"{i}:{name}", run
