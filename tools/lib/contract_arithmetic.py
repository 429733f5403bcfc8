"""The arithmetic of the numeric contract (formats/bertq.md) on NumPy arrays of float32, bit for bit.

Written from that chapter: it shares nothing with the package. NumPy's +, -, *, / and sqrt on float32 round correctly,
one operation at a time; all else is here.
"""
import numpy

numpy.seterr(all="ignore")  # overflow and NaN do what IEEE 754 says

F32 = numpy.float32
LANES = 16
MAGIC = F32(12582912)


def f32(text):
    """A hexadecimal float, which must be one of float32."""
    value = F32(float.fromhex(text))
    assert float(value) == float.fromhex(text), text
    return value


ONE, HALF, TWO = F32(1), F32(0.5), F32(2)
LEAST_RANGE = f32("0x1.4484c0p-100")
LOG2E = f32("0x1.715476p+0")
EXP2 = [f32(c) for c in ("0x1.41d334p-13", "0x1.5f456ap-10", "0x1.3b2dbcp-7", "0x1.c6aed4p-5", "0x1.ebfbdap-3",
                         "0x1.62e430p-1", "0x1p+0")]
LOG2 = [f32(c) for c in ("-0x1.a762dep-6", "0x1.f2e258p-4", "-0x1.1c9336p-2", "0x1.d487c6p-2", "-0x1.6fb0bcp-1",
                         "0x1.714aa0p+0")]


# MARK: Fused multiply-add

def rounded_sum(product, c):
    """float32(product + c) with one rounding: product is exact in float64, c is float32."""
    c = c.astype(numpy.float64)
    total = product + c
    result = total.astype(F32)
    # Rounding to double and then to float goes wrong only where the double lies halfway between two floats,
    # which below the normal floats can be any double.
    halfway = (total.view(numpy.int64) & 0x1FFFFFFF) == 0x10000000
    small = numpy.abs(total) < 2.0**-126
    small &= total != 0
    halfway |= small
    if halfway.any():
        product = numpy.broadcast_to(product, total.shape)[halfway]
        result[halfway] = round_to_odd(product, numpy.broadcast_to(c, total.shape)[halfway]).astype(F32)
    return result


def round_to_odd(a, b):
    """a + b of doubles, with the last bit set when that is not exact, so that another rounding does no harm."""
    total = a + b
    part = total - a
    error = (a - (total - part)) + (b - part)
    bits = total.view(numpy.int64)
    inexact = ((error < 0) | (error > 0)) & (bits & 1 == 0)
    return (bits + inexact * numpy.where((error > 0) == (total > 0), 1, -1)).view(numpy.float64)


def fma(a, b, c):
    """a * b + c, rounded once."""
    product = numpy.asarray(a, numpy.float64) * numpy.asarray(b, numpy.float64)
    shape = numpy.broadcast_shapes(product.shape, numpy.shape(c))
    return rounded_sum(numpy.array(numpy.broadcast_to(product, shape)), numpy.asarray(c, F32))


def polynomial(coefficients, x):
    """Horner's rule in fused multiply-adds, the highest power's coefficient first."""
    p = numpy.full_like(x, coefficients[0])
    for c in coefficients[1:]:
        p = fma(p, x, c)
    return p


# MARK: Minimum, maximum and lanes

def least(a, b):
    return numpy.where(a < b, a, b)


def most(a, b):
    return numpy.where(a > b, a, b)


def in_lanes(x, fill):
    """[..., n] as [ceil(n / 16), ..., 16], the tail's lanes filled up."""
    steps = (x.shape[-1] + LANES - 1) // LANES
    full = numpy.full(x.shape[:-1] + (steps * LANES,), fill, F32)
    full[..., :x.shape[-1]] = x
    return numpy.moveaxis(full.reshape(x.shape[:-1] + (steps, LANES)), -2, 0)


def halve(lanes, combine):
    """16 lanes to one: lane i with i + 8, then + 4, + 2, + 1."""
    width = LANES
    while width > 1:
        width //= 2
        lanes = combine(lanes[..., :width], lanes[..., width:])
    return lanes[..., 0]


