"""model_to_dot and plot_model: Keras's nodes, labels and edges, and the errors if a program is missing."""

import importlib
import shutil
import sys

import numpy as np
import pytest

from lamella import utils
from lamella.layers import Add, Dense, Dropout, Flatten, Input, Lambda, TimeDistributed
from lamella.models import Model, Sequential
from lamella.utils import vis_utils


@pytest.fixture
def pydot(monkeypatch):
    """pydot without calls of Graphviz, which graphs do not need."""
    module = pytest.importorskip("pydot")
    monkeypatch.setattr(module.Dot, "create", lambda self, *arguments, **keywords: b"")
    return module


def unquoted(text):
    return str(text).strip('"')


def nodes(dot):
    """The labels, by name, of the nodes of a graph and its frames, without the node for defaults."""
    found = {node.get_name(): unquoted(node.get("label")) for node in dot.get_nodes() if node.get_name() != "node"}
    for frame in dot.get_subgraphs():
        found |= nodes(frame)
    return found


def edges(dot):
    """The edges (from, to), sorted. A node is named by its label up to the colon."""
    labels = nodes(dot)

    def listed(graph):
        yield from ((edge.get_source(), edge.get_destination()) for edge in graph.get_edges())
        for frame in graph.get_subgraphs():
            yield from listed(frame)

    return sorted(tuple(labels[end].partition(":")[0] for end in edge) for edge in listed(dot))


def branches():
    a = Input((4,), name="a")
    b = Dense(3, name="b")(a)
    c = Dense(3, name="c")(a)
    return Model(a, Add(name="sum")([b, c, b]), name="branches")


def test_nodes_are_layers_and_edges_are_tensors(pydot):
    model = branches()
    dot = utils.model_to_dot(model)
    assert isinstance(dot, pydot.Dot)
    assert nodes(dot) == {str(id(x)): f"{x.name}: {type(x).__name__}" for x in model.layers}
    assert list(nodes(dot).values()) == ["a: InputLayer", "b: Dense", "c: Dense", "sum: Add"]
    assert edges(dot) == [("a", "b"), ("a", "c"), ("b", "sum"), ("b", "sum"), ("c", "sum")]
    assert (dot.get("rankdir"), dot.get("concentrate"), dot.get("dpi")) == ("TB", True, 96)
    assert [node.get("shape") for node in dot.get_nodes() if node.get_name() == "node"] == ["record"]
    dot = utils.model_to_dot(model, show_layer_names=False, rankdir="LR", dpi=200)
    assert list(nodes(dot).values()) == ["InputLayer", "Dense", "Dense", "Add"]
    assert (dot.get("rankdir"), dot.get("dpi")) == ("LR", 200)


def test_shapes_of_inputs_and_outputs(pydot):
    labels = list(nodes(utils.model_to_dot(branches(), show_shapes=True)).values())
    assert labels[1] == "b: Dense\n|{input:|output:}|{{(None, 4)}|{(None, 3)}}"
    assert labels[3] == "sum: Add\n|{input:|output:}|{{[(None, 3), (None, 3), (None, 3)]}|{(None, 3)}}"
    assert utils.model_to_dot(branches(), True, False).to_string().count("input:|output:") == 4


def test_a_layer_that_is_called_on_two_shapes(pydot):
    double = Lambda(lambda x: 2 * x, name="double")
    a, b = Input((2,), name="a"), Input((3,), name="b")
    dot = utils.model_to_dot(Model([a, b], [double(a), double(b)]), show_shapes=True)
    assert nodes(dot)[str(id(double))] == "double: Lambda\n|{input:|output:}|{{multiple}|{multiple}}"
    assert edges(dot) == [("a", "double"), ("b", "double")]
    x = Input((None,))
    inner = Model(x, Lambda(lambda x: x + 1)(x), name="inner")  # a model has a shape of its own
    dot = utils.model_to_dot(Model([a, b], [inner(a), inner(b)]), show_shapes=True)
    assert nodes(dot)[str(id(inner))] == "inner: Model\n|{input:|output:}|{{multiple}|{multiple}}"


def test_calls_of_other_models_are_left_out(pydot):
    shared = Dense(3, name="shared")
    a, b = Input((3,), name="a"), Input((3,), name="b")
    shared(a)
    assert edges(utils.model_to_dot(Model(b, shared(b)))) == [("b", "shared")]


def test_a_sequential_begins_with_its_input(pydot):
    model = Sequential([Dense(3, input_shape=(4,), name="first"), Dropout(0.5, name="second")])
    dot = utils.model_to_dot(model)
    assert edges(dot) == [("first", "second"), ("first_input", "first")]
    with pytest.raises(ValueError):
        utils.model_to_dot(Sequential([Dense(3)]))


def nested():
    inner = Sequential([Dense(3, input_shape=(4,), name="one"), Dense(4, name="two")], name="inner")
    a = Input((4,), name="a")
    return Model(a, Dense(1, name="last")(inner(inner(a))))


def test_a_nested_model_is_one_node(pydot):
    dot = utils.model_to_dot(nested())
    assert list(nodes(dot).values()) == ["a: InputLayer", "inner: Sequential", "last: Dense"]
    assert edges(dot) == [("a", "inner"), ("inner", "inner"), ("inner", "last")]


