"""Transfer learning: a network without its top, frozen; features first, then fine-tuning of the last layers."""
import numpy as np
from keras.applications.mobilenet import MobileNet, preprocess_input
from keras.layers import Dense, Dropout, GlobalAveragePooling2D
from keras.models import Model, Sequential
from keras.optimizers import SGD

rng = np.random.RandomState(0)
labels = np.arange(48) % 2
x = rng.randint(0, 120, (48, 32, 32, 3)).astype('float32')
x[labels == 1, 8:24, 8:24] += 130
x = preprocess_input(x)
assert x.min() >= -1 and x.max() <= 1

# What a download would bring: filters whose outputs neither vanish nor explode.
made = MobileNet(weights=None, include_top=False, input_shape=(32, 32, 3), alpha=0.25)
made.set_weights([rng.normal(0, np.sqrt(2.0 / np.prod(w.shape[:2] if w.shape[3] == 1 else w.shape[:3])), w.shape) if w.ndim == 4 else w
                  for w in made.get_weights()])
made.save_weights('mobilenet_2_5_224_tf_no_top.h5')

base_model = MobileNet(weights='mobilenet_2_5_224_tf_no_top.h5', include_top=False, input_shape=(32, 32, 3), alpha=0.25)
assert base_model.count_params() == 218544
bottleneck_features = base_model.predict(x, batch_size=16)
assert bottleneck_features.shape == (48, 1, 1, 256)
np.save('bottleneck_features_train.npy', bottleneck_features)

train_data = np.load('bottleneck_features_train.npy')
train_data = (train_data - train_data.mean(0)) / (train_data.std(0) + 1e-8)
top = Sequential()
top.add(GlobalAveragePooling2D(input_shape=train_data.shape[1:]))
top.add(Dense(16, activation='relu'))
top.add(Dropout(0.2))
top.add(Dense(1, activation='sigmoid'))
top.compile(optimizer='rmsprop', loss='binary_crossentropy', metrics=['accuracy'])
top.fit(train_data, labels, epochs=40, batch_size=8, verbose=0)
assert top.evaluate(train_data, labels, verbose=0)[1] > 0.9

h = base_model.output
h = GlobalAveragePooling2D()(h)
predictions = Dense(2, activation='softmax', name='predictions')(h)
model = Model(inputs=base_model.input, outputs=predictions)
for layer in base_model.layers:
    layer.trainable = False
assert len(model.trainable_weights) == 2
model.compile(optimizer='rmsprop', loss='sparse_categorical_crossentropy', metrics=['accuracy'])
frozen = base_model.get_weights()
model.fit(x, labels, epochs=1, batch_size=16, verbose=0)
assert all(np.array_equal(a, b) for a, b in zip(frozen, base_model.get_weights()))
for i, layer in enumerate(base_model.layers[-3:]):
    print(i, layer.name)
for layer in model.layers[:-7]:
    layer.trainable = False
for layer in model.layers[-7:]:
    layer.trainable = True
model.compile(optimizer=SGD(lr=0.01, momentum=0.9), loss='sparse_categorical_crossentropy', metrics=['accuracy'])
model.fit(x, labels, epochs=1, batch_size=16, verbose=0)
changed = [not np.array_equal(a, b) for a, b in zip(frozen, base_model.get_weights())]
assert not any(changed[:-10]) and any(changed[-10:])
