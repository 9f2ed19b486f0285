"""tf.keras of 2020: two inputs and outputs by name, logits, schedules, own callback and layer."""
import numpy as np
from tensorflow import keras
from tensorflow.keras import layers

rng = np.random.default_rng(0)
numbers = rng.normal(size=(300, 6)).astype("float32")
words = rng.integers(1, 40, size=(300, 8))
kind = (numbers.sum(1) > 0).astype("int32") + 2 * (words < 20).any(1).astype("int32")
score = (numbers[:, :1] * 2).astype("float32")


class Scale(layers.Layer):
    def __init__(self, units=6, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        self.w = self.add_weight(name="w", shape=(self.units,), initializer="ones", trainable=True)

    def call(self, inputs, training=None):
        return inputs * self.w

    def get_config(self):
        return {**super().get_config(), "units": self.units}


class Remember(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        self.losses = []

    def on_train_batch_end(self, batch, logs=None):
        self.losses.append(logs["loss"])


a = keras.Input(shape=(6,), name="numbers")
b = keras.Input(shape=(8,), dtype="int32", name="words")
h = layers.concatenate([Scale()(a), layers.GlobalAveragePooling1D()(layers.Embedding(40, 8)(b))])
h = layers.Dense(32, activation="relu")(h)
model = keras.Model(inputs=[a, b], outputs=[layers.Dense(4, name="kind")(h), layers.Dense(1, name="score")(h)])
schedule = keras.optimizers.schedules.ExponentialDecay(0.02, decay_steps=50, decay_rate=0.9)
model.compile(
    optimizer=keras.optimizers.Adam(learning_rate=schedule),
    loss={"kind": keras.losses.SparseCategoricalCrossentropy(from_logits=True), "score": keras.losses.MeanSquaredError()},
    loss_weights={"kind": 1.0, "score": 0.5},
    metrics={"kind": ["accuracy"], "score": [keras.metrics.MeanAbsoluteError(name="mae")]},
)
remember = Remember()
history = model.fit({"numbers": numbers, "words": words}, {"kind": kind, "score": score}, epochs=30, batch_size=32,
                    validation_split=0.2, verbose=0, callbacks=[remember])
assert {"loss", "kind_loss", "score_loss", "kind_accuracy", "score_mae", "val_kind_accuracy"} <= set(history.history)
assert len(remember.losses) == 30 * 8 and history.history["kind_accuracy"][-1] > 0.8
model.save("model.h5")
again = keras.models.load_model("model.h5", custom_objects={"Scale": Scale})
for p, q in zip(model.predict([numbers, words]), again.predict([numbers, words])):
    np.testing.assert_array_equal(p, q)
