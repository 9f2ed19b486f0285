"""The class of keras_preprocessing.image.numpy_array_iterator. Source: Keras_Preprocessing 1.1.2."""

from lamella.preprocessing.image.array_iterator import NumpyArrayIterator as NumpyArrayIterator
