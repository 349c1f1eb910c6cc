"""The prior over how a gene is regulated, as GeneNetWeaver draws it, and the steps by which a Markov chain explores it.

Lives here: draws from the prior and `propose`, with the logarithm of its Hastings ratio. Does not live here: the data (`gene_sampler`).

Prior: each other gene regulates with probability EDGE, at most MOST of them; every way to share the regulators out to modules is as probable;
a module is an enhancer or a repressor, binds as a complex or not, each evenly; a regulator is an activator of its module with probability
ACTIVATING, and a module has one at least; K is uniform, all else normal between bounds (mean, sd, least, most).
"""

import numpy as np
from gene_kinetics import (
    ACTIVATOR,
    BASAL,
    COMPLEX,
    COUNT,
    EFFECT,
    HILL,
    MODULE,
    MODULES,
    MOST,
    REGULATOR,
    SIGN,
    SIZE,
    K,
    set_alpha,
)
from numba import njit

EDGE = 0.15
ACTIVATING = 0.75
K_LEAST, K_MOST = 0.01, 1.0
HILLS = (2.0, 2.0, 1.0, 10.0)
EFFECTS = (0.625, 0.125, 0.25, 1.0)
LOW, MEDIUM = (0.0, 0.05, 0.0, 0.25), (0.5, 0.25 / 3, 0.25, 0.75)
WAYS = np.array([1.0, 1.0, 2.0, 5.0, 15.0])  # to share 0 .. 4 regulators out to modules (Bell numbers)
PER_REGULATOR, PER_MODULE = (REGULATOR, MODULE, ACTIVATOR, K, HILL), (SIGN, COMPLEX, EFFECT)
NEVER = -np.inf


@njit(cache=True)
def draw_normal(law):
    while True:
        value = law[0] + law[1] * np.random.standard_normal()
        if law[2] <= value <= law[3]:
            return value


@njit(cache=True)
def log_normal_ratio(new, old, law):
    if new < law[2] or new > law[3]:
        return NEVER
    return ((old - law[0]) ** 2 - (new - law[0]) ** 2) / (2 * law[1] ** 2)


@njit(cache=True)
def draw_regulator(gene, r):
    gene[ACTIVATOR + r] = 1.0 if np.random.random() < ACTIVATING else 0.0
    gene[K + r] = np.random.uniform(K_LEAST, K_MOST)
    gene[HILL + r] = draw_normal(HILLS)


@njit(cache=True)
def draw_module(gene, k):
    gene[SIGN + k] = 1.0 if np.random.random() < 0.5 else -1.0
    gene[COMPLEX + k] = 1.0 if np.random.random() < 0.5 else 0.0
    gene[EFFECT + k] = draw_normal(EFFECTS)


@njit(cache=True)
def without_regulator():
    """A gene that nothing regulates, its unused numbers drawn from the prior."""
    gene = np.zeros(SIZE)
    gene[BASAL], gene[BASAL + 1], gene[BASAL + 2] = draw_normal(LOW), draw_normal(MEDIUM), draw_normal(LOW)
    set_alpha(gene)
    return gene


@njit(cache=True)
def lacks_activator(gene):
    for k in range(int(gene[MODULES])):
        found = False
        for r in range(int(gene[COUNT])):
            found |= gene[MODULE + r] == k and gene[ACTIVATOR + r] == 1
        if not found:
            return True
    return False


@njit(cache=True)
def _leave_module(gene, r):
    """Take regulator r out of its module, and the module away if it was the last."""
    left, last = int(gene[MODULE + r]), int(gene[MODULES]) - 1
    gene[MODULE + r] = -1
    for other in range(int(gene[COUNT])):
        if gene[MODULE + other] == left:
            return
    for part in PER_MODULE:
        gene[part + left] = gene[part + last]
    for other in range(int(gene[COUNT])):
        if gene[MODULE + other] == last:
            gene[MODULE + other] = left
    gene[MODULES] = last


@njit(cache=True)
def _join_module(gene, r):
    """Put regulator r into one of the modules or a new one, each as probable; the number of choices."""
    choices = int(gene[MODULES]) + 1
    k = np.random.randint(choices)
    if k == choices - 1:
        draw_module(gene, k)
        gene[MODULES] = choices
    gene[MODULE + r] = k
    return choices


