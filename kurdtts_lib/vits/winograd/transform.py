"""Convolution with fewer multiplications, exact up to rounding: on the CPU, in float32.

The product of two polynomials of degrees m - 1 and r - 1 is determined by its values at n = m + r - 1 points: n
multiplications instead of m * r (Toom 1963, Cook 1966). Transposed, the same identity gives m outputs of a filter with
r taps from an input tile of n samples (Winograd 1980; Lavin and Gray 2016 write F(m, r)):

    y = A^T [(G w) * (B^T x)]

With many channels the elementwise product becomes n matrix products, and the transforms around them are small. The
matrices come from exact fractions; the points are those with small errors in float32 (after Barabasz et al. 2020).
"""

import math
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from kurdtts_lib.vits.winograd.kernels import adjoint_transform, forward_transform

# By tile size n: points besides 0 and infinity, each with both signs. The relative error of an output, on random data,
# is 7e-7, 1e-6, 2e-6, 4e-6 and 1.2e-5; that of a direct convolution is 4e-7, of the usual TF32 5e-4.
POINTS = {6: "1 2", 8: "1 2 1/2", 10: "1 1/2 5/4 3", 12: "1 1/3 3/4 3/2 3", 14: "1 1/3 1/2 4/5 2 3"}

PRODUCT_COST = 1.3
"""Cost of a multiplication in a matrix product, relative to one in torch's direct convolution."""
TRANSFORM_COST = 50
"""The same for transforming a sample or an output to or from one of its points."""
WEIGHT_COST = 45
"""The same for transforming a weight. All three were measured; only their ratios matter."""

ROWS_AT_ONCE = 512
"""At least, in a matrix product, if the batch has as many."""
WEIGHTS_AT_ONCE = 400_000
"""Transformed at once, to limit the memory."""


class Transform(NamedTuple):
    """The matrices of F(m, r), float32. Rows are points: 0, infinity, then pairs p, -p."""

    weights: np.ndarray
    """G (n, r)."""
    inputs: np.ndarray
    """B^T (n, n)."""
    outputs: np.ndarray
    """A (n, m)."""


@lru_cache
def transform(n: int, taps: int) -> Transform:
    """The matrices of F(n - taps + 1, taps)."""
    points = [Fraction(0)] + [sign * Fraction(p) for p in POINTS[n].split() for sign in (1, -1)]

    def vandermonde(degree: int) -> list[list[Fraction]]:
        """Values of the monomials below `degree` at 0, infinity and the pairs p, -p."""
        rows = [[p**power for power in range(degree)] for p in points]
        return [rows[0], [Fraction(power == degree - 1) for power in range(degree)], *rows[1:]]

    inverse = _inverse(vandermonde(n))
    weights = vandermonde(taps)
    inputs = [[row[point] for row in inverse] for point in range(n)]
    for point, row in enumerate(inputs):
        if point > 2 and point % 2:  # -p: the kernels expect it to differ from p only in the signs of odd columns
            column = next(column for column, value in enumerate(row) if value)
            scale = row[column] / ((-1) ** column * inputs[point - 1][column])
        else:  # both factors get similar magnitudes
            scale = Fraction(2) ** round(math.log2(max(abs(value) for value in row)))
        inputs[point] = [value / scale for value in row]
        weights[point] = [value * scale for value in weights[point]]
    return Transform(_floats(weights), _floats(inputs), _floats(vandermonde(n - taps + 1)))


def _floats(rows: list[list[Fraction]]) -> np.ndarray:
    return np.array([[float(value) for value in row] for row in rows], dtype=np.float32)


def _inverse(matrix: list[list[Fraction]]) -> list[list[Fraction]]:
    """By Gauss-Jordan elimination, in exact fractions."""
    size = len(matrix)
    rows = [[*row, *(Fraction(i == j) for j in range(size))] for i, row in enumerate(matrix)]
    for i in range(size):
        pivot = next(j for j in range(i, size) if rows[j][i])
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [value / rows[i][i] for value in rows[i]]
        for j in range(size):
            if j != i and rows[j][i]:
                rows[j] = [a - rows[j][i] * b for a, b in zip(rows[j], rows[i], strict=True)]
    return [row[size:] for row in rows]


