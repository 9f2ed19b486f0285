"""The cats and dogs script of 2017: two folders of images, a branch by layout, fit_generator, a checkpoint for each best."""
import glob
import os
from keras.preprocessing.image import ImageDataGenerator, img_to_array, load_img
from keras.models import Sequential
from keras.layers import Conv2D, MaxPooling2D
from keras.layers import Activation, Dropout, Flatten, Dense
from keras.callbacks import ModelCheckpoint
from keras import backend as K
import numpy as np
from PIL import Image, ImageDraw

np.random.seed(42)
for part, n in (('train', 40), ('validation', 20)):
    for animal in ('cats', 'dogs'):
        os.makedirs('data/%s/%s' % (part, animal))
        for i in range(n):
            image = Image.new('RGB', (40, 30), tuple(np.random.randint(0, 90, 3)))
            x, y = np.random.randint(0, 20), np.random.randint(0, 12)
            shape = ImageDraw.Draw(image).ellipse if animal == 'cats' else ImageDraw.Draw(image).rectangle
            shape((x, y, x + 16, y + 16), fill=(200, 120, 220) if animal == 'cats' else (120, 220, 200))
            image.save('data/%s/%s/%s.%d.jpg' % (part, animal, animal[:-1], i))

img_width, img_height = 24, 24
nb_train_samples = 80
nb_validation_samples = 40
epochs = 10
batch_size = 16

if K.image_data_format() == 'channels_first':
    input_shape = (3, img_width, img_height)
else:
    input_shape = (img_width, img_height, 3)

model = Sequential()
model.add(Conv2D(8, (3, 3), input_shape=input_shape))
model.add(Activation('relu'))
model.add(MaxPooling2D(pool_size=(2, 2)))
model.add(Conv2D(16, (3, 3)))
model.add(Activation('relu'))
model.add(MaxPooling2D(pool_size=(2, 2)))
model.add(Flatten())
model.add(Dense(32))
model.add(Activation('relu'))
model.add(Dropout(0.2))
model.add(Dense(1))
model.add(Activation('sigmoid'))
model.compile(loss='binary_crossentropy', optimizer='rmsprop', metrics=['accuracy'])

train_datagen = ImageDataGenerator(rescale=1. / 255, shear_range=0.2, zoom_range=0.2, horizontal_flip=True)
test_datagen = ImageDataGenerator(rescale=1. / 255)
train_generator = train_datagen.flow_from_directory('data/train', target_size=(img_width, img_height), batch_size=batch_size, class_mode='binary')
validation_generator = test_datagen.flow_from_directory('data/validation', target_size=(img_width, img_height), batch_size=batch_size, class_mode='binary')
assert train_generator.class_indices == {'cats': 0, 'dogs': 1}

filepath = 'weights-improvement-{epoch:02d}-{val_acc:.2f}.hdf5'
checkpoint = ModelCheckpoint(filepath, monitor='val_acc', verbose=1, save_best_only=True, mode='max')
model.fit_generator(
    train_generator,
    steps_per_epoch=nb_train_samples / batch_size,
    epochs=epochs,
    validation_data=validation_generator,
    validation_steps=nb_validation_samples / batch_size,
    callbacks=[checkpoint])
best = sorted(glob.glob('weights-improvement-*.hdf5'))[-1]
accuracy = float(best[:-len('.hdf5')].split('-')[-1])
assert accuracy > 0.85, best
model.load_weights(best)
assert abs(model.evaluate_generator(validation_generator, steps=3)[1] - accuracy) < 0.006
img = load_img('data/validation/dogs/dog.3.jpg', target_size=(img_width, img_height))
x = np.expand_dims(img_to_array(img) / 255., axis=0)
assert model.predict(x).shape == (1, 1) and model.predict(x)[0][0] > 0.5
