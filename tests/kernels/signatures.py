"""The kernels' arguments as the table has them, read from the module."""

from lamella import _kernels


def _signature(line):
    return [tuple(part.split()) for part in line.strip("()").split(", ")]


BUNDLES = {kind: _signature(line) for kind, line in _kernels.BUNDLES.items()}
_PARAMETERS = {name: _signature(getattr(_kernels, name).__doc__) for name in _kernels.KERNELS}


def parameters(name):
    """[(type, name)] as the table has them: a kernel's docstring is its line there."""
    return _PARAMETERS[name]


def fields(name):
    """`parameters` with a bundle's fields in its place."""
    return [field for kind, own in parameters(name) for field in BUNDLES.get(kind, [(kind, own)])]


def spread(name, arguments):
    """The values of `fields` in a call's arguments."""
    return [x for (kind, _), a in zip(parameters(name), arguments, strict=True) for x in (a if kind in BUNDLES else [a])]


def gathered(name, values):
    """A call's arguments from the values of `fields`."""
    values = iter(values)
    kinds = [kind for kind, _ in parameters(name)]
    return [tuple(next(values) for _ in BUNDLES[kind]) if kind in BUNDLES else next(values) for kind in kinds]
