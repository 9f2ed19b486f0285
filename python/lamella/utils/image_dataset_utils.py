"""`image_dataset_from_directory`, in the module in which Keras 3 has it."""

from lamella.preprocessing.image import image_dataset_from_directory as image_dataset_from_directory
