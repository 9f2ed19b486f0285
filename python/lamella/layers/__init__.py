"""Layers. A new one: its file, and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lamella.core import configurable as _configurable
from lamella.core import lazy as _lazy

if TYPE_CHECKING:
    from lamella.core.configurable import serialize as serialize
    from lamella.graph.function import Function as Function
    from lamella.graph.input import Input as Input
    from lamella.graph.input import InputLayer as InputLayer
    from lamella.graph.input_spec import InputSpec as InputSpec
    from lamella.graph.layer import Layer as Layer
    from lamella.layers.advanced_activations import ELU as ELU
    from lamella.layers.advanced_activations import LeakyReLU as LeakyReLU
    from lamella.layers.advanced_activations import PReLU as PReLU
    from lamella.layers.advanced_activations import ReLU as ReLU
    from lamella.layers.advanced_activations import Softmax as Softmax
    from lamella.layers.advanced_activations import ThresholdedReLU as ThresholdedReLU
    from lamella.layers.conv.conv1d import Conv1D as Conv1D
    from lamella.layers.conv.conv1d import Convolution1D as Convolution1D
    from lamella.layers.conv.conv2d import Conv2D as Conv2D
    from lamella.layers.conv.conv2d import Convolution2D as Convolution2D
    from lamella.layers.conv.conv3d import Conv3D as Conv3D
    from lamella.layers.conv.conv3d import Convolution3D as Convolution3D
    from lamella.layers.conv.conv_transpose import Conv2DTranspose as Conv2DTranspose
    from lamella.layers.conv.conv_transpose import Conv3DTranspose as Conv3DTranspose
    from lamella.layers.conv.conv_transpose import Convolution2DTranspose as Convolution2DTranspose
    from lamella.layers.conv.conv_transpose import Deconv2D as Deconv2D
    from lamella.layers.conv.conv_transpose import Deconv3D as Deconv3D
    from lamella.layers.conv.conv_transpose import Deconvolution2D as Deconvolution2D
    from lamella.layers.conv.conv_transpose import Deconvolution3D as Deconvolution3D
    from lamella.layers.conv.cropping import Cropping1D as Cropping1D
    from lamella.layers.conv.cropping import Cropping2D as Cropping2D
    from lamella.layers.conv.cropping import Cropping3D as Cropping3D
    from lamella.layers.conv.locally_connected import LocallyConnected1D as LocallyConnected1D
    from lamella.layers.conv.locally_connected import LocallyConnected2D as LocallyConnected2D
    from lamella.layers.conv.padding import ZeroPadding1D as ZeroPadding1D
    from lamella.layers.conv.padding import ZeroPadding2D as ZeroPadding2D
    from lamella.layers.conv.padding import ZeroPadding3D as ZeroPadding3D
    from lamella.layers.conv.separable import DepthwiseConv2D as DepthwiseConv2D
    from lamella.layers.conv.separable import SeparableConv1D as SeparableConv1D
    from lamella.layers.conv.separable import SeparableConv2D as SeparableConv2D
    from lamella.layers.conv.separable import SeparableConvolution1D as SeparableConvolution1D
    from lamella.layers.conv.separable import SeparableConvolution2D as SeparableConvolution2D
    from lamella.layers.conv.upsampling import UpSampling1D as UpSampling1D
    from lamella.layers.conv.upsampling import UpSampling2D as UpSampling2D
    from lamella.layers.conv.upsampling import UpSampling3D as UpSampling3D
    from lamella.layers.core.activation import Activation as Activation
    from lamella.layers.core.activity_regularization import ActivityRegularization as ActivityRegularization
    from lamella.layers.core.dense import Dense as Dense
    from lamella.layers.core.dropout import Dropout as Dropout
    from lamella.layers.core.flatten import Flatten as Flatten
    from lamella.layers.core.lambda_layer import Lambda as Lambda
    from lamella.layers.core.masking import Masking as Masking
    from lamella.layers.core.permute import Permute as Permute
    from lamella.layers.core.repeat_vector import RepeatVector as RepeatVector
    from lamella.layers.core.reshape import Reshape as Reshape
    from lamella.layers.core.spatial_dropout import SpatialDropout1D as SpatialDropout1D
    from lamella.layers.core.spatial_dropout import SpatialDropout2D as SpatialDropout2D
    from lamella.layers.core.spatial_dropout import SpatialDropout3D as SpatialDropout3D
    from lamella.layers.embedding import Embedding as Embedding
    from lamella.layers.legacy import AtrousConv1D as AtrousConv1D
    from lamella.layers.legacy import AtrousConv2D as AtrousConv2D
    from lamella.layers.legacy import AtrousConvolution1D as AtrousConvolution1D
    from lamella.layers.legacy import AtrousConvolution2D as AtrousConvolution2D
    from lamella.layers.legacy import Highway as Highway
    from lamella.layers.legacy import MaxoutDense as MaxoutDense
    from lamella.layers.merge.concatenation import Concatenate as Concatenate
    from lamella.layers.merge.concatenation import concatenate as concatenate
    from lamella.layers.merge.dot_product import Dot as Dot
    from lamella.layers.merge.dot_product import dot as dot
    from lamella.layers.merge.elementwise import Add as Add
    from lamella.layers.merge.elementwise import Average as Average
    from lamella.layers.merge.elementwise import Maximum as Maximum
    from lamella.layers.merge.elementwise import Minimum as Minimum
    from lamella.layers.merge.elementwise import Multiply as Multiply
    from lamella.layers.merge.elementwise import Subtract as Subtract
    from lamella.layers.merge.elementwise import add as add
    from lamella.layers.merge.elementwise import average as average
    from lamella.layers.merge.elementwise import maximum as maximum
    from lamella.layers.merge.elementwise import minimum as minimum
    from lamella.layers.merge.elementwise import multiply as multiply
    from lamella.layers.merge.elementwise import subtract as subtract
    from lamella.layers.noise import AlphaDropout as AlphaDropout
    from lamella.layers.noise import GaussianDropout as GaussianDropout
    from lamella.layers.noise import GaussianNoise as GaussianNoise
    from lamella.layers.norm.batch_normalization import BatchNormalization as BatchNormalization
    from lamella.layers.pooling.whole_maps import GlobalAveragePooling1D as GlobalAveragePooling1D
    from lamella.layers.pooling.whole_maps import GlobalAveragePooling2D as GlobalAveragePooling2D
    from lamella.layers.pooling.whole_maps import GlobalAveragePooling3D as GlobalAveragePooling3D
    from lamella.layers.pooling.whole_maps import GlobalAvgPool1D as GlobalAvgPool1D
    from lamella.layers.pooling.whole_maps import GlobalAvgPool2D as GlobalAvgPool2D
    from lamella.layers.pooling.whole_maps import GlobalAvgPool3D as GlobalAvgPool3D
    from lamella.layers.pooling.whole_maps import GlobalMaxPool1D as GlobalMaxPool1D
    from lamella.layers.pooling.whole_maps import GlobalMaxPool2D as GlobalMaxPool2D
    from lamella.layers.pooling.whole_maps import GlobalMaxPool3D as GlobalMaxPool3D
    from lamella.layers.pooling.whole_maps import GlobalMaxPooling1D as GlobalMaxPooling1D
    from lamella.layers.pooling.whole_maps import GlobalMaxPooling2D as GlobalMaxPooling2D
    from lamella.layers.pooling.whole_maps import GlobalMaxPooling3D as GlobalMaxPooling3D
    from lamella.layers.pooling.windows import AveragePooling1D as AveragePooling1D
    from lamella.layers.pooling.windows import AveragePooling2D as AveragePooling2D
    from lamella.layers.pooling.windows import AveragePooling3D as AveragePooling3D
    from lamella.layers.pooling.windows import AvgPool1D as AvgPool1D
    from lamella.layers.pooling.windows import AvgPool2D as AvgPool2D
    from lamella.layers.pooling.windows import AvgPool3D as AvgPool3D
    from lamella.layers.pooling.windows import MaxPool1D as MaxPool1D
    from lamella.layers.pooling.windows import MaxPool2D as MaxPool2D
    from lamella.layers.pooling.windows import MaxPool3D as MaxPool3D
    from lamella.layers.pooling.windows import MaxPooling1D as MaxPooling1D
    from lamella.layers.pooling.windows import MaxPooling2D as MaxPooling2D
    from lamella.layers.pooling.windows import MaxPooling3D as MaxPooling3D
    from lamella.layers.recurrent.conv_lstm2d import ConvLSTM2D as ConvLSTM2D
    from lamella.layers.recurrent.conv_lstm2d import ConvLSTM2DCell as ConvLSTM2DCell
    from lamella.layers.recurrent.cudnn import CuDNNGRU as CuDNNGRU
    from lamella.layers.recurrent.cudnn import CuDNNLSTM as CuDNNLSTM
    from lamella.layers.recurrent.gru import GRU as GRU
    from lamella.layers.recurrent.gru import GRUCell as GRUCell
    from lamella.layers.recurrent.lstm import LSTM as LSTM
    from lamella.layers.recurrent.lstm import LSTMCell as LSTMCell
    from lamella.layers.recurrent.recurrent import ConvRecurrent2D as ConvRecurrent2D
    from lamella.layers.recurrent.recurrent import Recurrent as Recurrent
    from lamella.layers.recurrent.rnn import RNN as RNN
    from lamella.layers.recurrent.simple_rnn import SimpleRNN as SimpleRNN
    from lamella.layers.recurrent.simple_rnn import SimpleRNNCell as SimpleRNNCell
    from lamella.layers.recurrent.stacked_cells import StackedRNNCells as StackedRNNCells
    from lamella.layers.wrappers.bidirectional import Bidirectional as Bidirectional
    from lamella.layers.wrappers.time_distributed import TimeDistributed as TimeDistributed


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Layer:
    """The layer or model of a description by `serialize`.

    Args:
        config: {"class_name": ..., "config": ...}.
        custom_objects: Classes and functions by name.

    Raises:
        ValueError: The class is unknown ("Unknown layer: Foo").
    """
    layer: Layer = _configurable.deserialize("layers", config, custom_objects)
    return layer


_lazy.attach(__name__)
