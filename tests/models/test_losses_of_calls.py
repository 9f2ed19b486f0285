"""model.losses: one tensor for each loss that a call in the graph adds, and none for calls that add none."""

import pickle

import numpy as np
import pytest

from lamella import backend as K
from lamella import config
from lamella.layers import (
    RNN,
    Average,
    Bidirectional,
    Dense,
    Dropout,
    GRUCell,
    Input,
    Layer,
    SimpleRNN,
    Subtract,
    TimeDistributed,
)
from lamella.models import Model, Sequential, load_model

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(2, 4, 3)).astype("f4")


class Adds(Layer):
    """Adds the sum and 2 times the number of samples, or nothing; in training also 5."""

    def __init__(self, adds=True, **kwargs):
        super().__init__(**kwargs)
        self.adds = adds

    def call(self, x):
        if self.adds:
            self.add_loss([K.sum(x), K.sum(2.0 * K.ones_like(x[:, :1]))])
        return K.in_train_phase(x, x)


def twice(layer, **more):
    """Model of two inputs and the mean of the outputs of one layer."""
    ends = [Input((3,)), Input((3,))]
    return Model(ends, Average()([layer(x) for x in ends]), **more)


def values(tensors, inputs, data):
    return K.function(inputs, tensors)(data)


def test_each_call_of_a_shared_layer_has_its_own_losses():
    dense = Dense(2, activity_regularizer="l1", kernel_regularizer="l2", kernel_initializer="ones")
    model = twice(dense)
    model.add_loss([K.mean(model.output), 1, 1])
    assert len(model.losses) == 6
    a, b = (0.01 * 2 * np.abs(x.sum(1)).sum() for x in (A, B))
    found = values([loss for loss in model.losses if K.is_tensor(loss)], model.inputs, [A, B])
    assert sorted(found) == pytest.approx(sorted([0.01 * 6, (A.sum(1) + B.sum(1)).mean() / 2, a, b]), rel=1e-4)
    model.compile("sgd", None)
    wanted = 2 + sum(found)
    assert model.test_on_batch([A, B], None) == pytest.approx(wanted, rel=1e-5)
    assert float(sum(model.losses)) == pytest.approx(wanted, rel=1e-5)


def test_each_call_of_a_model_inside_has_its_own_losses():
    inner = Sequential([Adds(input_shape=(3,)), Dense(2, activity_regularizer="l2", kernel_initializer="ones"), Adds(False)])
    model = twice(inner)
    found = values(model.losses, model.inputs, [A, B])
    wanted = [[x.sum(), 8, 0.01 * 2 * (x.sum(1) ** 2).sum()] for x in (A, B)]
    assert sorted(found) == pytest.approx(sorted(np.ravel(wanted)), rel=1e-4)
    assert len(inner.losses) == 3
    x = K.placeholder((None, 3))
    twin = Model(y := Input((3,)), inner(y))
    assert values([sum(twin.losses)], twin.inputs, [B])[0] == pytest.approx(sum(wanted[1]), rel=1e-4)
    with pytest.raises(ValueError, match="input"):
        K.function([x], model.losses)([A])


@pytest.mark.parametrize("layer", [Dense(1, activity_regularizer="l2", kernel_initializer="ones"), Adds()])
def test_models_that_share_a_layer_in_one_function(layer):
    first, second = (Model(x := Input((3,)), layer(x)) for _ in range(2))

    def alone(x):
        return 0.01 * (x.sum(1) ** 2).sum() if isinstance(layer, Dense) else x.sum() + 8

    ends = [*first.inputs, *second.inputs]
    found = values([sum(first.losses), sum(second.losses), first.output, second.output], ends, [A, B])
    assert found[:2] == pytest.approx([alone(A), alone(B)], rel=1e-4)
    total = sum(first.losses) + sum(second.losses)
    assert values([total], ends, [A, B])[0] == pytest.approx(alone(A) + alone(B), rel=1e-4)