class Shape(NamedTuple):
    """A convolution along the time of (batch, channels, time * columns), each column separately.

    Columns are the period of a folded waveform, or the dilation d, which combines only samples that are d apart.
    """

    batch: int
    channels: int
    outputs: int
    kernel: int
    length: int
    """time * columns; with a dilation the last row may be incomplete."""
    columns: int
    padding: int

    @property
    def out_length(self) -> int:
        return self.length + self.columns * (2 * self.padding - self.kernel + 1)

    def rows(self, n: int) -> int:
        """Rows of the matrix products: tiles of m outputs that cover the time axis, in all columns of all items."""
        return self.batch * -(-self.out_length // (self.columns * (n - self.kernel + 1))) * self.columns

    def batch_slices(self, n: int) -> list[tuple[slice, "Shape"]]:
        """The batch in slices of a few items, whose transforms stay in the cache.

        With enough rows for fast matrix products, and no fewer items than threads.
        """
        rows_of_one = self.rows(n) // self.batch
        count = max(-(-ROWS_AT_ONCE // rows_of_one), torch.get_num_threads())
        bounds = [(start, min(start + count, self.batch)) for start in range(0, self.batch, count)]
        return [(slice(start, stop), self._replace(batch=stop - start)) for start, stop in bounds]

    def in_geometry(self, n: int) -> tuple[int, int, int]:
        """The kernels' `geometry` of the samples."""
        return self.columns, self.padding, n - self.kernel + 1

    def out_geometry(self, n: int) -> tuple[int, int, int]:
        """The kernels' `geometry` of the outputs."""
        return self.columns, 0, n - self.kernel + 1


@lru_cache
def best_tile_size(shape: Shape) -> int | None:
    """The tile size n that is estimated to be fastest, or None if the direct convolution is."""
    direct = shape.batch * shape.out_length * shape.channels * shape.outputs * shape.kernel
    costs: dict[int | None, float] = {None: float(direct)}
    for n in POINTS:
        if n > shape.kernel > 1:
            products = shape.rows(n) * shape.channels * shape.outputs * PRODUCT_COST
            transforms = shape.rows(n) * (shape.channels + shape.outputs) * TRANSFORM_COST
            costs[n] = n * (products + transforms + shape.channels * shape.outputs * WEIGHT_COST)
    return min(costs, key=lambda n: costs[n])


class ToomCook(torch.autograd.Function):
    """`apply(x, weight, bias, shape, n)`: the convolution `shape` by tiles of n samples.

    x: (batch, channels, length), weight: (outputs, channels, kernel), bias: (outputs,) or None; float32 on the CPU.
    Returns (batch, outputs, out_length). Only x and weight are kept for the backward pass.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, shape: Shape, n: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.shape, ctx.n, ctx.has_bias = shape, n, bias is not None
        x, offset = x.contiguous(), torch.zeros(shape.outputs) if bias is None else bias
        y = unaligned(shape.batch, shape.outputs, shape.out_length)
        for items, part in shape.batch_slices(n):
            inputs = _transform_inputs(x[items], part, n)
            products = _scratch("outputs", n, part.rows(n), shape.outputs)
            for outputs, weights in _transform_weights(weight, shape, n):
                torch.bmm(inputs, weights.transpose(1, 2), out=products[:, :, outputs])
            _adjoint(products, transform(n, shape.kernel).outputs, offset, part, part.out_geometry(n), y[items])
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        shape, n = ctx.shape, ctx.n
        matrices = transform(n, shape.kernel)
        x, dy = x.contiguous(), dy.contiguous()
        dx = unaligned(*x.shape) if ctx.needs_input_grad[0] else None
        dweight = unaligned(*weight.shape).zero_() if ctx.needs_input_grad[1] else None
        for items, part in shape.batch_slices(n):
            products = _scratch("outputs", n, part.rows(n), shape.outputs)
            _forward(dy[items], matrices.outputs, part, part.out_geometry(n), products)
            if dx is not None:
                inputs = _scratch("inputs", n, part.rows(n), shape.channels)
                for outputs, weights in _transform_weights(weight, shape, n):
                    inputs.baddbmm_(products[:, :, outputs], weights, beta=0 if outputs.start == 0 else 1)
                no_offset = torch.zeros(shape.channels)
                _adjoint(inputs, matrices.inputs, no_offset, part, part.in_geometry(n), dx[items])
            if dweight is not None:
                _add_to_weights(products, _transform_inputs(x[items], part, n), shape, dweight)
        dbias = dy.sum((0, 2)) if ctx.has_bias and ctx.needs_input_grad[2] else None
        return dx, dweight, dbias, None, None


def _transform_inputs(x: Tensor, shape: Shape, n: int) -> Tensor:
    """B^T x: (n, batch * tiles * columns, channels)."""
    transformed = _scratch("inputs", n, shape.rows(n), shape.channels)
    _forward(x, transform(n, shape.kernel).inputs, shape, shape.in_geometry(n), transformed)
    return transformed


def _transform_weights(weight: Tensor, shape: Shape, n: int) -> Iterator[tuple[slice, Tensor]]:
    """G w of a few outputs at a time: (n, outputs, channels)."""
    matrix = torch.from_numpy(transform(n, shape.kernel).weights)
    for outputs, taps, transformed in _output_slices(shape, n):
        taps.copy_(weight[outputs].permute(2, 0, 1))
        torch.mm(matrix, taps.flatten(1), out=transformed.flatten(1))
        yield outputs, transformed


def _add_to_weights(products: Tensor, inputs: Tensor, shape: Shape, weight: Tensor) -> None:
    """weight += G^T (products^T inputs)."""
    n = len(products)
    matrix = torch.from_numpy(transform(n, shape.kernel).weights)
    for outputs, taps, transformed in _output_slices(shape, n):
        torch.bmm(products[:, :, outputs].transpose(1, 2), inputs, out=transformed)
        torch.mm(matrix.t(), transformed.flatten(1), out=taps.flatten(1))
        weight[outputs] += taps.permute(1, 2, 0)


def _output_slices(shape: Shape, n: int) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """A few outputs at a time, with buffers for their weights, (kernel, outputs, channels), and for the transforms.

    So the transforms stay in the cache; those of all outputs would take up to three times the memory of the weights.
    """
    count = max(1, WEIGHTS_AT_ONCE // (shape.channels * shape.kernel))
    for start in range(0, shape.outputs, count):
        outputs = slice(start, min(start + count, shape.outputs))
        sizes = outputs.stop - start, shape.channels
        yield outputs, _scratch("taps", shape.kernel, *sizes), _scratch("weights", n, *sizes)


def unaligned(*sizes: int) -> Tensor:
    """Uninitialised float32 memory from numpy.

    torch requests aligned memory, which many C libraries cannot place into a gap of exactly the size that was just
    freed: such gaps added up to a fifth of a training's memory. numpy's memory fits into them.
    """
    return torch.from_numpy(np.empty(sizes, np.float32))


_buffers = threading.local()  # per thread; freed when it ends


def _scratch(name: str, *sizes: int) -> Tensor:
    """A buffer that is reused by the next call: requesting new pages from the system took as long as the products."""
    buffers, count = vars(_buffers), math.prod(sizes)
    if name not in buffers or buffers[name].numel() < count:
        buffers[name] = torch.empty(count)
    return buffers[name][:count].view(sizes)


@lru_cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="kurdtts-points")


def _by_tile(transformed: Tensor, shape: Shape) -> Tensor:
    """The layout of the kernels: (n, batch, tiles, columns * channels)."""
    return transformed.view(len(transformed), shape.batch, -1, shape.columns * transformed.shape[2])


def _forward(x: Tensor, matrix: np.ndarray, shape: Shape, geometry: tuple[int, int, int], transformed: Tensor) -> None:
    _parallel(forward_transform, shape.batch, x, matrix, geometry, _by_tile(transformed, shape))


def _adjoint(
    transformed: Tensor, matrix: np.ndarray, offset: Tensor, shape: Shape, geometry: tuple[int, int, int], y: Tensor
) -> None:
    transposed = np.ascontiguousarray(matrix.T)
    _parallel(adjoint_transform, shape.batch, _by_tile(transformed, shape), transposed, offset, geometry, y)


def _parallel(kernel: Callable, count: int, *arguments: Any) -> None:
    """Run a kernel on `count` items, on as many threads as torch uses."""
    arrays = [argument.detach().numpy() if isinstance(argument, Tensor) else argument for argument in arguments]
    threads = min(torch.get_num_threads(), count)
    if threads == 1:
        kernel(0, count, *arrays)
        return
    bounds = [count * i // threads for i in range(threads + 1)]
    list(_pool(threads).map(lambda i: kernel(bounds[i], bounds[i + 1], *arrays), range(threads)))
