"""ImageDataGenerator and the random functions: recorded numbers of keras-preprocessing, and batches compared with single images."""

import json
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest

import lamella
from lamella.preprocessing import image as images
from lamella.preprocessing.image import ImageDataGenerator
from tests.preprocessing.image.folder import make, write

GOLDEN = Path(__file__).parents[2] / "golden" / "preprocessing"
NUMBERS = np.load(GOLDEN / "images.npz")
TEXTS = json.loads((GOLDEN / "images.json").read_text())
GENERATORS = TEXTS["generators"]


def pictures(name=""):
    x = np.random.RandomState(0).randint(0, 256, (6, 8, 10, 3)).astype("float32")
    if name == "zca":
        x = x[:, :3, :3]
    return x.transpose(0, 3, 1, 2) if name == "first" else x


def made(name):
    generator = ImageDataGenerator(**GENERATORS[name])
    if name in ("featurewise", "zca"):
        generator.fit(pictures(name))
    return generator


def tolerance(name):
    """Interpolated pixels have the error of an affine transformation in float32. Whitening sums many of them."""
    return {"atol": 1e-4 if "rescale" in GENERATORS.get(name, {}) or name == "samplewise" else 255e-4, "rtol": 1e-5}


@pytest.mark.parametrize("name", GENERATORS)
def test_drawn_transforms_are_those_of_keras(name):
    generator = made(name)
    state = np.random.get_state()[1].copy()
    for seed, wanted in enumerate(TEXTS["drawn"][name]):
        drawn = generator.get_random_transform(pictures(name).shape[1:], seed=seed)
        assert list(drawn) == list(wanted)
        assert {key: None if value is None else float(value) for key, value in drawn.items()} == wanted
    np.testing.assert_array_equal(np.random.get_state()[1], state)


@pytest.mark.parametrize("name", GENERATORS)
def test_changed_images_are_those_of_keras(name):
    generator, x = made(name), pictures(name)
    for seed in range(4):
        changed = generator.apply_transform(x[seed], generator.get_random_transform(x.shape[1:], seed=seed))
        given = changed.astype("float32").copy()
        np.testing.assert_allclose(generator.standardize(given), NUMBERS[f"{name}/{seed}"], **tolerance(name))
    np.random.seed(7)
    np.testing.assert_allclose(generator.random_transform(x[0]), NUMBERS[f"{name}/random"], rtol=1e-5, atol=255e-4)
    np.testing.assert_array_equal(x, pictures(name))


def test_statistics_are_those_of_keras():
    generator, zca = made("featurewise"), made("zca")
    np.testing.assert_allclose(generator.mean, NUMBERS["featurewise/mean"], rtol=1e-6)
    np.testing.assert_allclose(generator.std, NUMBERS["featurewise/std"], rtol=1e-6)
    np.testing.assert_allclose(zca.principal_components, NUMBERS["zca/components"], atol=2e-5)


@pytest.mark.parametrize("function", ["rotation", "shift", "shear", "zoom"])
def test_random_functions_draw_as_keras(function):
    arguments = {"rotation": (30,), "shift": (0.2, 0.3), "shear": (20,), "zoom": ((0.6, 1.3),)}[function]
    x = pictures()[1]
    change = getattr(images, f"random_{function}")
    np.random.seed(3)
    last = change(x, *arguments, row_axis=0, col_axis=1, channel_axis=2)
    np.testing.assert_allclose(last, NUMBERS[f"random_{function}"], rtol=1e-5, atol=255e-4)
    np.random.seed(3)
    np.testing.assert_allclose(change(x.transpose(2, 0, 1), *arguments), last.transpose(2, 0, 1), atol=1e-4)


def test_random_shift_of_channels_and_brightness():
    x = pictures()[1]
    np.random.seed(3)
    np.testing.assert_allclose(images.random_channel_shift(x, 40, 2), NUMBERS["random_channel_shift"], rtol=1e-6)
    np.random.seed(3)
    factor = np.random.RandomState(3).uniform(0.5, 0.9)
    np.testing.assert_allclose(images.random_brightness(x, (0.5, 0.9)), x * np.float32(factor), rtol=1e-6)
    for function, wrong in (("random_brightness", (1,)), ("random_zoom", (1, 2, 3))):
        with pytest.raises(ValueError, match="should be a? ?tuple or list of two floats. Received"):
            getattr(images, function)(x, wrong)


