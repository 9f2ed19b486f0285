"""Gradient ascent in the input: what a filter looks for, and a dream over octaves; the loss is a sum over layers' outputs."""
from keras import backend as K
from keras.layers import Activation, Conv2D, Input, MaxPooling2D
from keras.models import Model
import numpy as np

K.set_learning_phase(0)
img_input = Input(shape=(None, None, 3))
h = Conv2D(6, 3, padding='same', name='block1_conv1')(img_input)
h = Activation('relu')(h)
h = MaxPooling2D()(h)
h = Conv2D(8, 3, padding='same', activation='relu', name='block2_conv1')(h)
model = Model(img_input, h)
model.layers[1].set_weights([np.random.RandomState(0).normal(0, .4, (3, 3, 3, 6)), np.zeros(6)])
dream = model.input
layer_dict = dict([(layer.name, layer) for layer in model.layers])


def normalize(x):
    return x / (K.sqrt(K.mean(K.square(x))) + K.epsilon())


kept_filters = []
for filter_index in range(3):
    layer_output = layer_dict['block1_conv1'].output
    loss = K.mean(layer_output[:, :, :, filter_index])
    grads = normalize(K.gradients(loss, dream)[0])
    iterate = K.function([dream], [loss, grads])
    input_img_data = (np.random.random((1, 12, 12, 3)) - 0.5) * 0.1
    for i in range(15):
        loss_value, grads_value = iterate([input_img_data])
        input_img_data += grads_value * 0.5
    kept_filters.append((input_img_data[0], loss_value))
# The answer of a linear filter: each channel goes the way of the sum of its weights.
for filter_index, (image, value) in enumerate(kept_filters):
    sums = model.layers[1].get_weights()[0][..., filter_index].sum((0, 1))
    assert np.array_equal(np.sign(image[3:-3, 3:-3].mean((0, 1))), np.sign(sums)) and value > 1

settings = {'features': {'block1_conv1': 0.2, 'block2_conv1': 1.5}}
loss = K.variable(0.)
for layer_name in settings['features']:
    coeff = settings['features'][layer_name]
    x = layer_dict[layer_name].output
    scaling = K.prod(K.cast(K.shape(x), 'float32'))
    if K.image_data_format() == 'channels_first':
        loss += coeff * K.sum(K.square(x[:, :, 2: -2, 2: -2])) / scaling
    else:
        loss += coeff * K.sum(K.square(x[:, 2: -2, 2: -2, :])) / scaling
grads = K.gradients(loss, dream)[0]
grads /= K.maximum(K.mean(K.abs(grads)), K.epsilon())
fetch_loss_and_grads = K.function([dream], [loss, grads])


def gradient_ascent(x, iterations, step, max_loss=None):
    losses = []
    for i in range(iterations):
        loss_value, grad_values = fetch_loss_and_grads([x])
        if max_loss is not None and loss_value > max_loss:
            break
        losses.append(float(loss_value))
        x += step * grad_values
    return x, losses


for size in (12, 16):
    img, losses = gradient_ascent(np.random.uniform(-0.1, 0.1, (1, size, size, 3)), iterations=10, step=0.05, max_loss=10.)
    assert img.shape == (1, size, size, 3) and all(b > a for a, b in zip(losses, losses[1:])) and losses[-1] > 10 * losses[0]
