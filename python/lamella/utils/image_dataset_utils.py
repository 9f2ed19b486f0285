"""Folders of images as data, where Keras 3 has it."""

from lamella.preprocessing.image import image_dataset_from_directory as image_dataset_from_directory
