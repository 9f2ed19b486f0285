"""tf.keras: a subclassed Model, a training loop of one's own over batches, metrics objects, weights to a file and back."""
import numpy as np
from sklearn.datasets import load_wine
from sklearn.preprocessing import StandardScaler
from tensorflow.keras import Model, layers, losses, metrics, optimizers

x, y = load_wine(return_X_y=True)
x = StandardScaler().fit_transform(x).astype("float32")


class MLP(Model):
    def __init__(self, hidden, classes):
        super().__init__()
        self.d1 = layers.Dense(hidden, activation="relu")
        self.drop = layers.Dropout(0.2)
        self.d2 = layers.Dense(classes)

    def call(self, inputs, training=None):
        h = self.d1(inputs)
        h = self.drop(h, training=training)
        return self.d2(h)


model = MLP(16, 3)
model.compile(optimizer=optimizers.Adam(learning_rate=0.01), loss=losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
train_loss = metrics.Mean(name="train_loss")
test_accuracy = metrics.SparseCategoricalAccuracy()
EPOCHS, BATCH = 8, 32
means = []
for epoch in range(EPOCHS):
    train_loss.reset_states()
    order = np.random.permutation(len(x))
    for start in range(0, len(x), BATCH):
        rows = order[start:start + BATCH]
        loss, accuracy = model.train_on_batch(x[rows], y[rows])
        train_loss.update_state(loss)
    means.append(float(train_loss.result()))
test_accuracy.update_state(y, model.predict(x))
print(means, float(test_accuracy.result()))
assert means[-1] < 0.4 * means[0] and float(test_accuracy.result()) > 0.9
assert abs(float(test_accuracy.result()) - model.evaluate(x, y, verbose=0)[1]) < 1e-6
model.save_weights("wine.h5")
again = MLP(16, 3)
again.predict(x[:1])
again.load_weights("wine.h5")
np.testing.assert_array_equal(again.predict(x), model.predict(x))