@njit(cache=True)
def _absent(gene, i, n):
    """A gene that does not regulate i, drawn evenly."""
    while True:
        j = np.random.randint(n)
        fresh = j != i
        for r in range(int(gene[COUNT])):
            fresh &= gene[REGULATOR + r] != j
        if fresh:
            return j


@njit(cache=True)
def _add(gene, i, n):
    count = int(gene[COUNT])
    if count == min(MOST, n - 1):
        return NEVER
    gene[REGULATOR + count] = _absent(gene, i, n)
    gene[COUNT] = count + 1
    gene[MODULE + count] = -1
    draw_regulator(gene, count)
    choices = _join_module(gene, count)
    odds = EDGE / (1 - EDGE) * WAYS[count] / WAYS[count + 1]
    return np.log(odds * (n - 1 - count) * choices / (count + 1))


@njit(cache=True)
def _remove(gene, n):
    count = int(gene[COUNT])
    if count == 0:
        return NEVER
    r = np.random.randint(count)
    _leave_module(gene, r)
    for part in PER_REGULATOR:
        gene[part + r] = gene[part + count - 1]
    gene[COUNT] = count - 1
    odds = EDGE / (1 - EDGE) * WAYS[count - 1] / WAYS[count]
    return -np.log(odds * (n - count) * (gene[MODULES] + 1) / count)


@njit(cache=True)
def _walk(gene, at, law, scale):
    step = scale * law[1] * np.random.standard_normal()
    gene[at] += step
    return log_normal_ratio(gene[at], gene[at] - step, law)


@njit(cache=True)
def _change_regulator(gene, i, n):
    r = np.random.randint(int(gene[COUNT]))
    kind = np.random.randint(7)
    if kind == 0:
        gene[K + r] += 10 ** np.random.uniform(-2.5, -0.5) * np.random.standard_normal()
        return 0.0 if K_LEAST <= gene[K + r] <= K_MOST else NEVER
    if kind == 1:
        return _walk(gene, HILL + r, HILLS, 10 ** np.random.uniform(-1.0, 0.3))
    if kind == 2:
        draw_regulator(gene, r)
    elif kind == 3:  # another gene in its place, with its numbers or with new ones
        if int(gene[COUNT]) == n - 1:
            return NEVER
        gene[REGULATOR + r] = _absent(gene, i, n)
        if np.random.random() < 0.5:
            draw_regulator(gene, r)
    elif kind == 4:
        _leave_module(gene, r)
        _join_module(gene, r)
    elif kind == 5:
        gene[ACTIVATOR + r] = 1 - gene[ACTIVATOR + r]
        odds = np.log(ACTIVATING / (1 - ACTIVATING))
        return odds if gene[ACTIVATOR + r] else -odds
    else:  # K and the Hill coefficient together
        gene[K + r] += 0.1 * np.random.standard_normal()
        ratio = _walk(gene, HILL + r, HILLS, 0.5)
        return ratio if K_LEAST <= gene[K + r] <= K_MOST else NEVER
    return 0.0


@njit(cache=True)
def _change_module(gene):
    k = np.random.randint(int(gene[MODULES]))
    kind = np.random.randint(4)
    if kind == 0:
        gene[SIGN + k] *= -1
    elif kind == 1:
        gene[COMPLEX + k] = 1 - gene[COMPLEX + k]
    elif kind == 2:
        draw_module(gene, k)
    else:
        return _walk(gene, EFFECT + k, EFFECTS, 10 ** np.random.uniform(-1.0, 0.3))
    return 0.0


@njit(cache=True)
def propose(gene, i, n):
    """Change the regulation of gene i of n, in place; log of prior times proposal, new over old. Half the steps change who regulates."""
    kind = np.random.random()
    if kind < 0.15:
        ratio = _add(gene, i, n)
    elif kind < 0.3:
        ratio = _remove(gene, n)
    elif kind < 0.4:
        which = np.random.randint(3)
        ratio = _walk(gene, BASAL + which, MEDIUM if which == 1 else LOW, 10 ** np.random.uniform(-1.0, 0.3))
    elif gene[COUNT] == 0:
        return NEVER
    elif kind < 0.8:
        ratio = _change_regulator(gene, i, n)
    else:
        ratio = _change_module(gene)
    if ratio == NEVER or lacks_activator(gene):
        return NEVER
    set_alpha(gene)
    return ratio
