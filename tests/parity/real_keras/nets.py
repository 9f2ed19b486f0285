"""Random nets of one to three inputs and outputs, data for them, and the forms in which scripts hand data over."""

import numpy as np
from parts import set_random_weights

STEPS = 4  # of sequences

# What an output may be: the activation of its layer, losses, metrics.
OUTPUTS = {
    "numbers": ("linear", ["mse", "mean_absolute_error", "logcosh", "mape", "cosine"], ["mae", "mse", "MSLE"]),
    "classes": (
        "softmax",
        ["categorical_crossentropy", "kld", "categorical_hinge"],
        ["acc", "top_k_categorical_accuracy", "ce"],
    ),
    "indices": ("softmax", ["sparse_categorical_crossentropy"], ["accuracy", "crossentropy"]),
    "binary": ("sigmoid", ["binary_crossentropy", "poisson", "msle"], ["acc", "crossentropy", "binary_accuracy"]),
    "signs": ("tanh", ["hinge", "squared_hinge"], ["mae", "hinge"]),
    "steps": ("linear", ["mse", "mae"], ["mae", "cosine"]),
    "step_indices": ("softmax", ["sparse_categorical_crossentropy"], ["acc", "ce"]),
    "step_classes": ("softmax", ["categorical_crossentropy"], ["acc", "mse"]),
}


class Net:
    """A model with random weights, and random data that fit it."""

    def __init__(self, random, extras=()):
        """Extras: of "mask", "penalty", "norm", "added", what a net may have."""
        from keras import layers, models, regularizers

        self.random = random
        self.kinds = [str(k) for k in random.choice(list(OUTPUTS), random.randint(1, 4))]
        self.x_shapes = [(STEPS, random.randint(1, 4)) if any("step" in k for k in self.kinds) else (random.randint(1, 5),)]
        if not all("step" in k for k in self.kinds):
            self.x_shapes += [(random.randint(1, 5),) for _ in range(random.randint(0, 3))]
        self.widths = [1 if k == "binary" else random.randint(2, 5) for k in self.kinds]
        chosen = [e for e in extras if random.rand() < 0.4]
        self.masked = "mask" in chosen and len(self.x_shapes[0]) == 2
        inputs = [layers.Input(s, name=f"in_{i}") for i, s in enumerate(self.x_shapes)]
        first = layers.Masking(0.0)(inputs[0]) if self.masked else inputs[0]
        penalty = {"kernel_regularizer": regularizers.l1_l2(0.01, 0.02), "activity_regularizer": regularizers.l2(0.03)}
        hidden = layers.Dense(4, activation="tanh", **penalty if "penalty" in chosen else {})(first)
        if "norm" in chosen:
            hidden = layers.BatchNormalization()(hidden)
        flat = [layers.Dense(3, activation="sigmoid")(x) for x in inputs[1:]]
        last = layers.SimpleRNN(3)(hidden) if len(self.x_shapes[0]) == 2 else hidden
        joined = layers.concatenate([last, *flat]) if flat else last
        # Keras refuses a net with weights that no loss depends on.
        used = [i for i, k in enumerate(self.kinds) if "step" in k or sum("step" not in other for other in self.kinds) > 1]
        self.without_loss = self.one_of(used) if len(self.kinds) > 1 and used and random.rand() < 0.3 else None
        outputs = []
        for i, (kind, width) in enumerate(zip(self.kinds, self.widths, strict=True)):
            layer = layers.Dense(width, activation=OUTPUTS[kind][0], name=f"out_{i}")
            if i == self.without_loss:
                layer = layers.Activation("tanh", name=f"out_{i}")
            outputs.append(layer(hidden if "step" in kind else joined))
        self.model = models.Model(inputs, outputs)
        if "added" in chosen:
            from keras import backend as K

            self.model.add_loss(0.1 * K.mean(K.square(hidden)))
        set_random_weights(self.model, random)

    def one_of(self, choices):
        return choices[self.random.randint(len(choices))]

    def x(self, rows):
        arrays = [self.random.standard_normal((rows, *s)) for s in self.x_shapes]
        if self.masked:
            arrays[0][self.random.rand(rows, STEPS) < 0.3] = 0
        return [a.astype(self.one_of(["float32", "float64"])) for a in arrays]

    def y(self, rows):
        return [self.y_of(k, w, rows) for k, w in zip(self.kinds, self.widths, strict=True)]

    def y_of(self, kind, width, rows):
        shape = (rows, STEPS) if "step" in kind else (rows,)
        if "indices" in kind:
            y = self.random.randint(0, width, shape)
            return y[..., None] if len(shape) == 2 or self.random.rand() < 0.5 else y
        if "classes" in kind:
            return np.eye(width)[self.random.randint(0, width, shape)]
        y = self.random.randint(0, 2, (*shape, width))
        return {"binary": y, "signs": 2 * y - 1}.get(kind, self.random.uniform(0.1, 1, y.shape))

    def form(self, arrays, prefix):
        """The arrays as a list, a dictionary by name, or the one array."""
        forms = [list(arrays), {f"{prefix}_{i}": a for i, a in enumerate(arrays)}]
        return self.one_of(forms + [arrays[0]] if len(arrays) == 1 else forms)
