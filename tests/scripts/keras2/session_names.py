"""The head of a script of 2018: which backend it is on, how its session grows, and models in a loop with clear_session."""
import gc

import numpy as np
from keras import backend as K
from keras.backend.tensorflow_backend import set_session
from keras.layers import Dense
from keras.models import Sequential

assert K.backend() == 'tensorflow' and K.image_data_format() == 'channels_last'
try:
    import tensorflow as tf
    config = tf.ConfigProto()
    config.gpu_options.allow_growth = True
    set_session(tf.Session(config=config))
except ImportError as error:
    print('no TensorFlow:', error)
except AttributeError as error:  # TensorFlow 2
    print(error)

# Without a session the names say what to use instead.
for call, words in ((K.get_session, ('K.get_value', 'K.function')), (lambda: K.set_session(None), ('set_num_threads', 'memory'))):
    try:
        call()
    except RuntimeError as error:
        assert 'no session' in str(error) and all(word in str(error) for word in words), error
    else:
        raise AssertionError('a session that is not there was used')

assert K.learning_phase() is not None
K.set_learning_phase(0)
assert K.learning_phase() == 0
K.clear_session()

x = np.random.normal(size=(64, 5))
y = x @ np.arange(5.0)
names, losses = [], []
for units in (4, 8, 16):
    K.clear_session()
    gc.collect()
    model = Sequential([Dense(units, activation='relu', input_shape=(5,)), Dense(1)])
    model.compile('adam', 'mse')
    losses.append(model.fit(x, y, epochs=40, batch_size=8, verbose=0).history['loss'])
    names.append([layer.name for layer in model.layers])
assert names == [['dense_1', 'dense_2']] * 3
assert all(loss[-1] < loss[0] for loss in losses) and losses[2][-1] < 0.5 * losses[2][0]

# What scripts read of a session otherwise.
w = K.variable(np.arange(3.0))
assert K.get_value(w).tolist() == K.eval(w).tolist() == [0, 1, 2]
K.set_value(w, [3.0, 4.0, 5.0])
inputs = K.placeholder((None, 3))
f = K.function([inputs], [K.sum(inputs * w, axis=1)])
assert f([np.eye(3)])[0].tolist() == [3, 4, 5]
assert K.count_params(w) == 3 and K.get_uid('dense') >= 1
