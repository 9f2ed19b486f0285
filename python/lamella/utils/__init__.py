"""Utilities of the Keras API, in modules with the names of Keras 2.2.5. Each module loads with its first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamella.core import lazy as _lazy

if TYPE_CHECKING:
    from lamella.core.random import set_random_seed as set_random_seed
    from lamella.utils import conv_utils as conv_utils
    from lamella.utils import data_utils as data_utils
    from lamella.utils import generic_utils as generic_utils
    from lamella.utils import image_dataset_utils as image_dataset_utils
    from lamella.utils import io_utils as io_utils
    from lamella.utils import layer_utils as layer_utils
    from lamella.utils import multi_gpu_utils as multi_gpu_utils
    from lamella.utils import np_utils as np_utils
    from lamella.utils import test_utils as test_utils
    from lamella.utils import training_utils as training_utils
    from lamella.utils import vis_utils as vis_utils
    from lamella.utils.data_utils import GeneratorEnqueuer as GeneratorEnqueuer
    from lamella.utils.data_utils import OrderedEnqueuer as OrderedEnqueuer
    from lamella.utils.data_utils import Sequence as Sequence
    from lamella.utils.data_utils import get_file as get_file
    from lamella.utils.generic_utils import CustomObjectScope as CustomObjectScope
    from lamella.utils.generic_utils import Progbar as Progbar
    from lamella.utils.generic_utils import custom_object_scope as custom_object_scope
    from lamella.utils.generic_utils import deserialize_keras_object as deserialize_keras_object
    from lamella.utils.generic_utils import get_custom_objects as get_custom_objects
    from lamella.utils.generic_utils import serialize_keras_object as serialize_keras_object
    from lamella.utils.image_dataset_utils import image_dataset_from_directory as image_dataset_from_directory
    from lamella.utils.io_utils import H5Dict as H5Dict
    from lamella.utils.io_utils import HDF5Matrix as HDF5Matrix
    from lamella.utils.layer_utils import convert_all_kernels_in_model as convert_all_kernels_in_model
    from lamella.utils.layer_utils import get_source_inputs as get_source_inputs
    from lamella.utils.layer_utils import print_summary as print_summary
    from lamella.utils.multi_gpu_utils import multi_gpu_model as multi_gpu_model
    from lamella.utils.np_utils import normalize as normalize
    from lamella.utils.np_utils import to_categorical as to_categorical
    from lamella.utils.vis_utils import model_to_dot as model_to_dot
    from lamella.utils.vis_utils import plot_model as plot_model

_lazy.attach(__name__)
