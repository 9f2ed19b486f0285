"""Images: reading and writing files, batches, and random changes: keras.preprocessing.image."""

from lamella.core.keras_names import complete as _complete
from lamella.preprocessing.image.affine import apply_affine_transform as apply_affine_transform
from lamella.preprocessing.image.affine_transformations import flip_axis as flip_axis
from lamella.preprocessing.image.affine_transformations import (
    transform_matrix_offset_center as transform_matrix_offset_center,
)
from lamella.preprocessing.image.array_iterator import NumpyArrayIterator as NumpyArrayIterator
from lamella.preprocessing.image.dataframe_iterator import DataFrameIterator as DataFrameIterator
from lamella.preprocessing.image.dataset import image_dataset_from_directory as image_dataset_from_directory
from lamella.preprocessing.image.directory_iterator import DirectoryIterator as DirectoryIterator
from lamella.preprocessing.image.files import array_to_img as array_to_img
from lamella.preprocessing.image.files import img_to_array as img_to_array
from lamella.preprocessing.image.files import save_img as save_img
from lamella.preprocessing.image.generator import ImageDataGenerator as ImageDataGenerator
from lamella.preprocessing.image.iterators import Iterator as Iterator
from lamella.preprocessing.image.loading import load_img as load_img
from lamella.preprocessing.image.pixels import apply_brightness_shift as apply_brightness_shift
from lamella.preprocessing.image.pixels import apply_channel_shift as apply_channel_shift
from lamella.preprocessing.image.random_functions import random_brightness as random_brightness
from lamella.preprocessing.image.random_functions import random_channel_shift as random_channel_shift
from lamella.preprocessing.image.random_functions import random_rotation as random_rotation
from lamella.preprocessing.image.random_functions import random_shear as random_shear
from lamella.preprocessing.image.random_functions import random_shift as random_shift
from lamella.preprocessing.image.random_functions import random_zoom as random_zoom
from lamella.preprocessing.image.utils import list_pictures as list_pictures
from lamella.preprocessing.image.utils import validate_filename as validate_filename

_complete(__name__)
