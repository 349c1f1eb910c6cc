"""Several numbers side by side in one register, as a type that compiled code computes with: `a + b`, `a * b`, `a / b` on vectors of the machine.

Numba leaves it to LLVM to see that a loop may be done many at a time, and LLVM does not see it where a loop calls exp, sums up, or where arrays
might overlap. A `Lanes` value is such a vector by construction, of any width: what a machine lacks LLVM splits into what it has. Arithmetic
keeps NaN; a product and a sum may be fused.

Lives here: the type, its arithmetic, reading and writing, exp2 and the sigmoid. Does not live here: any model.
"""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

BYTES = 64  # of a vector: the widest registers there are
FUSED = ("contract",)  # flags of arithmetic: no reordering (the rounding of exp2 lives on it), NaN kept

# 2^f on [-1/2, 1/2] by a polynomial in f, lowest power first: Chebyshev interpolation, relative errors 3e-9 and less than rounding
DEGREE = {np.float32: 6, np.float64: 11}


def _polynomial(kind: Any) -> tuple[float, ...]:
    found = np.polynomial.Chebyshev.interpolate(np.exp2, DEGREE[kind], domain=[-0.5, 0.5])
    return (1.0, *found.convert(kind=np.polynomial.Polynomial).coef[1:].tolist())  # 1, so that whole powers are exact


POLYNOMIAL = {kind: _polynomial(kind) for kind in DEGREE}
MANTISSA, LARGEST = {np.float32: 23, np.float64: 52}, {np.float32: 126.0, np.float64: 1022.0}


def lanes_of(dtype: Any) -> int:
    """How many numbers of this type lie in a vector."""
    return BYTES // np.dtype(dtype).itemsize


class Lanes(types.Type):
    """As many numbers of the type `base` as a vector has room for."""

    def __init__(self, base: types.Float):
        self.base, self.kind = base, np.dtype(base.name).type
        self.width = lanes_of(self.kind)
        super().__init__(name=f"Lanes({base})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Lanes):
        super().__init__(dmm, fe_type, ir.VectorType(dmm.lookup(fe_type.base).get_value_type(), fe_type.width))


def _spread(builder: Any, value: Any, vector: ir.VectorType) -> Any:
    """A number in every lane."""
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), [0] * vector.count)
    return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), mask)


def _constant(vector: ir.VectorType, value: float) -> ir.Constant:
    return ir.Constant(vector, [ir.Constant(vector.element, value)] * vector.count)


# --- arithmetic -----------------------------------------------------------------------------------------------------------------------


def _arithmetic(operation: Callable, instruction: str) -> None:
    """Teach numba an operation between vectors, and between a vector and a number, which goes into every lane."""

    @infer_global(operation)  # pyright: ignore[reportOptionalCall]
    class Typed(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:
            vectors = [one for one in args if isinstance(one, Lanes)]
            if vectors and all(one == vectors[0] or isinstance(one, types.Float) for one in args):
                return signature(vectors[0], *(one if isinstance(one, Lanes) else vectors[0].base for one in args))

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = context.get_value_type(signature.return_type)
        sides = [one if one.type == vector else _spread(builder, one, vector) for one in arguments]
        return getattr(builder, instruction)(*sides, flags=FUSED)

    for kinds in ((Lanes, Lanes), (Lanes, types.Float), (types.Float, Lanes)):
        lower_builtin(operation, *kinds)(generate)


for _operation, _instruction in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul"), (operator.truediv, "fdiv")):
    _arithmetic(_operation, _instruction)


# --- memory ---------------------------------------------------------------------------------------------------------------------------


def _address(context: Any, builder: Any, array_type: Any, array: Any, row: Any, lanes: Lanes) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    start = builder.gep(data, [builder.mul(row, ir.Constant(row.type, lanes.width))])
    return builder.bitcast(start, ir.PointerType(context.get_value_type(lanes)))


def _load(typing: Any, array: Any, row: Any) -> Any:
    """Row `row` of a contiguous array seen as rows of vectors; nothing checks that there is such a row."""
    lanes = Lanes(array.dtype)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        read = builder.load(_address(context, builder, array, arguments[0], arguments[1], lanes))
        read.align = array.dtype.bitwidth // 8
        return read

    return lanes(array, types.intp), generate


def _store(typing: Any, array: Any, row: Any, value: Any) -> Any:
    """Write a vector where `load` reads it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        written = builder.store(arguments[2], _address(context, builder, array, arguments[0], arguments[1], value))
        written.align = array.dtype.bitwidth // 8
        return context.get_dummy_value()

    return types.void(array, types.intp, value), generate


def _spread_number(typing: Any, number: Any) -> Any:
    """A number in every lane."""
    lanes = Lanes(number)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _spread(builder, arguments[0], context.get_value_type(lanes))

    return lanes(number), generate


# --- functions ------------------------------------------------------------------------------------------------------------------------


def _power_of_two(builder: Any, x: Any, kind: Any) -> Any:
    """2^x by 2^(whole part), which is a shift into the exponent, times a polynomial in the rest; beyond the exponents, the last of them."""
    vector, bits, mantissa = x.type, ir.VectorType(ir.IntType(np.dtype(kind).itemsize * 8), x.type.count), MANTISSA[kind]
    for comparison, limit in ((">", LARGEST[kind]), ("<", -LARGEST[kind])):
        limit = _constant(vector, limit)
        x = builder.select(builder.fcmp_ordered(comparison, x, limit), limit, x)  # NaN is neither, and stays
    # Adding 3/2 2^mantissa leaves no place for fractions: the sum's lowest bits are x, rounded.
    shifter = _constant(vector, 1.5 * 2.0**mantissa)
    shifted = builder.fadd(x, shifter)
    f = builder.fsub(x, builder.fsub(shifted, shifter))
    *lower, p = (_constant(vector, one) for one in POLYNOMIAL[kind])
    for coefficient in reversed(lower):
        p = builder.fadd(builder.fmul(p, f, flags=FUSED), coefficient, flags=FUSED)
    places = ir.Constant(bits, [ir.Constant(bits.element, mantissa)] * bits.count)
    exponent = builder.shl(builder.bitcast(shifted, bits), places)
    return builder.bitcast(builder.add(builder.bitcast(p, bits), exponent), vector)


def _exp2(typing: Any, x: Any) -> Any:
    """2^x in every lane."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _power_of_two(builder, arguments[0], x.kind)

    return x(x), generate


def _sigmoid_of_halvings(typing: Any, x: Any) -> Any:
    """1 / (1 + 2^x) in every lane: the sigmoid of -x log 2."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        one = _constant(arguments[0].type, 1.0)
        return builder.fdiv(one, builder.fadd(one, _power_of_two(builder, arguments[0], x.kind)), flags=("arcp",))

    return x(x), generate


# As what compiled code calls, which is without their first argument.
load: Any = intrinsic(_load)
store: Any = intrinsic(_store)
spread: Any = intrinsic(_spread_number)
exp2: Any = intrinsic(_exp2)
sigmoid_of_halvings: Any = intrinsic(_sigmoid_of_halvings)
