"""DataFrameIterator: samples from rows, in every class mode; and unusable tables."""

import numpy as np
import pytest

from lamella.preprocessing.image import DataFrameIterator
from tests.preprocessing.image.folder import make, values

pandas = pytest.importorskip("pandas")

NAMES = [f"all/{i:02}.png" for i in range(6)]
CLASSES = ["dog", "cat", "dog", "cat", "fish", "dog"]
MESSAGES = {
    "binary": 'If class_mode="binary", y_col="class" column values must be strings.',
    "sparse": 'If class_mode="sparse", y_col="class" column values must be strings.',
    "categorical": 'If class_mode="categorical", y_col="class" column values must be type string, list or tuple.',
}


@pytest.fixture
def root(tmp_path):
    return make(tmp_path, {"all": 6})


def frame(**columns):
    return pandas.DataFrame({"filename": NAMES, "class": CLASSES, **columns})


def read(table, root, **arguments):
    defaults = {"target_size": (4, 6), "batch_size": 16, "shuffle": False}
    return DataFrameIterator(table, root, None, **{**defaults, **arguments})


def test_classes_are_the_sorted_values(root, capsys):
    table = frame()
    before = table.copy()
    iterator = read(table, root)
    assert capsys.readouterr().out == "Found 6 validated image filenames belonging to 3 classes.\n"
    assert iterator.class_indices == {"cat": 0, "dog": 1, "fish": 2}
    assert iterator.classes == iterator.labels == [1, 0, 1, 0, 2, 1]
    assert iterator.filenames == NAMES and iterator.filepaths == [str(root / name) for name in NAMES]
    assert iterator.samples == iterator.n == 6
    x, y = iterator[0]
    assert values(x) == list(range(6)) and x.dtype == y.dtype == np.float32
    np.testing.assert_array_equal(y, np.eye(3)[[1, 0, 1, 0, 2, 1]])
    pandas.testing.assert_frame_equal(table, before)


def test_paths_without_a_directory(root):
    table = frame()
    table["filename"] = [str(root / name) for name in NAMES]
    assert values(read(table, None)[0][0]) == list(range(6))


def test_names_of_columns_and_weights(root):
    table = frame(weight=np.arange(6.0)).rename(columns={"filename": "file", "class": "kind"})
    x, y, weight = read(table, root, x_col="file", y_col="kind", weight_col="weight", class_mode="sparse")[0]
    np.testing.assert_array_equal(y, [1, 0, 1, 0, 2, 1])
    np.testing.assert_array_equal(weight, np.arange(6.0))
    with pytest.raises(ValueError, match="no column 'weights' in the dataframe, which has .*'kind'"):
        read(table, root, x_col="file", y_col="kind", weight_col="weights")


def test_rows_of_other_classes_are_omitted(root):
    iterator = read(frame(), root, classes=["dog", "cat"], class_mode="binary")
    assert iterator.class_indices == {"cat": 0, "dog": 1} and values(iterator[0][0]) == [0, 1, 2, 3, 5]
    np.testing.assert_array_equal(iterator[0][1], [1, 0, 1, 0, 1])


def test_several_classes_of_one_image(root):
    table = frame()
    table["class"] = [["a", "b"], ("c",), "a", ["b"], ["a", "b", "c"], "c"]
    iterator = read(table, root)
    wanted = [[1, 1, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0], [1, 1, 1], [0, 0, 1]]
    np.testing.assert_array_equal(iterator[0][1], wanted)
    fewer = read(table, root, classes=["a", "c"])
    assert values(fewer[0][0]) == [0, 1, 2, 4, 5]
    np.testing.assert_array_equal(fewer[0][1], [[1, 0], [0, 1], [1, 0], [1, 1], [0, 1]])


def test_raw_values_and_several_outputs(root, capsys):
    table = frame(age=np.arange(6), size=np.arange(6) / 2)
    iterator = read(table, root, class_mode="raw", y_col="age")
    assert capsys.readouterr().out == "Found 6 validated image filenames.\n"
    np.testing.assert_array_equal(iterator[0][1], np.arange(6))
    np.testing.assert_array_equal(read(table, root, class_mode="raw", y_col=["age", "size"])[0][1][:, 1], np.arange(6) / 2)
    table["box"] = [[i, i + 1] for i in range(6)]
    np.testing.assert_array_equal(read(table, root, class_mode="raw", y_col="box")[0][1], table["box"].tolist())
    x, y = read(table, root, class_mode="multi_output", y_col=["age", "box"])[0]
    assert isinstance(y, list) and [part.shape for part in y] == [(6,), (6, 2)]
    with pytest.raises(TypeError, match='If class_mode="multi_output", y_col must be a list. Received str.'):
        read(table, root, class_mode="multi_output", y_col="age")


