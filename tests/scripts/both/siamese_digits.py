"""A siamese network with a Lambda for the distance, contrastive loss and an accuracy of one's own."""
import random

import numpy as np
from keras import backend as K
from keras.layers import Dense, Dropout, Input, Lambda
from keras.models import Model
from keras.optimizers import RMSprop
from sklearn.datasets import load_digits

digits = load_digits()
x = digits.data.astype("float32") / 16.0
random.seed(0)


def euclidean_distance(vects):
    a, b = vects
    return K.sqrt(K.maximum(K.sum(K.square(a - b), axis=1, keepdims=True), K.epsilon()))


def eucl_dist_output_shape(shapes):
    shape1, shape2 = shapes
    return (shape1[0], 1)


def contrastive_loss(y_true, y_pred):
    margin = 1
    return K.mean(y_true * K.square(y_pred) + (1 - y_true) * K.square(K.maximum(margin - y_pred, 0)))


def accuracy(y_true, y_pred):
    return K.mean(K.equal(y_true, K.cast(y_pred < 0.5, y_true.dtype)))


digit_indices = [np.where(digits.target == i)[0] for i in range(10)]
pairs, labels = [], []
n = min([len(digit_indices[d]) for d in range(10)]) // 4
for d in range(10):
    for i in range(n):
        z1, z2 = digit_indices[d][i], digit_indices[d][i + 1]
        pairs += [[x[z1], x[z2]]]
        dn = (d + random.randrange(1, 10)) % 10
        z1, z2 = digit_indices[d][i], digit_indices[dn][i]
        pairs += [[x[z1], x[z2]]]
        labels += [1, 0]
pairs, labels = np.array(pairs), np.array(labels, dtype="float32")

inp = Input(shape=(64,))
h = Dense(32, activation="relu")(inp)
h = Dropout(0.1)(h)
base_network = Model(inp, Dense(16, activation="relu")(h))
input_a, input_b = Input(shape=(64,)), Input(shape=(64,))
distance = Lambda(euclidean_distance, output_shape=eucl_dist_output_shape)([base_network(input_a), base_network(input_b)])
model = Model([input_a, input_b], distance)
model.compile(loss=contrastive_loss, optimizer=RMSprop(), metrics=[accuracy])
model.fit([pairs[:, 0], pairs[:, 1]], labels, batch_size=32, epochs=12, verbose=0)
y_pred = model.predict([pairs[:, 0], pairs[:, 1]])
assert np.mean((y_pred.ravel() < 0.5) == labels) > 0.85
