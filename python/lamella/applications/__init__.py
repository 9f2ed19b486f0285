"""The image networks of Keras with their published weights. Each family of networks has its own file."""

from lamella.applications import imagenet_utils as imagenet_utils
from lamella.applications.densenet import DenseNet121 as DenseNet121
from lamella.applications.densenet import DenseNet169 as DenseNet169
from lamella.applications.densenet import DenseNet201 as DenseNet201
from lamella.applications.imagenet_utils import correct_pad as correct_pad
from lamella.applications.inception_resnet_v2 import InceptionResNetV2 as InceptionResNetV2
from lamella.applications.inception_v3 import InceptionV3 as InceptionV3
from lamella.applications.mobilenet import MobileNet as MobileNet
from lamella.applications.mobilenet_v2 import MobileNetV2 as MobileNetV2
from lamella.applications.modules import keras_modules_injection as keras_modules_injection
from lamella.applications.nasnet import NASNetLarge as NASNetLarge
from lamella.applications.nasnet import NASNetMobile as NASNetMobile
from lamella.applications.resnet import ResNet101 as ResNet101
from lamella.applications.resnet import ResNet152 as ResNet152
from lamella.applications.resnet50 import ResNet50 as ResNet50
from lamella.applications.resnet_v2 import ResNet50V2 as ResNet50V2
from lamella.applications.resnet_v2 import ResNet101V2 as ResNet101V2
from lamella.applications.resnet_v2 import ResNet152V2 as ResNet152V2
from lamella.applications.vgg16 import VGG16 as VGG16
from lamella.applications.vgg19 import VGG19 as VGG19
from lamella.applications.xception import Xception as Xception
from lamella.core.keras_names import complete as _complete

_complete(__name__)
