"""Class activation maps by K.gradients and K.function; what a layer puts out, with the learning phase as an input."""
import numpy as np
from keras import backend as K
from keras.layers import Conv2D, Dense, Dropout, GlobalAveragePooling2D, MaxPooling2D
from keras.models import Sequential

rng = np.random.RandomState(0)
x = rng.uniform(0, 0.3, (120, 16, 16, 1)).astype('float32')
y = np.arange(120) % 2
corner = rng.randint(1, 9, (120, 2))
for i, (r, c) in enumerate(corner):
    if y[i]:
        x[i, r:r + 6, c:c + 6] += 0.7
    else:
        x[i, r:r + 6:2, c:c + 6] += 0.7

model = Sequential()
model.add(Conv2D(8, (3, 3), activation='relu', padding='same', input_shape=(16, 16, 1)))
model.add(MaxPooling2D())
model.add(Conv2D(16, (3, 3), activation='relu', padding='same', name='block2_conv'))
model.add(GlobalAveragePooling2D())
model.add(Dropout(0.3))
model.add(Dense(2, activation='softmax'))
model.compile('adam', 'sparse_categorical_crossentropy', metrics=['accuracy'])
model.optimizer.lr = 0.01
model.fit(x, y, epochs=25, batch_size=20, verbose=0)
assert model.evaluate(x, y, verbose=0)[1] > 0.9

inside = []
for i in range(1, 41, 2):
    class_output = model.output[:, 1]
    last_conv_layer = model.get_layer('block2_conv')
    grads = K.gradients(class_output, last_conv_layer.output)[0]
    pooled_grads = K.mean(grads, axis=(0, 1, 2))
    iterate = K.function([model.input], [pooled_grads, last_conv_layer.output[0]])
    pooled_grads_value, conv_layer_output_value = iterate([x[i:i + 1]])
    for c in range(16):
        conv_layer_output_value[:, :, c] *= pooled_grads_value[c]
    heatmap = np.mean(conv_layer_output_value, axis=-1)
    heatmap = np.maximum(heatmap, 0)
    heatmap /= np.max(heatmap)
    r, c = np.unravel_index(heatmap.argmax(), heatmap.shape)
    inside.append(np.abs(np.array([r, c]) * 2 + 1 - (corner[i] + 3)).max() <= 4)
print(np.mean(inside))
assert heatmap.shape == (8, 8) and np.mean(inside) > 0.8

get_3rd_layer_output = K.function([model.layers[0].input, K.learning_phase()], [model.layers[4].output])
test, train = get_3rd_layer_output([x[:4], 0])[0], get_3rd_layer_output([x[:4], 1])[0]
pooled = K.function([model.input], [model.layers[3].output])([x[:4]])[0]
assert np.array_equal(test, pooled) and not np.array_equal(train, test)
kept = train != 0
np.testing.assert_allclose(train[kept], (test / 0.7)[kept], rtol=1e-5)
