"""OCR by CTC: the loss is a Lambda over labels and lengths, the loss of compile hands it on; decoding by K."""
import numpy as np
from keras import backend as K
from keras.layers import Activation, Bidirectional, Conv2D, Dense, GRU, Input, Lambda, MaxPooling2D, Reshape
from keras.models import Model
from keras.optimizers import Adam
from sklearn.datasets import load_digits

digits = load_digits(n_class=4)
by_class = [digits.images[digits.target == d] / 16. for d in range(4)]
rng = np.random.RandomState(0)
img_w, img_h, n_len, n_class = 24, 8, 3, 5


def text_images(n):
    words = rng.randint(0, 4, (n, n_len))
    X = np.array([np.concatenate([by_class[d][rng.randint(30)] for d in word], axis=1).T for word in words])
    return X[..., None], words


def ctc_lambda_func(args):
    y_pred, labels, input_length, label_length = args
    y_pred = y_pred[:, 1:, :]
    return K.ctc_batch_cost(labels, y_pred, input_length, label_length)


input_data = Input(name='the_input', shape=(img_w, img_h, 1), dtype='float32')
inner = Conv2D(8, (3, 3), padding='same', activation='relu', kernel_initializer='he_normal', name='conv1')(input_data)
inner = MaxPooling2D(pool_size=(2, 2), name='max1')(inner)
inner = Reshape(target_shape=(img_w // 2, (img_h // 2) * 8), name='reshape')(inner)
inner = Dense(24, activation='relu', name='dense1')(inner)
inner = Bidirectional(GRU(16, return_sequences=True, kernel_initializer='he_normal'), name='gru1')(inner)
inner = Dense(n_class, kernel_initializer='he_normal', name='dense2')(inner)
y_pred = Activation('softmax', name='softmax')(inner)
base_model = Model(inputs=input_data, outputs=y_pred)
labels = Input(name='the_labels', shape=[n_len], dtype='float32')
input_length = Input(name='input_length', shape=[1], dtype='int64')
label_length = Input(name='label_length', shape=[1], dtype='int64')
loss_out = Lambda(ctc_lambda_func, output_shape=(1,), name='ctc')([y_pred, labels, input_length, label_length])
model = Model(inputs=[input_data, labels, input_length, label_length], outputs=loss_out)
model.compile(loss={'ctc': lambda y_true, y_pred: y_pred}, optimizer=Adam(lr=0.01))


def gen(batch_size=32):
    while True:
        X, Y = text_images(batch_size)
        inputs = {'the_input': X, 'the_labels': Y, 'input_length': np.full((batch_size, 1), img_w // 2 - 1),
                  'label_length': np.full((batch_size, 1), n_len)}
        yield inputs, {'ctc': np.zeros([batch_size])}


history = model.fit_generator(gen(), steps_per_epoch=12, epochs=12, verbose=0)
X, Y = text_images(60)
prediction = base_model.predict(X)[:, 1:, :]
out = K.get_value(K.ctc_decode(prediction, input_length=np.ones(prediction.shape[0]) * prediction.shape[1], greedy=True)[0][0])[:, :n_len]
accuracy = np.mean([list(a) == list(b) for a, b in zip(out, Y)])
print(history.history['loss'][::4], accuracy)
assert history.history['loss'][-1] < 0.2 * history.history['loss'][0] and accuracy > 0.8
