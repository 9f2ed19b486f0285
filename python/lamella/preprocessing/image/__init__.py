"""Images: files to arrays and back. The names of keras.preprocessing.image."""

from lamella.core.keras_names import complete as _complete
from lamella.preprocessing.image.files import array_to_img as array_to_img
from lamella.preprocessing.image.files import img_to_array as img_to_array
from lamella.preprocessing.image.files import load_img as load_img
from lamella.preprocessing.image.files import save_img as save_img

_complete(__name__)
