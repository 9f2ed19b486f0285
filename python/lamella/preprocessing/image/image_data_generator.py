"""The class of keras_preprocessing.image.image_data_generator. Source: Keras_Preprocessing 1.1.2."""

from lamella.preprocessing.image.generator import ImageDataGenerator as ImageDataGenerator