def test_images_as_targets_or_none(root):
    x, y = read(frame(), root, class_mode="input")[0]
    np.testing.assert_array_equal(x, y)
    table = pandas.DataFrame({"filename": NAMES})
    assert read(table, root, class_mode=None)[0].shape == (6, 4, 6, 3)
    with pytest.warns(UserWarning, match='`classes` will be ignored given the class_mode="None"'):
        read(table, root, class_mode=None, classes=["dog"])


def test_validation_is_the_first_rows(root):
    class Generator:
        validation_split = 0.34
        mixes = False

    def subset(name):
        return DataFrameIterator(frame(), root, Generator(), subset=name, shuffle=False).filenames

    assert subset("validation") == NAMES[:2] and subset("training") == NAMES[2:]


# Unusable tables -----------------------------------------------------------------------------------


def test_missing_files_are_omitted_with_a_warning(root, capsys):
    table = frame()
    table.loc[2, "filename"] = "all/nowhere.png"
    table.loc[4, "filename"] = "all/notes.txt"
    (root / "all" / "notes.txt").write_text("x")
    wanted = r'Found 2 invalid image filename\(s\) in x_col="filename". These .* ignored. The first is .*all/nowhere.png'
    with pytest.warns(UserWarning, match=wanted):
        iterator = read(table, root)
    assert values(iterator[0][0]) == [0, 1, 3, 5]
    unchecked = read(table, root, validate_filenames=False)
    assert "Found 6 non-validated image filenames" in capsys.readouterr().out
    with pytest.raises(FileNotFoundError, match="all/nowhere.png"):
        unchecked[0]
    item = read(table, root, validate_filenames=False, on_error="skip")[0]
    assert item.samples == 4 and len(item.skipped) == 2 and "all/nowhere.png" in item.skipped[0]


@pytest.mark.parametrize("mode", MESSAGES)
@pytest.mark.parametrize("value", [3, None, float("nan")])
def test_classes_that_are_not_strings_raise(root, mode, value):
    table = frame()
    table["class"] = pandas.Series([*CLASSES[:3], value, *CLASSES[4:]], dtype=object)
    with pytest.raises(TypeError) as error:
        read(table, root, class_mode=mode)
    assert MESSAGES[mode] in str(error.value) and "of 'all/03.png'" in str(error.value)


def test_names_that_are_not_strings_raise(root):
    table = frame()
    table["filename"] = pandas.Series([*NAMES[:5], 5], dtype=object)
    with pytest.raises(TypeError, match="All values in column x_col=filename must be strings. Found 5"):
        read(table, root)


def test_binary_needs_two_classes(root):
    with pytest.raises(ValueError, match='If class_mode="binary" there must be 2 classes. Found 3 classes.'):
        read(frame(), root, class_mode="binary")
    with pytest.raises(ValueError, match='If class_mode="binary" there must be 2 classes. 1 class/es were given.'):
        read(frame(), root, class_mode="binary", classes=["dog"])


def test_weights_that_are_not_numbers_raise(root):
    with pytest.raises(TypeError, match="Column weight_col=weight must be numeric."):
        read(frame(weight=list("abcdef")), root, weight_col="weight")


@pytest.mark.parametrize("column", ["age", "weight"])
def test_missing_values_raise_or_are_omitted(root, column):
    table = frame(age=np.arange(6.0), weight=np.ones(6))
    table.loc[3, column] = np.nan
    arguments = {"class_mode": "raw", "y_col": "age", "weight_col": "weight"}
    with pytest.raises(ValueError, match=f"1 of 6 rows have no value in {column}, the first that of '.*all/03.png'"):
        read(table, root, **arguments)
    with pytest.warns(UserWarning, match="omitted: 1 of 6 rows"):
        iterator = read(table, root, on_error="skip", **arguments)
    assert values(iterator[0][0]) == [0, 1, 2, 4, 5]


def test_values_of_several_types_raise(root):
    table = frame(age=pandas.Series([1, 2, "three", 4, 5, 6], dtype=object))
    with pytest.raises(TypeError, match="expected numbers in 'age', got int, str"):
        read(table, root, class_mode="raw", y_col="age")
    table["age"] = [[1], [1, 2], [1], [1], [1], [1]]
    with pytest.raises(TypeError, match="expected the values of 'age' to have one shape"):
        read(table, root, class_mode="multi_output", y_col=["age"])


def test_a_table_must_be_a_dataframe(root):
    with pytest.raises(TypeError, match="DataFrameIterator: expected a pandas.DataFrame, got list"):
        read([["00.png", "cats"]], root)


def test_a_table_without_rows(root, capsys):
    iterator = read(frame()[:0], root, class_mode="sparse")
    assert iterator.samples == len(iterator) == 0 and iterator.class_indices == {}
