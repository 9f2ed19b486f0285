"""Images, sequences and texts as arrays."""

from lamella.core.keras_names import complete as _complete
from lamella.preprocessing import image as image
from lamella.preprocessing import sequence as sequence
from lamella.preprocessing import text as text
from lamella.preprocessing.image import image_dataset_from_directory as image_dataset_from_directory

_complete(__name__)