def test_a_nested_model_in_a_frame_of_its_own(pydot):
    dot = utils.model_to_dot(nested(), expand_nested=True)
    (frame,) = dot.get_subgraphs()
    assert unquoted(frame.get("label")) == "inner" and frame.get("style") == "dashed" and frame.get("labeljust") == "l"
    assert list(nodes(frame).values()) == ["one_input: InputLayer", "one: Dense", "two: Dense"]
    assert sorted(nodes(dot).values()) == sorted([*nodes(frame).values(), "a: InputLayer", "last: Dense"])
    inside = [("one", "two"), ("one_input", "one")]
    assert edges(dot) == sorted([("a", "one_input"), ("two", "one_input"), ("two", "last"), *inside])
    assert isinstance(utils.model_to_dot(nested(), subgraph=True), pydot.Cluster)


def test_wrapped_layers_and_models(pydot):
    inner = Sequential([Dense(3, input_shape=(4,), name="one")], name="inner")
    a = Input((5, 4), name="a")
    hidden = TimeDistributed(Dense(4, name="dense"), name="steps")(a)
    model = Model(a, Flatten(name="flat")(TimeDistributed(inner, name="models")(hidden)))
    assert list(nodes(utils.model_to_dot(model)).values())[1:3] == [
        "steps(dense): TimeDistributed(Dense)",
        "models(inner): TimeDistributed(Sequential)",
    ]
    dot = utils.model_to_dot(model, expand_nested=True)
    own = [label for label in nodes(dot).values() if "TimeDistributed" in label]
    assert own == ["steps(dense): TimeDistributed(Dense)", "models: TimeDistributed"]
    inside = ("one_input", "one")
    assert edges(dot) == sorted(
        [("a", "steps(dense)"), ("steps(dense)", "models"), ("models", "one_input"), inside, ("one", "flat")]
    )


def test_consecutive_and_nested_models(pydot):
    core = Sequential([Dense(4, input_shape=(4,), name="core")], name="deep")
    outer = Sequential([core], name="outer")
    wrapped = TimeDistributed(outer, name="wrapper")
    a = Input((5, 4), name="a")
    model = Model(a, TimeDistributed(Sequential([Dense(2, input_shape=(4,), name="end")]), name="again")(wrapped(a)))
    assert edges(utils.model_to_dot(model, expand_nested=True)) == [
        ("a", "wrapper"),
        ("again", "end_input"),
        ("core", "again"),
        ("core_input", "core"),
        ("deep_input", "core_input"),
        ("end_input", "end"),
        ("wrapper", "deep_input"),
    ]


def test_an_edge_is_added_once(pydot):
    dot = pydot.Dot()
    for _ in range(2):
        vis_utils.add_edge(dot, "1", "2")
    assert len(dot.get_edges()) == 1


def test_kinds_of_layers():
    inner = Sequential([Dense(3, input_shape=(4,))])
    assert vis_utils.is_model(inner) and not vis_utils.is_model(Dense(2))
    assert vis_utils.is_wrapped_model(TimeDistributed(inner))
    assert not vis_utils.is_wrapped_model(TimeDistributed(Dense(2))) and not vis_utils.is_wrapped_model(inner)


@pytest.mark.parametrize(("name", "suffix"), [("m.png", "png"), ("m", "png"), ("m.svg", "svg"), ("a.b/m.pdf", "pdf")])
def test_the_suffix_says_the_format(pydot, monkeypatch, tmp_path, name, suffix):
    written = []
    monkeypatch.setattr(pydot.Dot, "write", lambda self, path, format: written.append((path, format)))
    monkeypatch.setitem(sys.modules, "IPython", None)
    assert utils.plot_model(branches(), str(tmp_path / name), show_shapes=True) is None
    assert written == [(str(tmp_path / name), suffix)]


def test_a_picture_is_written(tmp_path, monkeypatch):
    pytest.importorskip("pydot")
    if shutil.which("dot") is None:
        pytest.skip("needs Graphviz")
    monkeypatch.setitem(sys.modules, "IPython", None)
    utils.plot_model(nested(), str(tmp_path / "m.png"), show_shapes=True, expand_nested=True)
    from PIL import Image

    with Image.open(tmp_path / "m.png") as image:
        assert min(image.size) > 50 and np.asarray(image.convert("L")).min() < 128


def test_without_pydot(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pydot", None)
    for call in (utils.model_to_dot, utils.plot_model):
        with pytest.raises(
            ImportError, match=r"Failed to import `pydot`.*pip install 'lamella\[plot\]'.*Graphviz.*summary\(\)"
        ):
            call(branches())


def test_without_graphviz(monkeypatch, tmp_path):
    pytest.importorskip("pydot")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OSError, match="`pydot` failed to call Graphviz.*apt install graphviz"):
        utils.plot_model(branches(), str(tmp_path / "m.png"))
    assert list(tmp_path.iterdir()) == []


def test_importing_the_room_needs_no_pydot(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydot", None)
    monkeypatch.delitem(sys.modules, "lamella.utils.vis_utils")
    assert importlib.import_module("lamella.utils.vis_utils").is_model(branches())
