"""ONNX graphs as one writes formulas: a `Value` is what a node gives, and is added and multiplied as a `Tensor` is."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from trm_np.autograd import nn
from trm_np.autograd.ops import Array

OPSET, IR_VERSION = 18, 8  # of 2022: the oldest in which a mean takes its axes as a Reshape its shape


def operator(name: str) -> "Callable[[Value, Operand], Value]":
    """Method that makes a node of its value and another one."""
    return lambda value, other: value.graph.node(name, value, other)


@dataclass(frozen=True, eq=False)
class Value:
    """The result of a node, an input or a constant, by its name in the graph."""

    graph: "Graph"
    name: str

    __add__ = operator("Add")
    __sub__ = operator("Sub")
    __mul__ = operator("Mul")
    __truediv__ = operator("Div")
    __matmul__ = operator("MatMul")

    def reshape(self, *shape: int) -> "Value":
        """A length of 0 is that of the same axis before."""
        return self.graph.node("Reshape", self, integers(*shape))

    def transpose(self, *axes: int) -> "Value":
        return self.graph.node("Transpose", self, perm=axes)

    def cut(self, axis: int, first: int, end: int) -> "Value":
        """Slice from `first` to before `end` along an axis."""
        return self.graph.node("Slice", self, integers(first), integers(end), integers(axis))

    def halves(self) -> "tuple[Value, Value]":
        """Both halves of the last axis."""
        first, second = self.graph.nodes_of("Split", 2, self, axis=-1, num_outputs=2)
        return first, second

    def expand_dims(self, *axes: int) -> "Value":
        return self.graph.node("Unsqueeze", self, integers(*axes))

    def squeeze(self, axis: int) -> "Value":
        return self.graph.node("Squeeze", self, integers(axis))

    def sum(self, axis: int, keepdims: bool = False) -> "Value":
        return self.graph.node("ReduceSum", self, integers(axis), keepdims=int(keepdims))

    def cast(self, dtype: Any) -> "Value":
        return self.graph.node("Cast", self, to=onnx_type(dtype))


Operand = Value | Array | float


class Graph:
    """Nodes in order, and what they read: inputs, and constants by name, among them the weights of a model."""

    def __init__(self, model: nn.Module) -> None:
        self.names = {id(parameter): name for name, parameter in model.named_parameters()}
        self.protos: list[onnx.NodeProto] = []
        self.constants: dict[str, Array] = {}
        self.known: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self.turned: dict[str, Value] = {}
        self.inputs: list[onnx.ValueInfoProto] = []
        self.where: list[str] = []

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Nodes made meanwhile are named after this part of the model."""
        self.where.append(name)
        yield
        self.where.pop()

    def input(self, name: str, dtype: Any, shape: Sequence[int | str], default: Array | None = None) -> Value:
        """An input; an axis whose length may be any has a name. One with a default may be left out."""
        self.inputs.append(value_info(name, dtype, shape))
        if default is not None:
            self.constants[name] = default
        return Value(self, name)

    def node(self, operator: str, *inputs: Operand, **attributes: Any) -> Value:
        (value,) = self.nodes_of(operator, 1, *inputs, **attributes)
        return value

    def nodes_of(self, operator: str, outputs: int, *inputs: Operand, **attributes: Any) -> list[Value]:
        """The results of a node that has several."""
        name = "/".join([*self.where, f"{operator}_{len(self.protos)}"])
        results = [name] if outputs == 1 else [f"{name}.{place}" for place in range(outputs)]
        read = [self.operand(value).name for value in inputs]
        self.protos.append(helper.make_node(operator, read, results, name, **attributes))
        return [Value(self, result) for result in results]

    def operand(self, value: Operand) -> Value:
        """A value as it is, a parameter of the model under its name, or a constant, equal ones being one; a number is
        float32."""
        if isinstance(value, Value):
            return value
        array = np.asarray(value, np.float32 if isinstance(value, float) else None)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self.known:
            self.known[key] = f"constant_{len(self.known)}"
            self.constants[self.known[key]] = array
        return Value(self, self.known[key])

    def weight(self, parameter: nn.Parameter) -> Value:
        name = self.names[id(parameter)]
        self.constants[name] = parameter.data
        return Value(self, name)

    def turned_weight(self, parameter: nn.Parameter) -> Value:
        """The transpose of a matrix, made once."""
        name = self.names[id(parameter)]
        if name not in self.turned:
            self.turned[name] = self.weight(parameter).transpose(1, 0)
        return self.turned[name]

    def filled_like(self, value: Value, content: Array) -> Value:
        """Array of the shape of `value`, filled with the one number of `content` (1,)."""
        return self.node("ConstantOfShape", self.node("Shape", value), value=numpy_helper.from_array(content))

    def to_proto(
        self,
        outputs: Mapping[str, tuple[Value, Any, Sequence[int | str]]],
        properties: Mapping[str, str],
        version: str,
    ) -> onnx.ModelProto:
        """The model as ONNX has it: outputs by name, each with its dtype and shape."""
        named = [helper.make_node("Identity", [each[0].name], [name], name) for name, each in outputs.items()]
        described = [value_info(name, dtype, shape) for name, (_, dtype, shape) in outputs.items()]
        stored = [numpy_helper.from_array(array, name) for name, array in self.constants.items()]
        graph = helper.make_graph([*self.protos, *named], "trm_np", self.inputs, described, stored)
        versions = {"opset_imports": [helper.make_opsetid("", OPSET)], "ir_version": IR_VERSION}
        proto = helper.make_model(graph, producer_name="trm_np", producer_version=version, **versions)
        helper.set_model_props(proto, dict(properties))
        return proto


def integers(*values: int) -> Array:
    return np.array(values, np.int64)


def value_info(name: str, dtype: Any, shape: Sequence[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, onnx_type(dtype), shape)


def onnx_type(dtype: Any) -> int:
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
