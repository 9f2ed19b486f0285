"""One row for each way in which a layer's arguments change what it does: (class name, arguments, input shape[s])."""

from lamella import constraints, initializers, regularizers

IMAGE = (6, 5, 3)

# Containers and inputs are tested with models.
NOT_HERE = {"InputLayer", "Model", "Sequential"}

ROSTER = [
    ("Dense", dict(units=4), (3,)),
    ("Dense", dict(units=4, activation="relu"), (3,)),
    ("Dense", dict(units=4, activation="softmax", use_bias=False), (2, 3)),
    (
        "Dense",
        dict(
            units=2,
            activation="tanh",
            kernel_initializer=initializers.RandomNormal(stddev=0.3, seed=4),
            bias_initializer="ones",
            kernel_regularizer=regularizers.l2(0.1),
            bias_regularizer="l1",
            activity_regularizer=regularizers.l1_l2(0.1, 0.2),
            kernel_constraint=constraints.MaxNorm(3),
            bias_constraint="non_neg",
        ),
        (5,),
    ),
    ("Conv2D", dict(filters=4, kernel_size=3), IMAGE),
    ("Conv2D", dict(filters=4, kernel_size=(2, 3), strides=2, padding="same", activation="relu"), IMAGE),
    ("Conv2D", dict(filters=4, kernel_size=2, dilation_rate=(2, 1), use_bias=False, activation="sigmoid"), IMAGE),
    ("Conv2D", dict(filters=2, kernel_size=1, strides=(1, 2), kernel_regularizer="l2"), IMAGE),
    ("MaxPooling2D", dict(), IMAGE),
    ("MaxPooling2D", dict(pool_size=3, strides=(1, 2), padding="same"), IMAGE),
    ("AveragePooling2D", dict(), IMAGE),
    ("AveragePooling2D", dict(pool_size=(3, 2), strides=1, padding="same"), IMAGE),
    ("GlobalAveragePooling2D", dict(), IMAGE),
    ("GlobalMaxPooling2D", dict(), IMAGE),
    ("Flatten", dict(), IMAGE),
    ("Reshape", dict(target_shape=(15, -1)), IMAGE),
    ("Reshape", dict(target_shape=[90]), IMAGE),
    ("Dropout", dict(rate=0.4, noise_shape=(None, 1), seed=3), (8,)),
    ("Activation", dict(activation="elu"), (8,)),
    ("LeakyReLU", dict(), (8,)),
    ("LeakyReLU", dict(alpha=0.05), (8,)),
    ("PReLU", dict(alpha_initializer=initializers.Constant(0.25), alpha_regularizer="l2"), (8,)),
    ("PReLU", dict(alpha_initializer="ones", alpha_constraint="non_neg", shared_axes=[1, 2]), IMAGE),
    ("PReLU", dict(shared_axes=3), IMAGE),
    ("ELU", dict(alpha=0.3), (8,)),
    ("ThresholdedReLU", dict(theta=0.4), (8,)),
    ("Softmax", dict(), (8,)),
    ("Softmax", dict(axis=1), IMAGE),
    ("ReLU", dict(), (8,)),
    ("ReLU", dict(max_value=1.1, negative_slope=0.1, threshold=0.25), (8,)),
    ("GaussianNoise", dict(stddev=0.3), (8,)),
    ("GaussianDropout", dict(rate=0.3), (8,)),
    ("AlphaDropout", dict(rate=0.3, seed=5), (8,)),
    ("AlphaDropout", dict(rate=0.3, noise_shape=(None, 1, 1, 3)), IMAGE),
    ("BatchNormalization", dict(), (4,)),
    ("BatchNormalization", dict(axis=1, scale=False, epsilon=0.01, momentum=0.5), IMAGE),
    (
        "BatchNormalization",
        dict(
            center=False,
            gamma_initializer="he_normal",
            moving_mean_initializer="ones",
            moving_variance_initializer=initializers.Constant(2.0),
            gamma_regularizer="l2",
            gamma_constraint="non_neg",
        ),
        IMAGE,
    ),
    ("Function", dict(function="mean", arguments=[{"tensor": 0}], named={"axis": [1, 2], "keepdims": True}), IMAGE),
    (
        "Function",
        dict(function="getitem", arguments=[{"tensor": 0}, {"tuple": [{"ellipsis": True}, {"slice": [1, None, 2]}]}]),
        IMAGE,
    ),
    ("Function", dict(function="divide", arguments=[{"tensor": 1}, {"tensor": 0}]), [(4,), (4,)]),
    ("Masking", dict(mask_value=0.5), (4, 3)),
    ("Add", dict(), [(4,), (4,), (4,)]),
    ("Add", dict(), [(2, 4), (1, 4), (4,)]),
    ("Concatenate", dict(), [(2, 4), (2, 3)]),
    ("Concatenate", dict(axis=1), [(2, 4), (3, 4)]),
]

IDS = [f"{name}-{i}" for i, (name, _, _) in enumerate(ROSTER)]