@pytest.mark.parametrize("subset", [None, "training", "validation"])
def test_files_are_those_of_keras(tmp_path, subset):
    for name in ("b/2.png", "b/10.png", "a/x.jpg", "a/sub/1.BMP", "a/sub/0.png", "a/z.gif", "c/1.tif"):
        write(tmp_path / name, 3)
    iterator = ImageDataGenerator(validation_split=0.4).flow_from_directory(tmp_path, subset=subset)
    assert iterator.filenames == TEXTS["drawn"][f"files/{subset}"]


# Batches --------------------------------------------------------------------------------------------------------------------


class One(ImageDataGenerator):
    """Changes images one by one, because it overrides a method."""

    def apply_transform(self, x, transform_parameters):
        return super().apply_transform(x, transform_parameters)


MORE = {
    "brightness": {"brightness_range": (0.3, 1.9), "zoom_range": 0.2},
    "function": {"preprocessing_function": lambda x: x - 100, "rescale": 0.5, "samplewise_center": True, "rotation_range": 9},
    "first": {"data_format": "channels_first", "rotation_range": 9, "brightness_range": (0.5, 1.5), "rescale": 1 / 255},
    "first, function": {
        "data_format": "channels_first",
        "preprocessing_function": lambda x: x[::-1] - np.arange(3)[:, None, None],
        "rescale": 0.5,
        "samplewise_center": True,
        "samplewise_std_normalization": True,
    },
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("given", [np.uint8, np.float32])
@pytest.mark.parametrize("name", [*GENERATORS, *MORE])
def test_a_batch_has_the_same_images_as_single_calls(name, given, dtype):
    arguments = {**GENERATORS, **MORE}[name]
    x = pictures(name.partition(",")[0])
    batches = []
    for kind in (ImageDataGenerator, One):
        generator = kind(**arguments, dtype=dtype)
        if name in ("featurewise", "zca"):
            generator.fit(x)
        batches.append(generator.flow(x.astype(given), np.arange(6), batch_size=6, seed=5)[0])
    (at_once, order), (alone, other) = batches
    np.testing.assert_array_equal(order, other)
    assert at_once.dtype == alone.dtype == dtype
    np.testing.assert_allclose(at_once, alone, rtol=1e-4, atol=1e-2 if np.abs(alone).max() > 20 else 1e-4)


def test_draws_of_a_subclass_are_used():
    class Still(ImageDataGenerator):
        def get_random_transform(self, img_shape, seed=None):
            assert isinstance(seed, int)
            return {"flip_horizontal": True}

    x = pictures()
    batch = Still(rotation_range=90).flow(x, batch_size=6, shuffle=False)[0]
    np.testing.assert_array_equal(batch, x[:, :, ::-1])


def test_normalization_of_a_subclass_is_used():
    class Own(ImageDataGenerator):
        def standardize(self, x):
            return super().standardize(x) + 1

    x = pictures()
    np.testing.assert_allclose(Own(rescale=0.5).flow(x, batch_size=6, shuffle=False)[0], x / 2 + 1)


def test_methods_that_a_script_sets_are_used():
    x = pictures()
    generator = ImageDataGenerator(rotation_range=90)
    generator.standardize = lambda image: image / 4
    generator.get_random_transform = lambda shape, seed=None: {"flip_vertical": True}
    np.testing.assert_allclose(generator.flow(x, batch_size=6, shuffle=False)[0], x[:, ::-1] / 4)


def test_integers_as_dtype():
    x = pictures()
    batch = ImageDataGenerator(horizontal_flip=True, dtype="uint8").flow(x, batch_size=6, shuffle=False)[0]
    assert batch.dtype == np.uint8
    flipped = [np.array_equal(image, original[:, ::-1]) for image, original in zip(batch, x)]
    same = [np.array_equal(image, original) for image, original in zip(batch, x)]
    assert sorted(set(flipped)) == [False, True] and [not f for f in flipped] == same


def test_means_set_by_a_program():
    for data_format, shape in (("channels_last", (3,)), ("channels_last", (8, 10, 3)), ("channels_first", (3, 1, 1))):
        x = pictures("first" if data_format == "channels_first" else "")
        for kind in (ImageDataGenerator, One):
            generator = kind(featurewise_center=True, data_format=data_format)
            generator.mean = np.arange(np.prod(shape), dtype="float32").reshape(shape)
            batch = generator.flow(x, batch_size=6, shuffle=False)[0]
            np.testing.assert_allclose(batch, x - generator.mean, rtol=1e-6)


def test_images_and_masks_get_the_same_changes(tmp_path):
    """The usual code of segmentation: two generators with the same seed, of which one also changes colours."""
    root = make(tmp_path, {"all": 9})
    moves = {"rotation_range": 30, "width_shift_range": 0.2, "zoom_range": 0.2, "horizontal_flip": True, "fill_mode": "wrap"}
    pairs = zip(
        *(
            ImageDataGenerator(**moves, **more).flow_from_directory(
                root, target_size=(12, 12), class_mode=None, batch_size=4, seed=1
            )
            for more in ({}, {"rescale": 2, "brightness_range": (1, 1)})
        )
    )
    order = []
    for _ in range(6):
        image, mask = next(pairs)
        np.testing.assert_allclose(np.minimum(image, 255) * 2, mask, rtol=1e-5)
        order.append(image[:, 0, 0, 0])
    assert len({tuple(np.round(first)) for first in order}) == 6

    model = lamella.Sequential([lamella.layers.Conv2D(3, 1, input_shape=(12, 12, 3))])
    model.compile("sgd", "mse")
    assert len(model.fit_generator(pairs, steps_per_epoch=3, epochs=2, verbose=0).history["loss"]) == 2


def test_workers_and_processes_make_the_same_images(tmp_path):
    root = make(tmp_path, {"a": 5, "b": 4})
    weights = []
    for workers in ({"workers": 0}, {"workers": 1}, {"workers": 4}, {"workers": 2, "use_multiprocessing": True}):
        lamella.utils.set_random_seed(2)
        model = lamella.Sequential([lamella.layers.Flatten(input_shape=(8, 8, 3)), lamella.layers.Dense(2)])
        model.compile(lamella.optimizers.SGD(0.01), "mse")
        generator = ImageDataGenerator(rotation_range=30, horizontal_flip=True, brightness_range=(0.5, 1), rescale=1 / 255)
        iterator = generator.flow_from_directory(root, target_size=(8, 8), batch_size=2, seed=None)
        method = model.fit if workers["workers"] == 1 else model.fit_generator
        method(iterator, epochs=2, verbose=0, **workers)
        weights.append(model.get_weights()[0])
    for other in weights[1:]:
        np.testing.assert_array_equal(other, weights[0])


def test_a_generator_and_its_iterator_pickle():
    iterator = made("featurewise").flow(pictures(), batch_size=3, seed=1)
    copy = pickle.loads(pickle.dumps(iterator))
    np.testing.assert_array_equal(copy[1], iterator[1])


# Arguments ------------------------------------------------------------------------------------------------------------------


def test_arguments_become_attributes():
    generator = ImageDataGenerator(zoom_range=0.2, data_format="channels_first", validation_split=0.1)
    assert generator.zoom_range == [0.8, 1.2] and ImageDataGenerator(zoom_range=(1, 2)).zoom_range == [1, 2]
    assert (generator.channel_axis, generator.row_axis, generator.col_axis) == (1, 2, 3)
    assert generator.dtype == "float32" and generator.mean is generator.std is generator.principal_components is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"zoom_range": (1, 2, 3)}, "`zoom_range` should be a float or a tuple or list of two floats. Received: "),
        ({"zoom_range": "12"}, "`zoom_range` should be a float or"),
        ({"brightness_range": 0.5}, "`brightness_range should be tuple or list of two floats. Received: 0.5"),
        ({"validation_split": 1.5}, "`validation_split` must be strictly between 0 and 1.  Received: 1.5"),
        ({"data_format": "x"}, '`data_format` should be `"channels_last"`'),
        ({"fill_mode": "mirror"}, "expected fill_mode to be .* got 'mirror'"),
        ({"interpolation_order": 2}, "expected interpolation_order to be 0, 1 or 3, got 2"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ImageDataGenerator(**arguments)


SINGLE_NUMBERS = ["rotation_range", "shear_range", "channel_shift_range", "cval", "zca_epsilon", "rescale"]


@pytest.mark.parametrize("name", [*SINGLE_NUMBERS, "width_shift_range", "height_shift_range"])
def test_arguments_that_are_not_numbers_raise(name):
    for wrong in ("0.5", [[1, 2]], {}):
        with pytest.raises(TypeError, match=f"ImageDataGenerator: expected {name} to be a number"):
            ImageDataGenerator(**{name: wrong})
    with pytest.raises(ValueError, match=f"ImageDataGenerator: expected {name} to be finite, got nan"):
        ImageDataGenerator(**{name: float("nan")})
    assert getattr(ImageDataGenerator(**{name: np.float32(0.5)}), name) == 0.5


def test_ranges_of_wrong_numbers_raise():
    for name in ("zoom_range", "brightness_range"):
        with pytest.raises(TypeError, match=f"ImageDataGenerator: expected {name} to be a number or a sequence of numbers"):
            ImageDataGenerator(**{name: ["a", 1.0]})
    with pytest.raises(ValueError, match="ImageDataGenerator: expected brightness_range to be finite"):
        ImageDataGenerator(brightness_range=(0.0, np.inf))
    np.testing.assert_array_equal(ImageDataGenerator(width_shift_range=np.array([1, 2])).width_shift_range, [1, 2])


@pytest.mark.parametrize(
    ("function", "got"),
    [
        (lambda x: x[0], r"got an array of shape \(4, 3\)"),  # without the check it would be repeated for each row
        (lambda x: x[:, :2], r"got an array of shape \(4, 2, 3\)"),
        (lambda x: x.mean(), r"got an array of shape \(\)"),
        (lambda x: None, "got the type NoneType"),
        (lambda x: "image", "got the type str"),
    ],
)
def test_a_preprocessing_function_must_return_an_image(function, got):
    generator = ImageDataGenerator(preprocessing_function=function)
    wanted = rf"ImageDataGenerator: expected preprocessing_function to return an image of shape \(4, 4, 3\), {got}"
    with pytest.raises(ValueError, match=wanted):
        generator.flow(np.ones((2, 4, 4, 3)))[0]
    with pytest.raises(ValueError, match=wanted):
        generator.standardize(np.ones((4, 4, 3)))


def test_a_preprocessing_function_may_return_one_channel():
    x = np.arange(96.0).reshape(2, 4, 4, 3)
    grey = ImageDataGenerator(preprocessing_function=lambda x: x.mean(axis=-1, keepdims=True))
    got = grey.flow(x, shuffle=False)[0]
    np.testing.assert_array_equal(got, np.repeat(x.mean(-1, keepdims=True), 3, -1))


@pytest.mark.parametrize(
    ("given", "set_too"),
    [
        ({"zca_whitening": True}, {"featurewise_center": True}),
        ({"zca_whitening": True, "featurewise_center": True, "featurewise_std_normalization": True},
         {"featurewise_std_normalization": False}),
        ({"featurewise_std_normalization": True}, {"featurewise_center": True}),
        ({"samplewise_std_normalization": True}, {"samplewise_center": True}),
    ],
)  # fmt: skip
def test_implied_options_warn(given, set_too):
    with pytest.warns(UserWarning, match="This ImageDataGenerator specifies .*overrides setting of ?`") as caught:
        generator = ImageDataGenerator(**given)
    assert {name: getattr(generator, name) for name in set_too} == set_too
    assert caught[0].filename == __file__


def test_missing_statistics_warn():
    x = pictures()
    for name in ("featurewise_center", "zca_whitening"):
        generator = ImageDataGenerator(**{"featurewise_center": True, name: True})
        if name == "zca_whitening":
            generator.mean = np.zeros((1, 1, 3), "float32")
        with pytest.warns(UserWarning, match=f"specifies `{name}`, but it hasn't been fit on any training data"):
            np.testing.assert_array_equal(generator.standardize(x[0].copy()), x[0])
        with pytest.warns(UserWarning, match=f"specifies `{name}`, but"):
            np.testing.assert_array_equal(generator.flow(x, shuffle=False)[0], x)


def test_fit_on_changed_images():
    x = pictures()
    generator = ImageDataGenerator(featurewise_center=True, featurewise_std_normalization=True, horizontal_flip=True)
    plain = ImageDataGenerator(featurewise_center=True, featurewise_std_normalization=True)
    generator.fit(x, augment=True, rounds=2, seed=1)
    plain.fit(x)
    np.testing.assert_allclose(generator.mean, plain.mean, rtol=1e-6)  # flips do not change the mean
    shifting = ImageDataGenerator(featurewise_center=True, channel_shift_range=50)
    means = []
    for seed in (1, 1, 2):
        shifting.fit(x.astype("uint8"), augment=True, seed=seed)
        means.append(shifting.mean)
    np.testing.assert_array_equal(means[0], means[1])
    assert not np.array_equal(means[0], means[2]) and means[0].shape == (1, 1, 3)
    with pytest.raises(ValueError, match=r"Input to `.fit\(\)` should have rank 4. Got array with shape: \(8, 10, 3\)"):
        plain.fit(x[0])
    with pytest.warns(UserWarning, match=r"\(2 channels\)"):
        plain.fit(x[..., :2])


def test_deprecated_arguments_of_tables(tmp_path):
    pandas = pytest.importorskip("pandas")
    make(tmp_path, {"all": 2})
    table = pandas.DataFrame({"filename": ["all/00.png", "all/01.png"], "class": [1.5, 2.5]})
    with pytest.warns(DeprecationWarning) as caught:
        iterator = ImageDataGenerator().flow_from_dataframe(
            table, tmp_path, class_mode="other", has_ext=True, sort=False, drop_duplicates=True, shuffle=False, on_error="skip"
        )
    texts = [str(w.message) for w in caught]
    for word in ("has_ext is", "sort is", "drop_duplicates is", '`class_mode` "other" is'):
        assert any(text.startswith(f"{word} deprecated") for text in texts)
    np.testing.assert_array_equal(iterator[0][1], [1.5, 2.5])
    assert iterator.class_mode == "raw" and iterator.on_error == "skip"
    with pytest.raises(TypeError, match="unexpected keyword argument 'drop'"):
        ImageDataGenerator().flow_from_dataframe(table, tmp_path, class_mode="raw", drop=True)


def test_subsets_of_arrays():
    x, y = pictures(), np.array([0, 1, 0, 1, 0, 1])
    generator = ImageDataGenerator(validation_split=0.34)
    validation = generator.flow(x, y, sample_weight=np.arange(6), subset="validation", shuffle=False)
    np.testing.assert_array_equal(validation[0][0], x[:2])
    np.testing.assert_array_equal(validation[0][2], [0, 1])
    training = generator.flow((x, np.arange(6)), y, subset="training", shuffle=False)
    np.testing.assert_array_equal(training[0][0][1], [2, 3, 4, 5])
    with pytest.raises(ValueError, match="Training and validation subsets have different number of classes"):
        generator.flow(x, np.sort(y), subset="training")
    for share in (0.0, 0.1):
        with (
            warnings.catch_warnings(),
            pytest.raises(ValueError, match="a subset needs a validation_split that leaves samples"),
        ):
            warnings.simplefilter("ignore")
            ImageDataGenerator(validation_split=share).flow(x, y, subset="validation")
    with pytest.warns(UserWarning, match="has no samples, because the ImageDataGenerator has no validation_split"):
        assert len(ImageDataGenerator().flow(x, subset="validation")) == 0
    with pytest.raises(ValueError, match='Invalid subset name: test; expected "training" or "validation".'):
        generator.flow(x, y, subset="test")
