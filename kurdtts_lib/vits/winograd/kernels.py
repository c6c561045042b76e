"""Kernels of `winograd.transform`: the transform of samples to their values at points, and its adjoint.

Compiled by numba, so no C compiler is needed. Each kernel processes the items `start` to `stop` of a batch, so that
several threads can share one. All arrays are float32 and contiguous. `geometry` is (columns, padding, step), see
`transform.Shape`; a tile begins `step` rows of columns after the one before. Internally channels are the last
dimension: long rows that vectorise, sixteen floats at a time.
"""

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

TILES_AT_ONCE = 8
"""Their samples and transforms stay in the L1 cache."""
VALUES_AT_ONCE = 1024
"""Of a row, for the same reason."""

BLOCK = 8
"""Rows and columns that are transposed at once: one AVX2 vector, and no more rows than the L1 cache has ways, which is
what it can hold of rows whose addresses are a power of two apart."""

_compile = numba.njit(cache=True, nogil=True, fastmath=True)


@_compile
def _axpy(target: np.ndarray, rows: np.ndarray, step: int, factors: np.ndarray, first: int, add: bool) -> None:
    """target = (or +=) the sum of factors[i] * rows[i * step :] over i = first, first + 2, ...

    Four rows at a time, so that the target is read and written less often. If fewer are left, the first of them is
    repeated with factor 0.
    """
    count, size = len(factors), len(target)
    zero = np.float32(0)
    for i in range(first, count, 8):
        second, b = (i + 2, factors[i + 2]) if i + 2 < count else (i, zero)
        third, c = (i + 4, factors[i + 4]) if i + 4 < count else (i, zero)
        fourth, d = (i + 6, factors[i + 6]) if i + 6 < count else (i, zero)
        a, row_a = factors[i], rows[i * step : i * step + size]
        row_b, row_c = rows[second * step : second * step + size], rows[third * step : third * step + size]
        row_d = rows[fourth * step : fourth * step + size]
        if add or i > first:
            for x in range(size):
                target[x] += a * row_a[x] + b * row_b[x] + c * row_c[x] + d * row_d[x]
        else:
            for x in range(size):
                target[x] = a * row_a[x] + b * row_b[x] + c * row_c[x] + d * row_d[x]


@_compile
def _sum_and_difference(a: np.ndarray, b: np.ndarray, total: np.ndarray, difference: np.ndarray) -> None:
    for k in range(len(total)):
        total[k] = a[k] + b[k]
        difference[k] = a[k] - b[k]


