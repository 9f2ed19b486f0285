"""The names that modules of Keras 2.2.5 import: `from keras.callbacks import *` also imports `np`, and scripts use it.

Names of packages that lamella does not use (TensorFlow, six, requests, PyYAML) and Keras's checks of arguments are left out.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from types import FunctionType, ModuleType

from lamella.core import keras_names

# The names that each module has besides its own.
_SHOWN: Mapping[str, str] = {
    "activations": "K deserialize_keras_object warnings",
    "backend.common": "np",
    "backend.tensorflow_backend": (
        "_broadcast_normalize_batch_in_training _fused_normalize_batch_in_training _get_available_gpus _preprocess_conv1d_input "
        "_preprocess_conv2d_input _preprocess_conv3d_input _preprocess_padding _regular_normalize_batch_in_training _to_tensor"
    ),
    "callbacks": "Iterable K OrderedDict csv defaultdict deque io json np os time warnings",
    "constraints": "K deserialize_keras_object serialize_keras_object",
    "datasets.boston_housing": "get_file np",
    "datasets.cifar": "sys",
    "datasets.cifar10": "K get_file np os",
    "datasets.cifar100": "K get_file np os",
    "datasets.fashion_mnist": "get_file gzip np os",
    "datasets.imdb": "get_file json np warnings",
    "datasets.mnist": "get_file np",
    "datasets.reuters": "get_file json np warnings",
    "engine.base_layer": (
        "K _collect_input_shape _collect_previous_mask _to_snake_case count_params has_arg initializers interfaces is_all_none "
        "object_list_uid re to_list unpack_singleton"
    ),
    "engine.input_layer": "K interfaces unpack_singleton",
    "engine.network": (
        "K ask_to_proceed_with_overwrite copy get_source_inputs h5py has_arg interfaces json np object_list_uid os "
        "saving to_list unpack_singleton warnings"
    ),
    "engine.saving": (
        "K ask_to_proceed_with_overwrite conv_utils h5py inspect json load_from_binary_h5py np optimizers os "
        "save_to_binary_h5py tempfile warnings wraps"
    ),
    "engine.sequential": "Input K Model copy h5py network warnings",
    "engine.training": (
        "K copy interfaces is_generator_or_sequence losses metrics_module np optimizers slice_arrays to_list "
        "unpack_singleton warnings"
    ),
    "engine.training_arrays": "K batch_shuffle cbks make_batches np should_run_validation slice_arrays to_list unpack_singleton",
    "engine.training_generator": (
        "K cbks is_sequence iter_sequence_infinite np should_run_validation to_list unpack_singleton warnings"
    ),
    "engine.training_utils": "K collections copy inspect losses np to_list warnings",
    "initializers": "K deserialize_keras_object np serialize_keras_object",
    "layers.advanced_activations": "K activations constraints initializers interfaces regularizers to_list",
    "layers.convolutional": (
        "K _Conv _Cropping _SeparableConv _UpSampling _ZeroPadding activations constraints conv_utils initializers interfaces "
        "regularizers transpose_shape"
    ),
    "layers.convolutional_recurrent": (
        "K activations constraints conv_utils has_arg initializers interfaces np regularizers to_list transpose_shape warnings"
    ),
    "layers.core": (
        "K activations constraints copy deserialize_keras_object func_dump func_load has_arg initializers "
        "interfaces np python_types regularizers warnings"
    ),
    "layers.cudnn_recurrent": "K _CuDNNRNN constraints initializers namedtuple regularizers",
    "layers.embeddings": "K constraints initializers interfaces regularizers to_list",
    "layers.local": "K activations constraints conv_utils initializers interfaces regularizers",
    "layers.merge": "K",
    "layers.noise": "K interfaces np",
    "layers.normalization": "K constraints initializers interfaces regularizers",
    "layers.pooling": (
        "K _GlobalPooling1D _GlobalPooling2D _GlobalPooling3D _Pooling1D _Pooling2D _Pooling3D conv_utils interfaces"
    ),
    "layers.recurrent": (
        "K _generate_dropout_mask _standardize_args activations constraints has_arg initializers interfaces np regularizers "
        "to_list warnings"
    ),
    "layers.wrappers": "K copy has_arg object_list_uid recurrent",
    "legacy.interfaces": "functools np warnings",
    "legacy.layers": "K activations constraints conv_utils initializers np regularizers to_list warnings",
    "losses": "K deserialize_keras_object serialize_keras_object",
    "metrics": "K deserialize_keras_object serialize_keras_object",
    "models": "K Model _clone_functional_model _clone_sequential_model h5py has_arg to_list",
    "objectives": "K deserialize_keras_object serialize_keras_object",
    "optimizers": "K copy deserialize_keras_object interfaces serialize_keras_object",
    "regularizers": "K deserialize_keras_object serialize_keras_object",
    "utils.conv_utils": "K np",
    "utils.data_utils": (
        "abstractmethod closing hashlib np os queue random shutil sys tarfile threading time warnings zipfile"
    ),
    "utils.generic_utils": "_GLOBAL_CUSTOM_OBJECTS binascii codecs collections inspect np python_types sys time",
    "utils.io_utils": "contextlib defaultdict h5py np pickle sys",
    "utils.layer_utils": "K np",
    "utils.multi_gpu_utils": "K Model clone_model concatenate to_list",
    "utils.np_utils": "np",
    "utils.test_utils": "BytesIO Input K has_arg np os",
    "utils.vis_utils": "Model os",
    "wrappers.scikit_learn": "copy has_arg np to_categorical to_list types",
}

# Where they are: modules by the name under which they are imported, and names by the module that defines them.
_MODULES = {
    "K": "lamella.backend",
    "cbks": "lamella.callbacks",
    "interfaces": "lamella.legacy.interfaces",
    "metrics_module": "lamella.metrics",
    "network": "lamella.engine.network",
    "np": "numpy",
    "python_types": "types",
    "recurrent": "lamella.layers.recurrent",
    "saving": "lamella.engine.saving",
    "conv_utils": "lamella.utils.conv_utils",
    "activations": "lamella.activations",
    "constraints": "lamella.constraints",
    "initializers": "lamella.initializers",
    "losses": "lamella.losses",
    "optimizers": "lamella.optimizers",
    "regularizers": "lamella.regularizers",
}
_NAMES = {
    "lamella.backend.of_scripts": (
        "_broadcast_normalize_batch_in_training _fused_normalize_batch_in_training _preprocess_conv1d_input "
        "_preprocess_conv2d_input _preprocess_conv3d_input _preprocess_padding _regular_normalize_batch_in_training _to_tensor"
    ),
    "lamella.backend.session": "_get_available_gpus",
    "lamella.core.names": "_to_snake_case",
    "lamella.core.registry": "_GLOBAL_CUSTOM_OBJECTS",
    "lamella.graph.of_scripts": "_collect_input_shape _collect_previous_mask",
    "io": "BytesIO",
    "lamella": "Input Model",
    "collections.abc": "Iterable",
    "collections": "OrderedDict defaultdict deque namedtuple",
    "abc": "abstractmethod",
    "lamella.utils.io_utils": "ask_to_proceed_with_overwrite load_from_binary_h5py save_to_binary_h5py",
    "lamella.engine.training_utils": (
        "batch_shuffle is_generator_or_sequence is_sequence iter_sequence_infinite make_batches should_run_validation"
    ),
    "lamella.models": "clone_model",
    "lamella.models.cloning": "_clone_functional_model _clone_sequential_model",
    "contextlib": "closing",
    "lamella.layers.conv.convolution": "_Conv",
    "lamella.layers.conv.cropping": "_Cropping",
    "lamella.layers.conv.padding": "_ZeroPadding",
    "lamella.layers.conv.separable": "_SeparableConv",
    "lamella.layers.conv.upsampling": "_UpSampling",
    "lamella.layers.recurrent.conv_rnn2d": "ConvRNN2D",
    "lamella.layers.recurrent.cudnn": "_CuDNNRNN",
    "lamella.layers.merge": "concatenate",
    "lamella.layers.wrappers": "Wrapper",
    "lamella.layers.pooling.whole_maps": "_GlobalPooling1D _GlobalPooling2D _GlobalPooling3D",
    "lamella.layers.pooling.windows": "_Pooling1D _Pooling2D _Pooling3D",
    "lamella.layers.recurrent.of_scripts": "_generate_dropout_mask _standardize_args",
    "lamella.utils.layer_utils": "count_params get_source_inputs",
    "lamella.utils.generic_utils": (
        "deserialize_keras_object func_dump func_load has_arg is_all_none object_list_uid serialize_keras_object "
        "slice_arrays to_list transpose_shape unpack_singleton"
    ),
    "lamella.utils.data_utils": "get_file",
    "lamella.utils.np_utils": "to_categorical",
    "functools": "wraps",
}

# keras.layers of Keras 2.2.4 has these classes, too; that of 2.2.5 only the modules below it.
_OF_KERAS_224 = ("ConvRNN2D", "Wrapper")


def modules() -> list[str]:
    """The modules that have names which they import."""
    return list(_SHOWN)


def shown(module: str) -> list[str]:
    """The names that keras.`module` imports from elsewhere."""
    return _SHOWN.get(module, "").split()


def passed_on(module: str) -> set[str]:
    """The names that keras.`module` has from the modules below it: keras.layers imports * from them."""
    if module != "layers":
        return set()
    return {name for below in _SHOWN if below.startswith("layers.") for name in shown(below)} | set(_OF_KERAS_224)


def find(name: str) -> object:
    """The module or object that modules of Keras import under `name`."""
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    home = next((home for home, names in _NAMES.items() if name in names.split()), None)
    return importlib.import_module(name) if home is None else getattr(importlib.import_module(home), name)


def show_to_stars(module: ModuleType, room: str) -> None:
    """Make `from module import *` import these names too. A module without `__getattr__` gets one that finds them.

    Args:
        module: A module of lamella.
        room: Its name in Keras, without "keras.".
    """
    if not shown(room) or isinstance(getattr(type(module), "__getattr__", None), FunctionType):
        return  # there are no such names, or the module's class finds them
    vars(module).setdefault("__getattr__", functools.partial(keras_names.find, room))
    own = getattr(module, "__all__", None)
    if own is None:
        named = (name for name in keras_names.modules()[room] if hasattr(module, name))
        own = [*(name for name in vars(module) if not name.startswith("_")), *sorted(named)]
    setattr(module, "__all__", list(dict.fromkeys([*own, *shown(room)])))
