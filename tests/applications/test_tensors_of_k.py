"""Networks on tensors of K, as in scripts that change an image by its gradients."""

import numpy as np

from lamella import backend as K
from lamella.applications.mobilenet import MobileNet
from lamella.core.random import set_random_seed


def test_a_network_on_a_placeholder_beside_a_variable():
    image = np.random.default_rng(0).uniform(-1, 1, (1, 32, 32, 3)).astype("float32")
    other = np.random.default_rng(1).uniform(-1, 1, (1, 32, 32, 3)).astype("float32")
    style, changed = K.variable(image), K.placeholder((1, 32, 32, 3))
    both = K.concatenate([style, changed], axis=0)
    settings = {"weights": None, "include_top": False, "alpha": 0.25}
    set_random_seed(3)
    model = MobileNet(input_tensor=both, **settings)
    features = model.get_layer("conv_dw_2_relu").output
    assert len(model.inputs) == 1 and features.shape[-1] == 16
    loss = K.sum(K.square(features[0] - features[1]))
    of_both = K.function([changed], [features, loss, *K.gradients(loss, changed)])
    set_random_seed(3)
    plain = MobileNet(input_shape=(32, 32, 3), **settings)
    part = K.function([plain.input], [plain.get_layer("conv_dw_2_relu").output])
    values, distance, slope = of_both([other])
    np.testing.assert_array_equal(values, part([np.concatenate([image, other])])[0])
    np.testing.assert_allclose(distance, ((values[0] - values[1]) ** 2).sum(), rtol=1e-5)
    h = 1e-3 * np.sign(slope)
    difference = float(of_both([other + h])[1]) - float(of_both([other - h])[1])
    np.testing.assert_allclose((slope * 2 * h).sum(), difference, rtol=2e-2)
