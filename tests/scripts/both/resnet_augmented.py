"""A small ResNet: blocks from a function, shortcuts by add, a schedule and a plateau, data normalized and augmented."""
from __future__ import print_function
from keras.layers import Dense, Conv2D, BatchNormalization, Activation, add
from keras.layers import AveragePooling2D, Input, Flatten
from keras.optimizers import Adam
from keras.callbacks import ModelCheckpoint, LearningRateScheduler, ReduceLROnPlateau
from keras.preprocessing.image import ImageDataGenerator
from keras.regularizers import l2
from keras.models import Model, load_model
from keras.utils import to_categorical
import numpy as np
from sklearn.datasets import load_digits

digits = load_digits(n_class=5)
x, y = digits.images[..., None], to_categorical(digits.target, 5)
x_train, y_train, x_test, y_test = x[:500], y[:500], x[500:700], y[500:700]


def lr_schedule(epoch):
    lr = 1e-2
    if epoch > 4:
        lr *= 1e-1
    print('Learning rate: ', lr)
    return lr


def resnet_layer(inputs, num_filters=8, kernel_size=3, strides=1, activation='relu', batch_normalization=True):
    x = Conv2D(num_filters, kernel_size=kernel_size, strides=strides, padding='same', kernel_initializer='he_normal', kernel_regularizer=l2(1e-4))(inputs)
    if batch_normalization:
        x = BatchNormalization()(x)
    if activation is not None:
        x = Activation(activation)(x)
    return x


inputs = Input(shape=x_train.shape[1:])
x = resnet_layer(inputs=inputs)
num_filters = 8
for stack in range(2):
    strides = 1 if stack == 0 else 2
    y = resnet_layer(inputs=x, num_filters=num_filters, strides=strides)
    y = resnet_layer(inputs=y, num_filters=num_filters, activation=None)
    if stack > 0:
        x = resnet_layer(inputs=x, num_filters=num_filters, kernel_size=1, strides=strides, activation=None, batch_normalization=False)
    x = add([x, y])
    x = Activation('relu')(x)
    num_filters *= 2
x = AveragePooling2D(pool_size=4)(x)
outputs = Dense(5, activation='softmax', kernel_initializer='he_normal')(Flatten()(x))
model = Model(inputs=inputs, outputs=outputs)
model.compile(loss='categorical_crossentropy', optimizer=Adam(lr=lr_schedule(0)), metrics=['acc'])
assert model.count_params() == 5189
datagen = ImageDataGenerator(featurewise_center=True, featurewise_std_normalization=True, width_shift_range=1, height_shift_range=1, fill_mode='nearest')
datagen.fit(x_train)
standard = datagen.standardize(x_test.astype('float32'))
checkpoint = ModelCheckpoint(filepath='resnet.{epoch:03d}.h5', monitor='val_acc', verbose=1)
lr_reducer = ReduceLROnPlateau(factor=np.sqrt(0.1), cooldown=0, patience=5, min_lr=0.5e-6)
history = model.fit_generator(datagen.flow(x_train, y_train, batch_size=25), validation_data=(standard, y_test), epochs=7, verbose=0,
                              steps_per_epoch=len(x_train) / 25, callbacks=[checkpoint, lr_reducer, LearningRateScheduler(lr_schedule)])
np.testing.assert_allclose(history.history['lr'], [1e-2] * 5 + [1e-3] * 2, rtol=1e-6)
scores = load_model('resnet.007.h5').evaluate(standard, y_test, verbose=1)
print('Test accuracy:', scores[1])
assert scores[1] > 0.9 and np.allclose(scores, [history.history['val_loss'][-1], history.history['val_acc'][-1]], atol=1e-5)