@intrinsic
def _transpose_block(typing: Any, source: Any, source_step: Any, target: Any, target_step: Any) -> Any:
    """Transpose BLOCK rows of BLOCK floats. Addresses in bytes, steps from row to row in floats.

    In registers: the rows are loaded as vectors, shuffled, and stored. A shuffle builds a vector from chosen elements
    of two others; here it zips one half of row i and of row i + 4: a0 b0 a1 b1 a2 b2 a3 b3. In the resulting list of
    rows an element's row and column numbers, written in binary one after the other (three bits each), have moved by one
    bit; after three such rounds row and column have changed places. numba has no word for a shuffle, so these few
    instructions are given to its compiler, LLVM, directly: `row` is the address of row i as a pointer to a vector. From
    an ordinary loop LLVM makes scalar loads, which take five times as long.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector, indices = ir.VectorType(ir.FloatType(), BLOCK), ir.VectorType(ir.IntType(32), BLOCK)
        half = BLOCK // 2
        zipped = [ir.Constant(indices, [i // 2 + start + i % 2 * BLOCK for i in range(BLOCK)]) for start in (0, half)]

        def row(address: Any, step: Any, i: int) -> Any:
            return builder.inttoptr(builder.add(address, builder.mul(step, step.type(4 * i))), vector.as_pointer())

        source, source_step, target, target_step = arguments
        rows = [builder.load(row(source, source_step, i), align=4) for i in range(BLOCK)]
        for _ in range(BLOCK.bit_length() - 1):
            rows = [builder.shuffle_vector(rows[i // 2], rows[i // 2 + half], zipped[i % 2]) for i in range(BLOCK)]
        for i in range(BLOCK):
            builder.store(rows[i], row(target, target_step, i), align=4)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp, types.intp), generate


@_compile
def _transpose(source: np.ndarray, target: np.ndarray) -> None:
    """target[j, i] = source[i, j]; the rows of both are contiguous."""
    height, width = source.shape
    source_step, target_step = source.strides[0] // 4, target.strides[0] // 4
    whole_height, whole_width = height - height % BLOCK, width - width % BLOCK
    for i in range(0, whole_height, BLOCK):
        for j in range(0, whole_width, BLOCK):
            _transpose_block(
                source.ctypes.data + 4 * (i * source_step + j),
                source_step,
                target.ctypes.data + 4 * (j * target_step + i),
                target_step,
            )  # type: ignore[call-arg]  # mypy counts numba's own first argument
    for i in range(height):
        for j in range(whole_width if i < whole_height else 0, width):
            target[j, i] = source[i, j]


@_compile
def forward_transform(
    start: int, stop: int, x: np.ndarray, matrix: np.ndarray, geometry: tuple[int, int, int], transformed: np.ndarray
) -> None:
    """transformed[:, tile] = matrix @ rows of x that the tile covers.

    x: (batch, channels, length). matrix: (n, width), rows in the order 0, infinity, p, -p, ... The results for p and -p
    are sum and difference of an even and an odd part. transformed: (n, batch, tiles, columns * channels), overwritten.
    """
    columns, padding, step = geometry
    n, width = matrix.shape
    tiles, size = transformed.shape[2], transformed.shape[3]
    channels, length = x.shape[1:]
    rows = np.empty(((TILES_AT_ONCE - 1) * step + width) * size, np.float32)
    by_time = rows.reshape(-1, channels)
    even, odd = np.empty(VALUES_AT_ONCE, np.float32), np.empty(VALUES_AT_ONCE, np.float32)
    for item in range(start, stop):
        for begin in range(0, tiles, TILES_AT_ONCE):
            end = min(tiles, begin + TILES_AT_ONCE)
            first = (begin * step - padding) * columns
            count = ((end - begin - 1) * step + width) * columns
            low, high = max(0, -first), max(0, min(count, length - first))
            if low > 0 or high < count:  # zero padding outside of x
                by_time[:count] = 0
            if low < high:
                _transpose(x[item, :, first + low : first + high], by_time[low:high])
            for tile in range(begin, end):
                for low in range(0, size, VALUES_AT_ONCE):
                    high = min(size, low + VALUES_AT_ONCE)
                    source = rows[(tile - begin) * step * size + low :]
                    _axpy(transformed[0, item, tile, low:high], source, size, matrix[0], 0, False)
                    _axpy(transformed[1, item, tile, low:high], source, size, matrix[1], (width - 1) % 2, False)
                    for j in range(2, n, 2):
                        _axpy(even[: high - low], source, size, matrix[j], 0, False)
                        _axpy(odd[: high - low], source, size, matrix[j], 1, False)
                        p, minus_p = transformed[j, item, tile, low:high], transformed[j + 1, item, tile, low:high]
                        _sum_and_difference(even, odd, p, minus_p)


@_compile
def adjoint_transform(
    start: int,
    stop: int,
    transformed: np.ndarray,
    transposed: np.ndarray,
    offset: np.ndarray,
    geometry: tuple[int, int, int],
    y: np.ndarray,
) -> None:
    """The adjoint of `forward_transform`, plus an offset for each channel.

    transposed: (width, n), the same matrix transposed. offset: (channels,). y: (batch, channels, length), overwritten;
    overlapping tiles are summed.
    """
    columns, padding, step = geometry
    width, n = transposed.shape
    tiles, size = transformed.shape[2], transformed.shape[3]
    channels, length = y.shape[1:]
    kept = max(0, width - step) * size  # rows that the next tiles add to
    rows = np.empty(((TILES_AT_ONCE - 1) * step + width) * size, np.float32)
    by_time = rows.reshape(-1, channels)
    terms = np.empty((n, VALUES_AT_ONCE), np.float32)
    flat = terms.reshape(-1)
    for item in range(start, stop):
        by_time[:] = offset
        for begin in range(0, tiles, TILES_AT_ONCE):
            end = min(tiles, begin + TILES_AT_ONCE)
            for tile in range(begin, end):
                for low in range(0, size, VALUES_AT_ONCE):
                    high = min(size, low + VALUES_AT_ONCE)
                    for j in range(2):
                        terms[j, : high - low] = transformed[j, item, tile, low:high]
                    for j in range(2, n, 2):
                        p, minus_p = transformed[j, item, tile, low:high], transformed[j + 1, item, tile, low:high]
                        _sum_and_difference(minus_p, p, terms[j, : high - low], terms[j + 1, : high - low])
                    for i in range(width):
                        position = ((tile - begin) * step + i) * size + low
                        target = rows[position : position + high - low]
                        # Even rows use point 0 and the sums, odd rows infinity and the differences.
                        _axpy(target, flat, VALUES_AT_ONCE, transposed[i], i % 2, True)
                        if i % 2 == 0 and transposed[i, 1] != 0:
                            _axpy(target, terms[1], 0, transposed[i, 1:2], 0, True)
            done = (end - begin) * step * size
            first = (begin * step - padding) * columns
            count = ((end - begin) * step + (max(0, width - step) if end == tiles else 0)) * columns
            low, high = max(0, -first), max(0, min(count, length - first))
            if low < high:
                _transpose(by_time[low:high], y[item, :, first + low : first + high])
            rows[:kept] = rows[done : done + kept]
            by_time[kept // channels :] = offset
