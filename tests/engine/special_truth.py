"""The special functions at one point, to a hundred bits: mpmath where it is quick, own series elsewhere."""

from mpmath import mp, mpf

BITS = 120
_FROM = 16  # here the asymptotic series gives 100 bits
_BERNOULLI = [mp.bernoulli(2 * k) for k in range(1, 21)]


def _reflected(x):
    return x < -3


def lgamma(x):
    if _reflected(x):
        return mp.log(mp.pi / abs(mp.sinpi(x))) - mp.loggamma(1 - x)
    return mp.log(abs(mp.gamma(x))) if x < 100 else mp.loggamma(x)


def log_factorial(y):
    if abs(y) < mpf(2) ** -40:
        return y * (-mp.euler + y * (mp.zeta(2) / 2 - y * (mp.zeta(3) / 3 - y * mp.zeta(4) / 4)))
    with mp.extraprec(40):
        return lgamma(1 + y)


def stirling(y):
    if y > 1e6:
        return mp.log(2 * mp.pi * y) / 2 + (1 - (1 - 2 / (7 * y**2)) / (30 * y**2)) / (12 * y)
    with mp.extraprec(40):
        return log_factorial(y) - y * mp.log(y) + y


def digamma(x):
    if _reflected(x):
        return digamma(1 - x) - mp.pi * mp.cospi(x) / mp.sinpi(x)
    return digamma(1 + x) - 1 / x if x < 1 else mp.digamma(x)


def _polygamma(x, order, leading):
    """(-1)^(order + 1) psi^(order)(x) by recurrence and the asymptotic series, whose first terms are given."""
    total, factorial = mpf(0), order
    while x < _FROM:
        total += factorial / x ** (order + 1)
        x += 1
    total += leading(x)
    power = x ** -(order + 2)
    for k, number in enumerate(_BERNOULLI, 1):
        total += number * power * (2 * k + 1 if order == 2 else 1)
        power /= x * x
    return total


def trigamma(x):
    if _reflected(x):
        return (mp.pi / mp.sinpi(x)) ** 2 - trigamma(1 - x)
    return _polygamma(x, 1, lambda x: 1 / x + 1 / (2 * x**2))


def tetragamma(x):
    if _reflected(x):
        return tetragamma(1 - x) - 2 * mp.pi**3 * mp.cospi(x) / mp.sinpi(x) ** 3
    return -_polygamma(x, 2, lambda x: 1 / x**2 + 1 / x**3)


def normal_cdf(x):
    return mp.erfc(-x / mp.sqrt(2)) / 2 if x > -1e6 else mpf(0)


def log_normal_cdf(x):
    if x < -1e6:
        return -x * x / 2 - mp.log(-x * mp.sqrt(2 * mp.pi)) - 1 / x**2 + 5 / (2 * x**4)
    return mp.log(normal_cdf(x)) if x < 0 else mp.log1p(-normal_cdf(-x))


def log_normal_cdf_slope(x):
    """h(x), the density over the distribution function; both have the error of a square in the exponent."""
    if x < -1e12:
        return -x * (1 + 1 / x**2 - 2 / x**4)
    with mp.extraprec(100):
        return mp.exp(-x * x / 2) * mp.sqrt(2 / mp.pi) / mp.erfc(-x / mp.sqrt(2))


def log_normal_cdf_bend(x):
    """h(x) (x + h(x)), whose sum cancels twice the digits of x."""
    if x < -1e12:
        return 1 - 1 / x**2 + 6 / x**4
    with mp.extraprec(100):
        slope = log_normal_cdf_slope(x)
        return slope * (x + slope)


TRUTH = {
    "lgamma": lgamma,
    "log_factorial": log_factorial,
    "stirling": stirling,
    "digamma": digamma,
    "trigamma": trigamma,
    "tetragamma": tetragamma,
    "erf": mp.erf,
    "normal_cdf": normal_cdf,
    "log_normal_cdf": log_normal_cdf,
    "log_normal_cdf_slope": log_normal_cdf_slope,
    "log_normal_cdf_bend": log_normal_cdf_bend,
}


def condition(f, x):
    """How many times larger the relative change of f is than that of x."""
    step, base = mpf(2) ** -60, f(x)
    return float(abs((f(x * (1 + step)) - base) / (base * step))) if base else mp.inf
