"""Random erasing, MixUp and CutMix: shares, rectangles, and the y and weights of the images."""

import numpy as np
import pytest

import lamella
from lamella.preprocessing.image import ImageDataGenerator
from tests.preprocessing.image.folder import make

N = 40
# The first channel of a pixel identifies its image.
X = np.broadcast_to(np.arange(1.0, N + 1, dtype="float32")[:, None, None, None], (N, 12, 10, 3))
Y = np.eye(N, dtype="float32")


def batch(x=X, y=Y, data_format=None, size=N, **arguments):
    flow = {name: arguments.pop(name) for name in ("sample_weight",) if name in arguments}
    generator = ImageDataGenerator(data_format=data_format, **arguments)
    return generator.flow(x, y, batch_size=size, shuffle=False, seed=3, **flow)[0]


def shares(y):
    """The share of each image in the mixed rows of Y. The rest must be from the next image."""
    own = y[np.arange(N), np.arange(N)]
    np.testing.assert_allclose(y[np.arange(N), np.arange(1, N + 1) % N], 1 - own, atol=1e-6)
    np.testing.assert_allclose(y.sum(axis=1), 1, atol=1e-6)
    return own


def test_mixup_mixes_images_and_targets_equally():
    x, y, weights = batch(mixup_alpha=0.4, sample_weight=np.arange(N))
    own = shares(y)
    assert 0.1 < own.min() < 0.5 < own.max() <= 1 or len(set(own)) > 30
    number = np.arange(1.0, N + 1)
    wanted = own * number + (1 - own) * np.roll(number, -1)
    np.testing.assert_allclose(x, np.broadcast_to(wanted[:, None, None, None], x.shape), rtol=1e-5)
    np.testing.assert_allclose(weights, own * np.arange(N) + (1 - own) * np.roll(np.arange(N), -1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_cutmix_puts_a_rectangle_of_the_next_image(data_format):
    first = data_format == "channels_first"
    x, y = batch(X.transpose(0, 3, 1, 2) if first else X, data_format=data_format, cutmix_alpha=1.0)
    x = x.transpose(0, 2, 3, 1) if first else x
    own = shares(y)
    assert len(set(own)) > 10  # about 20 sizes are possible with whole pixels
    for i, image in enumerate(x):
        foreign = image[..., 0] != i + 1
        np.testing.assert_array_equal(image[..., 0][foreign], (i + 1) % N + 1)
        np.testing.assert_array_equal(image, image[..., :1].repeat(3, -1))
        np.testing.assert_allclose(foreign.mean(), 1 - own[i], atol=1e-6)
        rows, columns = foreign.any(1), foreign.any(0)
        assert foreign.sum() == rows.sum() * columns.sum()
        assert np.abs(np.diff(rows.astype(int))).sum() <= 2 and np.abs(np.diff(columns.astype(int))).sum() <= 2


def test_with_both_each_image_gets_one():
    x, _ = batch(mixup_alpha=1.0, cutmix_alpha=1.0)
    cut = [set(np.unique(image)) <= {i + 1, (i + 1) % N + 1} for i, image in enumerate(x)]
    assert 10 < sum(cut) < 30


def test_erasing_sets_rectangles_to_0():
    x, _ = batch(erasing_probability=0.5)
    erased = [(image == 0).all(axis=-1) for image in x]
    assert 10 < sum(e.any() for e in erased) < 30
    for image, gone in zip(x, erased):
        assert gone.sum() == gone.any(0).sum() * gone.any(1).sum() and gone.mean() < 0.5
        assert len(np.unique(image[~gone])) == 1
    # Erasing is after normalization, so a 0 is the mean that is subtracted.
    rescaled, _ = batch(erasing_probability=0.5, preprocessing_function=lambda image: image + 7)
    np.testing.assert_array_equal(rescaled == 0, x == 0)
    assert not (batch(erasing_probability=0.0)[0] == 0).any()
    first, _ = batch(X.transpose(0, 3, 1, 2), data_format="channels_first", erasing_probability=0.5)
    np.testing.assert_array_equal(first.transpose(0, 2, 3, 1), x)


def test_erasing_changes_no_other_random_number():
    moves = {"rotation_range": 30, "horizontal_flip": True}
    x = np.random.default_rng(0).random((N, 12, 10, 3))
    plain, erased = batch(x, **moves)[0], batch(x, erasing_probability=1.0, **moves)[0]
    kept = erased != 0
    assert kept.mean() > 0.5
    np.testing.assert_array_equal(erased[kept], plain[kept])


def test_workers_do_not_change_the_result(tmp_path):
    root = make(tmp_path, {"a": 5, "b": 4})
    weights = []
    for workers in ({"workers": 0}, {"workers": 3}):
        lamella.utils.set_random_seed(2)
        model = lamella.Sequential([lamella.layers.Flatten(input_shape=(8, 8, 3)), lamella.layers.Dense(2)])
        model.compile(lamella.optimizers.SGD(0.01), "mse")
        generator = ImageDataGenerator(rescale=1 / 255, mixup_alpha=0.3, cutmix_alpha=1.0, erasing_probability=0.3)
        iterator = generator.flow_from_directory(root, target_size=(8, 8), batch_size=4, seed=1)
        model.fit_generator(iterator, epochs=2, verbose=0, **workers)
        weights.append(model.get_weights()[0])
    np.testing.assert_array_equal(*weights)


def test_several_outputs_are_mixed_equally(tmp_path):
    pandas = pytest.importorskip("pandas")
    make(tmp_path, {"all": 4})
    table = pandas.DataFrame({"filename": [f"all/{i:02}.png" for i in range(4)], "a": np.arange(4.0), "b": np.arange(4.0) * 2})
    iterator = ImageDataGenerator(mixup_alpha=1.0).flow_from_dataframe(
        table, tmp_path, y_col=["a", "b"], class_mode="multi_output", shuffle=False, seed=0
    )
    _, (a, b) = iterator[0]
    np.testing.assert_allclose(a * 2, b)
    assert len(set(a) - set(range(4))) >= 3
    same = ImageDataGenerator(mixup_alpha=1.0).flow_from_dataframe(table, tmp_path, class_mode="input", seed=0)[0]
    np.testing.assert_array_equal(*same)


def test_targets_that_cannot_be_mixed_raise(tmp_path):
    root = make(tmp_path, {"a": 2, "b": 2, "c": 1})
    generator = ImageDataGenerator(mixup_alpha=0.2)
    for mode in ("sparse", None):
        with pytest.raises(ValueError, match=f"need values of y that can be mixed, got class_mode={mode!r}"):
            generator.flow_from_directory(root, class_mode=mode)
    with pytest.raises(ValueError, match="MixUp and CutMix need y"):
        generator.flow(X)
    with pytest.raises(ValueError, match="MixUp and CutMix need y"):
        generator.flow((X, np.arange(N)), Y)
    with pytest.raises(ValueError, match="got numbers of classes"):
        generator.flow(X, np.arange(N))[0]
    for wrong in ({"mixup_alpha": -1}, {"cutmix_alpha": float("nan")}, {"erasing_probability": 1.1}):
        with pytest.raises(ValueError, match=f"ImageDataGenerator: expected {next(iter(wrong))}"):
            ImageDataGenerator(**wrong)