def sum_of(x):
    total = F32(0)
    for step in in_lanes(x, 0):
        total = total + step
    return halve(total, numpy.add)


def sum_of_products(x, y):
    steps = in_lanes(x, 0)
    total = numpy.zeros_like(steps[0])
    for a, b in zip(steps, in_lanes(y, 0)):
        total = fma(a, b, total)
    return halve(total, numpy.add)


def most_of(x):
    high = F32(-numpy.inf)
    for step in in_lanes(x, -numpy.inf):
        high = most(step, high)
    return halve(high, most)


def low_bytes(shifted):
    """The low 8 bits of the floats, which hold an integer to which MAGIC was added."""
    return (numpy.ascontiguousarray(shifted).view(numpy.uint32) & 0xFF).astype(numpy.uint8)


# MARK: Functions

def scaled_by_power(p, shifted):
    return (p.view(numpy.uint32) + (shifted.view(numpy.uint32) << numpy.uint32(23))).view(F32)


def exp2(t):
    shifted = t + MAGIC
    return scaled_by_power(polynomial(EXP2, t - (shifted - MAGIC)), shifted)


def exp(x):
    return exp2(least(most(x, F32(-87)), F32(88)) * LOG2E)


def log2(x):
    bits = x.view(numpy.uint32)
    exponent = ((bits >> numpy.uint32(23)).astype(numpy.int32) - 127).astype(F32)
    m = ((bits & numpy.uint32(0x007FFFFF)) | numpy.uint32(0x3F800000)).view(F32) - ONE
    return fma(polynomial(LOG2, m), m, exponent)


def tanh(x):
    a = numpy.abs(x)
    y = ONE - TWO / (exp(a + a) + ONE)
    return numpy.where(x < 0, -y, y)


def sigmoid(x):
    return ONE / (exp(-x) + ONE)


def points(*rows):
    """Polynomials at 16 points: a row for each coefficient, the highest power first."""
    return numpy.array([[f32(c) for c in row] for row in rows])


def polynomial_at(table, point, u):
    """Each u in the polynomial of its point."""
    y = table[0][point]
    for row in table[1:]:
        y = fma(y, u, row[point])
    return y


# GELU's tail, of the distance to points that lie a step apart.
GELU_STEP = F32(13 / 32)
GELU_TAIL = points(
    ("-0x1.636006p-8", "-0x1.46483cp-6", "-0x1.602d5ap-6", "-0x1.e9fdd8p-8", "0x1.7835f4p-8", "0x1.209ca6p-7",
     "0x1.48646cp-8", "0x1.f40f12p-11", "-0x1.773402p-11", "-0x1.89cce2p-11", "-0x1.93e870p-12", "-0x1.1eee84p-13",
     "-0x1.3486e0p-15", "-0x1.04d290p-17", "-0x1.61ea54p-20", "0"),
    ("0x1.14ae3cp-4", "0x1.658726p-5", "-0x1.057a6ap-9", "-0x1.0c2714p-5", "-0x1.0f64a0p-5", "-0x1.10a06ep-6",
     "-0x1.0fca00p-9", "0x1.defa26p-9", "0x1.cb4fe0p-9", "0x1.e7e274p-10", "0x1.7204eap-11", "0x1.af2cfcp-13",
     "0x1.8ed4e6p-15", "0x1.2a2590p-17", "0x1.6c487ap-20", "0"),
    ("-0x1.6a088ep-14", "0x1.86ab06p-4", "0x1.09a044p-3", "0x1.8d2ab0p-4", "0x1.4158cap-5", "-0x1.1b1df8p-9",
     "-0x1.084a5cp-6", "-0x1.bc16c2p-7", "-0x1.d8b7ecp-8", "-0x1.7558fep-9", "-0x1.cdb528p-11", "-0x1.ca93a0p-13",
     "-0x1.731c08p-15", "-0x1.edda26p-18", "-0x1.0fd392p-20", "0"),
    ("-0x1.9883b0p-2", "-0x1.591d3cp-2", "-0x1.897a6cp-3", "-0x1.903822p-5", "0x1.178778p-5", "0x1.b9752cp-5",
     "0x1.4a3416p-5", "0x1.5cdfeap-6", "0x1.1ca8a8p-7", "0x1.73b514p-9", "0x1.8b70bap-11", "0x1.5a594ap-13",
     "0x1.f6d7bep-16", "0x1.2fea30p-18", "0x1.32dc8ap-21", "0"),
    ("0x1.000000p-1", "0x1.8b5bd2p-3", "-0x1.95b246p-6", "-0x1.eb1042p-4", "-0x1.efcb3cp-4", "-0x1.4f4bf2p-4",
     "-0x1.5bd286p-5", "-0x1.217088p-6", "-0x1.8a5adap-8", "-0x1.bcac20p-10", "-0x1.a1aba8p-12", "-0x1.482816p-14",
     "-0x1.b08f78p-17", "-0x1.df4516p-20", "-0x1.bf05eap-23", "0"),
    ("0", "0x1.1cc6c8p-3", "0x1.5a8832p-3", "0x1.163a60p-3", "0x1.5aa72cp-4", "0x1.5f59c0p-5", "0x1.274f9ap-6",
     "0x1.9f785cp-8", "0x1.eb9b52p-10", "0x1.ea9a64p-12", "0x1.9da19cp-14", "0x1.26f084p-16", "0x1.63fabcp-19",
     "0x1.6bcda4p-22", "0x1.3aebfcp-25", "0"))