@pytest.mark.parametrize(
    "layer",
    [
        Adds(False),
        TimeDistributed(Dense(2)),
        Bidirectional(SimpleRNN(2, return_sequences=True)),
        RNN(GRUCell(2), return_sequences=True),
        Sequential([TimeDistributed(Adds(False), input_shape=(5, 3))]),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_layers_that_may_add_losses_and_do_not(layer):
    first = Dense(3, kernel_regularizer="l2", input_shape=(5, 3))
    model = Sequential([first, layer, Dense(1, kernel_regularizer="l1")])
    assert len(model.losses) == 2
    slopes = K.gradients(sum(model.losses), [first.kernel, model.layers[2].kernel])
    kernel, last = (model.layers[i].get_weights()[0] for i in (0, 2))
    np.testing.assert_allclose(K.eval(slopes[0]), 0.02 * kernel, rtol=1e-5)
    np.testing.assert_allclose(K.eval(slopes[1]), 0.01 * np.sign(last), rtol=1e-5)


def test_asking_for_the_losses_keeps_those_of_the_last_run():
    model = twice(Adds())
    model.compile("sgd", None)
    wanted = A.sum() + B.sum() + 16
    assert model.test_on_batch([A, B], None) == pytest.approx(wanted, rel=1e-5)
    for _ in range(2):
        assert sorted(float(v) for v in model.losses) == pytest.approx(sorted([A.sum(), B.sum(), 8, 8]), rel=1e-4)


def test_a_call_that_fails_on_ones_has_one_loss():
    class Picky(Layer):
        def call(self, x):
            if float(K.min(x)) == 1:
                raise ArithmeticError("all ones")
            self.add_loss(K.sum(x))
            self.add_loss(1.0)
            return x

        def compute_output_shape(self, input_shape):
            return input_shape

    model = Model(x := Input((3,)), Picky()(x))
    (loss,) = model.losses
    assert values([loss], [x], [A])[0] == pytest.approx(A.sum() + 1, rel=1e-5)


def test_losses_with_inputs_are_found_by_them():
    x, y = Input((3,)), Input((3,))
    layer = Bidirectional(SimpleRNN(2, kernel_regularizer="l1"))
    layer(Input((5, 3)))
    for inner, weight in ((layer.forward_layer, 1), (layer.backward_layer, 10)):
        inner.add_loss(weight, inputs=x)
        inner.add_loss([2 * weight, 3 * weight], inputs=[x, y])
        inner.add_loss(4 * weight)
    assert layer.get_losses_for(x) == layer.get_losses_for([x]) == [1, 10]
    assert layer.get_losses_for([x, y]) == [2, 3, 20, 30] and layer.get_losses_for([y, x]) == layer.get_losses_for(y) == []
    assert layer.forward_layer.get_losses_for(x) == [1]
    unconditional = layer.get_losses_for(None)
    assert len(unconditional) == 4 and unconditional[2:] == [4, 40]
    assert len(layer.losses) == 10


class Counting(Layer):
    """Adds `adds` losses and updates a count; notes how often it was called."""

    def __init__(self, adds=1, **kwargs):
        super().__init__(**kwargs)
        self.adds, self.calls, self.inner = adds, 0, Dense(2, kernel_regularizer="l2")
        self.count = K.variable(0.0)

    def call(self, x):
        self.calls += 1
        self.add_loss([K.sum(x)] * self.adds)
        self.add_update((self.count, self.count + 1))
        return self.inner(x)


def same(a, b):
    return len(a) == len(b) and all(x is y for x, y in zip(a, b))


def test_losses_and_updates_are_made_once():
    layer = Counting()
    model = Model(x := Input((3,)), Dense(1, kernel_regularizer="l1")(layer(x)))
    model.add_loss(K.mean(model.output))
    layer.calls = 0
    losses, updates = model.losses, model.updates
    assert len(losses) == 4 and len(updates) == 1
    assert layer.calls == 3  # for the losses in both phases, for the updates in training
    for _ in range(3):
        assert same(model.losses, losses) and same(model.updates, updates)
    assert same(layer.get_losses_for(x), losses[-1:]) and same(layer.losses[:1], layer.get_losses_for(None))
    assert layer.losses[0] in losses
    model.compile("sgd", "mse")
    assert model.total_loss is model.total_loss and layer.calls == 3
    model.fit(A, A[:, :1], batch_size=2, epochs=2, verbose=0)
    assert layer.calls == 7 and same(model.losses, losses) and float(layer.count) == 4


def test_losses_and_updates_follow_changes():
    layer = Counting()
    model = Model(x := Input((3,)), layer(x))
    penalty, added = model.losses
    kernel = layer.inner.kernel
    kernel.assign(np.full((3, 2), 2.0))
    assert float(model.losses[0]) == pytest.approx(0.01 * 6 * 4) and model.losses[0] is penalty
    layer.inner.kernel.regularizer.l2 = 0.5
    changed = model.losses[0]
    assert float(changed) == pytest.approx(0.5 * 6 * 4) and changed is model.losses[0] is not penalty
    layer.trainable = False
    assert model.updates == [] and model.losses[0] is changed
    layer.trainable = True
    assert len(model.updates) == 1
    layer.adds = 3
    model.predict(A)  # which finds more losses
    assert [float(v) for v in model.losses[1:]] == pytest.approx([A.sum()] * 3, rel=1e-4) and model.losses[1] is added
    layer.add_loss(layer.count)
    assert len(model.losses) == 5 and same(model.losses, model.losses)
    again = pickle.loads(pickle.dumps(model.losses[0]))
    assert float(again) == pytest.approx(0.5 * 6 * 4)


def test_losses_of_a_model_inside_after_a_run_of_the_outer_one():
    inner = Model(x := Input((3,)), Dense(2, activity_regularizer="l1", kernel_initializer="ones")(Adds()(x)))
    inner.add_loss(K.mean(inner.output))
    outer = twice(inner)
    outer.predict([A, B])
    wanted = [B.sum(1).mean(), B.sum(), 8, 0.01 * 2 * np.abs(B.sum(1)).sum()]  # of the last call
    assert [float(v) for v in inner.losses] == pytest.approx(wanted, rel=1e-4)
    both = values([sum(inner.losses), sum(outer.losses)], [*inner.inputs, *outer.inputs], [A, A, B])
    wanted = [sum([v.sum(1).mean(), v.sum(), 8, 0.01 * 2 * np.abs(v.sum(1)).sum()]) for v in (A, B)]
    assert both == pytest.approx([wanted[0], wanted[0] + wanted[1]], rel=1e-4)


class FarFromBefore(Layer):
    """Adds 3 times the squared distance of the kernel from another weight: a symbolic loss that build makes."""

    def build(self, input_shape):
        self.kernel = self.add_weight("kernel", (input_shape[-1], 1), initializer="ones")
        self.before = self.add_weight("before", (input_shape[-1], 1), initializer="zeros", trainable=False)
        self.add_loss(
            K.switch(K.equal(K.sum(self.before), K.constant(99.0)), 0.0, 3.0 * K.sum(K.square(self.kernel - self.before)))
        )
        super().build(input_shape)

    def call(self, x):
        return K.dot(x, self.kernel)


def test_a_loss_of_variables_that_build_makes_while_a_file_is_loaded(tmp_path):
    model = Sequential([FarFromBefore(input_shape=(3,))])
    model.compile("sgd", "mse")
    model.set_weights([np.float32([[1], [2], [3]]), np.float32([[1], [0], [1]])])
    wanted = 3 * (0 + 4 + 4)
    assert model.test_on_batch(A, A.sum(1) + A[:, 1] + 2 * A[:, 2]) == pytest.approx(wanted)
    model.save(tmp_path / "m.h5")
    loaded = load_model(tmp_path / "m.h5", custom_objects={"FarFromBefore": FarFromBefore})
    assert loaded.test_on_batch(A, A.sum(1) + A[:, 1] + 2 * A[:, 2]) == pytest.approx(wanted)
    loaded.layers[0].set_weights([np.float32([[1], [2], [3]]), np.float32([[1], [2], [2]])])
    assert loaded.test_on_batch(A, A.sum(1) + A[:, 1] + 2 * A[:, 2]) == pytest.approx(3)


def test_a_layer_lists_the_losses_of_its_calls_before_a_run():
    """The real Keras 2.2.5 lists 2 losses after the first call and 3 after the second."""
    layer = Dense(2, kernel_regularizer="l2", activity_regularizer="l1")
    x, y = Input((3,)), Input((3,))
    layer(x)
    assert len(layer.losses) == 2
    model = Model([x, y], [layer.output, layer(y)])
    assert len(layer.losses) == 3
    layer.set_weights([np.ones((3, 2)), np.zeros(2)])
    penalty, first, second = K.function([x, y], layer.losses)([np.full((1, 3), 2.0), np.full((4, 3), -1.0)])
    assert [float(v) for v in (penalty, first, second)] == pytest.approx([0.06, 0.12, 0.24], rel=1e-5)
    assert len(model.losses) == 3


def test_a_model_called_twice_on_one_tensor_runs_once():
    """The real Keras 2.2.5 gives the same tensor again, and a loss of 1.28: its penalties count once."""
    inner = Sequential([Dense(2, input_shape=(3,), activity_regularizer="l2", kernel_regularizer="l1"), Dropout(0.5)])
    x = Input((3,))
    y, again = inner(x), inner(x)
    assert y is again
    assert (len(inner._inbound_nodes), inner.get_output_at(2)) == (3, y)
    model = Model(x, Subtract()([y, again]))
    model.compile("sgd", "mse")
    model.set_weights([np.full((3, 2), 0.5), np.ones(2)])
    assert model.train_on_batch(np.ones((2, 3)), np.ones((2, 2))) == pytest.approx(1 + 0.01 * 25 + 0.01 * 3)
    assert (len(model.losses), len(inner.get_losses_for(x))) == (2, 1)
    inner.add(Dense(4))
    assert inner(x).shape == (None, 4)


def test_in_the_dialect_of_tf_keras_each_call_of_a_model_runs():
    config.set_dialect("tf")
    try:
        inner = Sequential([Dense(2, input_shape=(3,))])
        x = Input((3,))
        assert inner(x) is not inner(x)
    finally:
        config.set_dialect("keras2")
