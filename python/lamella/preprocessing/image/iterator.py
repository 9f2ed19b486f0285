"""The class of keras_preprocessing.image.iterator. Source: Keras_Preprocessing 1.1.2."""

from lamella.preprocessing.image.iterators import Iterator as Iterator
