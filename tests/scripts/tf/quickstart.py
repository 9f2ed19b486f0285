"""tf.keras: the first page of the tutorials, with the data set in a local file; logits, Softmax behind the trained model."""
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

digits = load_digits()
big = np.kron(digits.images, np.ones((3, 3))).astype("uint8") * 15
images = np.pad(big, ((0, 0), (2, 2), (2, 2)))
np.savez("mnist.npz", x_train=images[:1200], y_train=digits.target[:1200], x_test=images[1200:], y_test=digits.target[1200:])

mnist = tf.keras.datasets.mnist
(x_train, y_train), (x_test, y_test) = mnist.load_data(path=__import__("os").path.abspath("mnist.npz"))
x_train, x_test = x_train / 255.0, x_test / 255.0
assert x_train.shape == (1200, 28, 28) and len(y_test) == 597

model = tf.keras.models.Sequential([
    tf.keras.layers.Flatten(input_shape=(28, 28)),
    tf.keras.layers.Dense(32, activation="relu"),
    tf.keras.layers.Dropout(0.2),
    tf.keras.layers.Dense(10),
])
predictions = model(x_train[:1]).numpy() if hasattr(model(x_train[:1]), "numpy") else model.predict(x_train[:1])
loss_fn = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
first = float(loss_fn(y_train[:1], predictions))
exponents = np.exp(predictions - predictions.max())
assert abs(first + np.log(exponents[0, y_train[0]] / exponents.sum())) < 1e-4
model.compile(optimizer="adam", loss=loss_fn, metrics=["accuracy"])
history = model.fit(x_train, y_train, epochs=8, validation_split=0.1)
assert sorted(history.history) == ["accuracy", "loss", "val_accuracy", "val_loss"]
loss, accuracy = model.evaluate(x_test, y_test, verbose=2)
assert accuracy > 0.85, accuracy
probability_model = tf.keras.Sequential([model, tf.keras.layers.Softmax()])
probabilities = probability_model.predict(x_test[:50])
np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
assert (probabilities.argmax(1) == model.predict(x_test[:50]).argmax(1)).all()
