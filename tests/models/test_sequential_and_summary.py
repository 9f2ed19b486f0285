"""Sequential: add, pop, deferred build from data; and the text of the summary."""

import numpy as np
import pytest

from lamella.layers import Add, BatchNormalization, Conv2D, Dense, Dropout, Flatten, Input, InputLayer, MaxPooling2D, Reshape
from lamella.models import Model, Sequential

X = np.random.default_rng(0).normal(size=(5, 8)).astype("float32")


def lines_of(model, **kwargs):
    lines = []
    model.summary(print_fn=lines.append, **kwargs)
    return lines


def test_add_and_pop():
    model = Sequential()
    model.add(Dense(4, input_shape=(8,)))
    model.add(Dense(3))
    assert model.built and model.output_shape == (None, 3) and model.input_names == ["dense_1_input"]
    full = model.run([X])[0]
    model.pop()
    assert model.output_shape == (None, 4) and model.run([X])[0].shape == (5, 4)
    model.pop()
    assert not model.built and model.layers == []
    with pytest.raises(TypeError, match="There are no layers in the model"):
        model.pop()
    assert full.shape == (5, 3)


def test_it_is_built_with_the_shape_of_the_data():
    model = Sequential([Dense(4), Dense(3)])
    assert not model.built and model.weights == []
    with pytest.raises(ValueError, match="This model has not yet been built"):
        model.summary()
    with pytest.raises(RuntimeError, match="Model 'sequential_1' has no input shape yet"):
        model.run([X])
    model.build_from([X])
    assert model.built and model.input_shape == (None, 8) and model.count_params() == 51
    called = Sequential([Dense(2)])
    assert called(X).shape == (5, 2) and called.built
    inside = Sequential([Dense(2)])
    assert Model(a := Input((8,)), inside(a)).run([X])[0].shape == (5, 2)
    with pytest.raises(ValueError, match="a Sequential takes 1 array, got 2"):
        Sequential([Dense(2)]).build_from([X, X])


def test_an_input_layer_or_a_model_may_come_first():
    explicit = Sequential([InputLayer(input_shape=(8,)), Dense(4)])
    assert [layer.name for layer in explicit.layers] == ["dense_1"] and explicit.run([X])[0].shape == (5, 4)
    on_top = Sequential([explicit, Dense(2)])
    w = on_top.layers[1].get_weights()
    np.testing.assert_allclose(on_top.run([X])[0], explicit.run([X])[0] @ w[0] + w[1], rtol=1e-5, atol=1e-6)


def test_what_cannot_be_added():
    with pytest.raises(TypeError, match="must be an instance of class Layer. Found: 3"):
        Sequential([3])
    dense = Dense(8, input_dim=8)
    with pytest.raises(ValueError, match='The name "dense_1" is used 2 times'):
        Sequential([dense, dense])
    a = Input((8,))
    two = Model(a, [Dense(1)(a), Dense(1)(a)])
    with pytest.raises(TypeError, match="should have a single output tensor"):
        Sequential([two])
    with pytest.raises(ValueError, match="A merge layer should be called on a list"):
        Sequential([Dense(2, input_dim=8), Add()])


def test_summary_of_a_chain():
    model = Sequential(
        [
            Conv2D(32, (3, 3), input_shape=(28, 28, 1)),
            MaxPooling2D(),
            Flatten(),
            Dropout(0.25),
            Dense(128, activation="relu"),
            BatchNormalization(),
            Dense(10),
        ]
    )
    assert lines_of(model) == [
        'Model: "sequential_1"',
        "_" * 65,
        "Layer (type)                 Output Shape              Param #   ",
        "=" * 65,
        "conv2d_1 (Conv2D)            (None, 26, 26, 32)        320       ",
        "_" * 65,
        "max_pooling2d_1 (MaxPooling2 (None, 13, 13, 32)        0         ",
        "_" * 65,
        "flatten_1 (Flatten)          (None, 5408)              0         ",
        "_" * 65,
        "dropout_1 (Dropout)          (None, 5408)              0         ",
        "_" * 65,
        "dense_1 (Dense)              (None, 128)               692352    ",
        "_" * 65,
        "batch_normalization_1 (Batch (None, 128)               512       ",
        "_" * 65,
        "dense_2 (Dense)              (None, 10)                1290      ",
        "=" * 65,
        "Total params: 694,474",
        "Trainable params: 694,218",
        "Non-trainable params: 256",
        "_" * 65,
    ]