# The coarse GELU, for each half of x: 0, 0.5 ... 3.5, then -4 ... -0.5.
GELU_COARSE = points(
    ("0x1.95058ap-2", "0x1.38c1c2p-2", "0x1.f5e082p-4", "-0x1.b70472p-7", "-0x1.b0452ap-5", "-0x1.30bb0ap-5",
     "-0x1.0345bap-6", "0", "0", "-0x1.31d8acp-8", "-0x1.0345bap-6", "-0x1.30bb0ap-5", "-0x1.b0452ap-5",
     "-0x1.b70472p-7", "0x1.f5e082p-4", "0x1.38c1c2p-2"),
    ("0x1p-1", "0x1.1d2ba6p-1", "0x1.aa4e9ep-1", "0x1.2a3dbep+0", "0x1.4bd9b6p+0", "0x1.396fd6p+0", "0x1.1b7f6ap+0",
     "1", "0", "-0x1.245c1ap-5", "-0x1.b7f6acp-4", "-0x1.cb7eacp-3", "-0x1.2f66d6p-2", "-0x1.51edf4p-3",
     "0x1.56c586p-3", "0x1.c5a8b4p-2"),
    ("0", "-0x1.298548p-7", "-0x1.d243a2p-4", "-0x1.453aeap-2", "-0x1.b54574p-2", "-0x1.6031f0p-2", "-0x1.788cb8p-3",
     "0", "0", "-0x1.18ca7cp-4", "-0x1.788cb8p-3", "-0x1.6031f0p-2", "-0x1.b54574p-2", "-0x1.453aeap-2",
     "-0x1.d243a2p-4", "-0x1.298548p-7"))
GELU_TANH = f32("0x1.988454p-1"), f32("0x1.2444f2p-5")


def gelu(x):
    a = numpy.abs(x)
    shifted = fma(least(a, F32(15) * GELU_STEP), ONE / GELU_STEP, MAGIC)
    u = fma(shifted - MAGIC, -GELU_STEP, a)
    return most(F32(0), x) - polynomial_at(GELU_TAIL, shifted.view(numpy.uint32) & 15, u)


def gelu_coarse(x):
    half = (least(most(x, F32(-4)), F32(3.5)) + MAGIC / F32(2)).view(numpy.uint32) & 15
    return polynomial_at(GELU_COARSE, half, x)


def gelu_tanh(x):
    root, cubic = GELU_TANH
    z = x * fma(x * x, cubic, root)
    return x / (ONE + exp(z * -TWO))


def silu(x):
    return x / (ONE + exp(-x))


def relu(x):
    return most(F32(0), x)
