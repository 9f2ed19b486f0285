"""Triplet loss over three inputs that share a network; the loss sees one concatenated vector."""
import numpy as np
from keras.models import Sequential, Model
from keras.layers import *
from keras.optimizers import Adam
from keras import backend as K
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

EMB = 8
digits = load_digits()
x = (digits.images / 16.0).astype('float32')[..., np.newaxis]
x_train, y_train, x_test, y_test = x[:900], digits.target[:900], x[900:1500], digits.target[900:1500]


def triplet_loss(y_true, y_pred, alpha=0.4):
    total_length = y_pred.shape.as_list()[-1]
    anchor = y_pred[:, 0:int(total_length * 1 / 3)]
    positive = y_pred[:, int(total_length * 1 / 3):int(total_length * 2 / 3)]
    negative = y_pred[:, int(total_length * 2 / 3):int(total_length * 3 / 3)]
    pos_dist = K.sum(K.square(anchor - positive), axis=1)
    neg_dist = K.sum(K.square(anchor - negative), axis=1)
    basic_loss = pos_dist - neg_dist + alpha
    return K.maximum(basic_loss, 0.0)


def create_base_network(in_dims):
    model = Sequential()
    model.add(Conv2D(12, (3, 3), padding='same', input_shape=in_dims, activation='relu'))
    model.add(MaxPooling2D((2, 2), (2, 2), padding='same'))
    model.add(Conv2D(16, (3, 3), padding='same', activation='relu'))
    model.add(Flatten())
    model.add(Dense(EMB, activation=None))
    model.add(Lambda(lambda t: K.l2_normalize(t, axis=1)))
    return model


def triplets(n):
    a, p, q = [], [], []
    for _ in range(n):
        one, two = np.random.choice(10, 2, replace=False)
        i, j = np.random.choice(np.where(y_train == one)[0], 2, replace=False)
        a.append(x_train[i]), p.append(x_train[j]), q.append(x_train[np.random.choice(np.where(y_train == two)[0])])
    return [np.array(a), np.array(p), np.array(q)]


anchor_input = Input((8, 8, 1,), name='anchor_input')
positive_input = Input((8, 8, 1,), name='positive_input')
negative_input = Input((8, 8, 1,), name='negative_input')
shared = create_base_network([8, 8, 1, ])
merged_vector = concatenate([shared(anchor_input), shared(positive_input), shared(negative_input)], axis=-1, name='merged_layer')
model = Model(inputs=[anchor_input, positive_input, negative_input], outputs=merged_vector)
model.compile(loss=triplet_loss, optimizer=Adam(lr=0.003))
data = triplets(600)
history = model.fit(data, y=np.empty((600, EMB * 3)), batch_size=64, epochs=10, verbose=0)
trained = Model(inputs=anchor_input, outputs=shared(anchor_input))
codes = trained.predict(x_test)
np.testing.assert_allclose(np.linalg.norm(codes, axis=1), 1, rtol=1e-5)
accuracy = KNeighborsClassifier(3).fit(trained.predict(x_train), y_train).score(codes, y_test)
print(history.history['loss'], accuracy)
assert history.history['loss'][-1] < 0.3 * history.history['loss'][0] and accuracy > 0.85
