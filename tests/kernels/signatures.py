"""The types and names of the kernels' arguments in the table, read from the module."""

from lamella import _kernels


def _signature(line):
    return [tuple(part.split()) for part in line.strip("()").split(", ")]


BUNDLES = {kind: _signature(line) for kind, line in _kernels.BUNDLES.items()}
_PARAMETERS = {name: _signature(getattr(_kernels, name).__doc__) for name in _kernels.KERNELS}


def parameters(name):
    """[(type, name)] of a kernel, read from its docstring, which is its line in the table."""
    return _PARAMETERS[name]


def fields(name):
    """`parameters` with the fields of a bundle in place of the bundle."""
    return [field for kind, own in parameters(name) for field in BUNDLES.get(kind, [(kind, own)])]


def spread(name, arguments):
    """The values of `fields` in the arguments of a call."""
    return [x for (kind, _), a in zip(parameters(name), arguments, strict=True) for x in (a if kind in BUNDLES else [a])]


def gathered(name, values):
    """The arguments of a call, made of the values of `fields`."""
    values = iter(values)
    kinds = [kind for kind, _ in parameters(name)]
    return [tuple(next(values) for _ in BUNDLES[kind]) if kind in BUNDLES else next(values) for kind in kinds]