def test_summary_of_a_graph_names_connections():
    a, b = Input((8,), name="a"), Input((8,), name="b")
    shared, inner = Dense(4, name="shared"), Sequential([Dense(4, input_dim=4)], name="inner")
    model = Model([a, b], Add(name="sum")([inner(shared(a)), shared(b)]), name="m")
    # Keras's order: b is as far from the output as the farther call of `shared`.
    rows = [line for line in lines_of(model) if line[0] not in "_="]
    assert rows == [
        'Model: "m"',
        "Layer (type)                    Output Shape         Param #     Connected to                     ",
        "a (InputLayer)                  (None, 8)            0                                            ",
        "shared (Dense)                  (None, 4)            36          a[0][0]                          ",
        "                                                                 b[0][0]                          ",
        "b (InputLayer)                  (None, 8)            0                                            ",
        "inner (Sequential)              (None, 4)            20          shared[0][0]                     ",
        "sum (Add)                       (None, 4)            0           inner[1][0]                      ",
        "                                                                 shared[1][0]                     ",
        "Total params: 56",
        "Trainable params: 56",
        "Non-trainable params: 0",
    ]


def test_summary_of_a_functional_chain_is_a_chain():
    a = Input((8,), name="a")
    lines = lines_of(Model(a, Dense(2)(a)))
    assert len(lines[1]) == 65 and lines[4].startswith("a (InputLayer)               (None, 8)                 0")


def test_summary_of_a_model_called_on_several_shapes():
    pixels = Input((None, None, 6))
    head = Model(pixels, Reshape((-1, 4))(Conv2D(8, 3, padding="same")(pixels)), name="head")
    large, small = Input((8, 8, 6)), Input((4, 4, 6))
    lines = lines_of(Model([large, small], [head(large), head(small)]))
    (row,) = [line for line in lines if line.startswith("head (Model)")]
    assert row.split()[:4] == ["head", "(Model)", "multiple", "440"]
    again = Model(large, head(large))  # the calls of all models count, as in Keras
    assert "multiple" in "".join(lines_of(again))


def test_summary_with_other_columns():
    model = Sequential([Dense(2, input_dim=8)])
    lines = lines_of(model, line_length=40, positions=[0.5, 0.75, 1.0])
    assert lines[2] == "Layer (type)        Output Sh Param #   "
    model.layers[0].trainable = False
    assert lines_of(model)[-3:-1] == ["Trainable params: 0", "Non-trainable params: 18"]


def test_summary_prints(capsys):
    Sequential([Dense(2, input_dim=8)]).summary()
    assert capsys.readouterr().out.startswith('Model: "sequential_1"\n')


def test_predict_classes_and_proba():
    model = Sequential([Dense(3, input_dim=8, activation="softmax")])
    np.testing.assert_array_equal(model.predict_classes(X), model.run([X])[0].argmax(-1))
    np.testing.assert_array_equal(model.predict_proba(X), model.predict(X))
    single = Sequential([Dense(1, input_dim=8, activation="sigmoid")])
    np.testing.assert_array_equal(single.predict_classes(X), (single.run([X])[0] > 0.5).astype("int32"))


def test_the_input_of_a_model_built_late_has_the_name_of_the_model():
    """As in the real Keras 2.2.5, where a first layer with a shape gives its own name instead."""
    late, early = Sequential([Dense(2, name="d")], name="late"), Sequential([Dense(2, name="d", input_shape=(3,))])
    late.build((None, 3))
    assert (late.input_names, early.input_names) == (["late_input"], ["d_input"])
    assert late.predict({"late_input": np.zeros((1, 3))}).shape == (1, 2)
