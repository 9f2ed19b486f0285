"""tf.keras: a folder of images, ImageDataGenerator, a small convolutional network, saved weights."""
import os

import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits
from tensorflow.keras.preprocessing.image import ImageDataGenerator, array_to_img

digits = load_digits(n_class=3)
for part, rows in (("train", range(0, 160)), ("validation", range(160, 220))):
    for i in rows:
        folder = os.path.join(part, "digit_%d" % digits.target[i])
        os.makedirs(folder, exist_ok=True)
        array_to_img(digits.images[i][..., None] * 15.9, scale=False).resize((16, 16)).save(os.path.join(folder, "%d.png" % i))
train = ImageDataGenerator(rescale=1.0 / 255, rotation_range=8, width_shift_range=0.1, zoom_range=0.1).flow_from_directory(
    "train", target_size=(16, 16), color_mode="grayscale", batch_size=20, class_mode="categorical", seed=1
)
valid = ImageDataGenerator(rescale=1.0 / 255).flow_from_directory(
    "validation", target_size=(16, 16), color_mode="grayscale", batch_size=20, class_mode="categorical", shuffle=False
)
model = tf.keras.models.Sequential([
    tf.keras.layers.Conv2D(16, (3, 3), activation="relu", input_shape=(16, 16, 1)),
    tf.keras.layers.MaxPooling2D(2, 2),
    tf.keras.layers.Conv2D(16, 3, activation="relu"),
    tf.keras.layers.GlobalAveragePooling2D(),
    tf.keras.layers.Dense(3, activation="softmax"),
])
model.compile(loss="categorical_crossentropy", optimizer=tf.keras.optimizers.RMSprop(learning_rate=0.005), metrics=["accuracy"])
history = model.fit(train, epochs=22, steps_per_epoch=len(train), validation_data=valid, verbose=0)
assert max(history.history["val_accuracy"]) > 0.8, history.history["val_accuracy"]
predicted = model.predict(valid).argmax(axis=1)
assert np.mean(predicted == valid.classes) == model.evaluate(valid, verbose=0)[1]
model.save_weights("weights.h5")
