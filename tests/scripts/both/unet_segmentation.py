"""A U-Net over images and masks from two generators with one seed; the Dice coefficient is metric and loss."""
import numpy as np
from keras.callbacks import EarlyStopping, ModelCheckpoint
from keras.layers import Conv2D, Conv2DTranspose, Dropout, Input, MaxPooling2D, concatenate
from keras.models import Model, load_model
from keras.optimizers import Adam
from keras.preprocessing.image import ImageDataGenerator
from keras import backend as K

smooth = 1.
rng = np.random.RandomState(3)
images = rng.uniform(0, 0.4, (60, 16, 16, 1))
masks = np.zeros((60, 16, 16, 1))
for i in range(60):
    y, x, r = rng.randint(4, 12), rng.randint(4, 12), rng.randint(2, 5)
    yy, xx = np.mgrid[:16, :16]
    masks[i, ..., 0] = (yy - y) ** 2 + (xx - x) ** 2 <= r * r
images += 0.4 * masks


def dice_coef(y_true, y_pred):
    y_true_f = K.flatten(y_true)
    y_pred_f = K.flatten(y_pred)
    intersection = K.sum(y_true_f * y_pred_f)
    return (2. * intersection + smooth) / (K.sum(y_true_f) + K.sum(y_pred_f) + smooth)


def dice_coef_loss(y_true, y_pred):
    return -dice_coef(y_true, y_pred)


def get_unet():
    inputs = Input((16, 16, 1))
    conv1 = Conv2D(8, (3, 3), activation='relu', padding='same')(inputs)
    conv1 = Conv2D(8, (3, 3), activation='relu', padding='same')(conv1)
    pool1 = MaxPooling2D(pool_size=(2, 2))(conv1)
    conv2 = Conv2D(16, 3, activation='relu', padding='same', kernel_initializer='he_normal')(pool1)
    drop2 = Dropout(0.1)(conv2)
    up3 = concatenate([Conv2DTranspose(8, (2, 2), strides=(2, 2), padding='same')(drop2), conv1], axis=3)
    conv3 = Conv2D(8, (3, 3), activation='relu', padding='same')(up3)
    conv4 = Conv2D(1, (1, 1), activation='sigmoid')(conv3)
    model = Model(inputs=[inputs], outputs=[conv4])
    model.compile(optimizer=Adam(lr=1e-2), loss=dice_coef_loss, metrics=[dice_coef])
    return model


data_gen_args = dict(rotation_range=10., width_shift_range=0.1, height_shift_range=0.1, horizontal_flip=True)
image_generator = ImageDataGenerator(**data_gen_args).flow(images[:48], batch_size=12, seed=1)
mask_generator = ImageDataGenerator(**data_gen_args).flow(masks[:48], batch_size=12, seed=1)
model = get_unet()
model_checkpoint = ModelCheckpoint('unet.hdf5', monitor='val_loss', save_best_only=True)
history = model.fit_generator(zip(image_generator, mask_generator), steps_per_epoch=4, epochs=18, verbose=0,
                              validation_data=(images[48:], masks[48:]), callbacks=[model_checkpoint, EarlyStopping(patience=10)])
best = load_model('unet.hdf5', custom_objects={'dice_coef': dice_coef, 'dice_coef_loss': dice_coef_loss})
loss, dice = best.evaluate(images[48:], masks[48:], verbose=0)
print(history.history['val_dice_coef'])
assert dice > 0.75 and abs(loss + dice) < 1e-6 and abs(loss - min(history.history['val_loss'])) < 1e-6
