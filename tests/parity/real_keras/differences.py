"""Where two outcomes differ, as lines of text."""

import re

import numpy as np

RELATIVE, ABSOLUTE = 2e-4, 2e-5  # of float32, after a few layers or steps
# In texts: a time with its unit, and a number with a fraction.
TIME = re.compile(r"\b\d+(s|ms|us)(/(step|epoch))?\b|\b\d+:\d\d(:\d\d)?\b")
FRACTION = re.compile(r"-?\d+(?:\.\d+(?:e[+-]\d+)?|e[+-]\d+)")


def of_outcomes(expected, actual):
    """One line for each place where what lamella gave is not what Keras gave; texts of errors are lamella's own."""
    if "raised" in expected and "raised" in actual:
        return
    for who, outcome in (("Keras", expected), ("lamella", actual)):
        if "raised" in outcome:
            yield f": only {who} raises {outcome['raised']}: {short(outcome['message'])}"
            return
    yield from differences(expected, actual)


def differences(expected, actual, place=""):
    """One line for each place where actual is not expected; parts that raise are alike."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        if "raised" in expected and "raised" in actual:
            return
        if "raised" in expected or "raised" in actual:
            who, error = ("Keras", expected) if "raised" in expected else ("lamella", actual)
            yield f"{place}: only {who} raises {error['raised']}: {short(error.get('message', ''))}"
            return
        for name in [*expected, *(n for n in actual if n not in expected)]:
            if name not in actual or name not in expected:
                yield f"{place}.{name}: only in {'lamella' if name in actual else 'Keras'}"
            else:
                yield from differences(expected[name], actual[name], f"{place}.{name}")
    elif isinstance(expected, dict) and "raised" in expected:
        yield f"{place}: only Keras raises {expected['raised']}: {short(expected.get('message', ''))}"
    elif isinstance(actual, dict) and "raised" in actual:
        yield f"{place}: only lamella raises {actual['raised']}: {short(actual.get('message', ''))}"
    elif isinstance(expected, (list, tuple)) and isinstance(actual, (list, tuple)):
        if len(expected) != len(actual) or type(expected) is not type(actual):
            yield f"{place}: {short(expected)} in Keras, {short(actual)} here"
            return
        for i, pair in enumerate(zip(expected, actual, strict=True)):
            yield from differences(*pair, f"{place}[{i}]")
    elif isinstance(expected, np.ndarray) and isinstance(actual, np.ndarray):
        yield from array_differences(expected, actual, place)
    elif isinstance(expected, float) and isinstance(actual, float):
        if not np.allclose(actual, expected, RELATIVE, ABSOLUTE, equal_nan=True):
            yield f"{place}: {expected!r} in Keras, {actual!r} here"
    elif isinstance(expected, str) and isinstance(actual, str) and "\n" in expected:
        yield from differences(expected.splitlines(), actual.splitlines(), f"{place}.lines")
    elif isinstance(expected, str) and isinstance(actual, str):
        if not same_text(expected, actual):
            yield f"{place}: {short(expected)} in Keras, {short(actual)} here"
    elif type(expected) is not type(actual) or expected != actual:
        yield f"{place}: {short(expected)} in Keras, {short(actual)} here"


def same_text(expected, actual):
    """Whether texts are equal but for times, and for digits of fractions that float32 does not determine."""
    expected, actual = (TIME.sub("TIME", text) for text in (expected, actual))
    numbers = [np.array(FRACTION.findall(text), float) for text in (expected, actual)]
    return FRACTION.sub("", expected) == FRACTION.sub("", actual) and np.allclose(*numbers, 2e-3, 2e-4)


def array_differences(expected, actual, place):
    if expected.shape != actual.shape or expected.dtype != actual.dtype:
        yield f"{place}: {expected.dtype}{expected.shape} in Keras, {actual.dtype}{actual.shape} here"
    elif expected.dtype.kind in "fc" and not np.allclose(actual, expected, RELATIVE, ABSOLUTE, equal_nan=True):
        error = np.abs(actual.astype(float) - expected)
        worst = np.unravel_index(np.nanargmax(np.where(np.isnan(error), np.inf, error)), error.shape)
        yield f"{place}{list(map(int, worst))}: {expected[worst]} in Keras, {actual[worst]} here; shape {expected.shape}"
    elif expected.dtype.kind not in "fc" and not np.array_equal(expected, actual):
        yield f"{place}: {short(expected)} in Keras, {short(actual)} here"


def short(value, size=300):
    text = " ".join(repr(value).split())
    return text if len(text) <= size else f"{text[:size]}..."
