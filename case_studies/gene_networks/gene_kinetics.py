"""A gene network in the kinetic form of GeneNetWeaver at its steady state (Schaffter, Marbach and Floreano 2011; here x = mRNA = protein).

Lives here: how strongly a gene is transcribed, and the steady state of all genes under any caps and shifts. Does not live here: the
posterior over such networks (`gene_sampler`), the data (`gene_experiments`).

    x_i = cap_i sum_s alpha_is prod_k (p_k if module k is on in state s, else 1 - p_k)

over the on and off states of the modules k that regulate gene i. With c_j = (x_j / K_j)^h_j, a module is on with p = A / (1 + A + A D) if its
regulators bind as a complex, else p = A / prod_j (1 + c_j); A = product of c over its activators, D over its deactivators. alpha lies in
[0, 1], 1 is the largest transcription. cap is 0 for a knock-out, .5 for a knock-down.

A gene is one row of numbers, because such a row is copied, changed and put back a million times; the offsets below name its parts.
"""

import numpy as np
from numba import njit

MOST = 4  # regulators of one gene
COUNT, MODULES, REGULATOR, MODULE, ACTIVATOR, K, HILL, SIGN, COMPLEX, EFFECT = 0, 1, *(2 + MOST * k for k in range(8))
BASAL = 2 + 8 * MOST  # three: alone with activators, with both kinds, and what repressors leave
ALPHA = BASAL + 3
SIZE = ALPHA + 2**MOST

WEAK = 0.25
LEAST = 1e-12
TOLERANCE = 1e-4
BOLD, CAREFUL, PATIENCE, SWEEPS = (
    0.8,
    0.25,
    40,
    300,
)  # steps towards rest; a loop of steep repression needs the small ones, after PATIENCE sweeps


@njit(cache=True)
def set_alpha(gene):
    """Transcription in each state of the modules, from their effects, by the rules by which GeneNetWeaver makes networks."""
    modules = int(gene[MODULES])
    effect = np.zeros(MOST)
    up = down = 0.0
    for k in range(modules):
        effect[k] = gene[EFFECT + k] * gene[SIGN + k]
        up, down = up + max(effect[k], 0.0), down + min(effect[k], 0.0)
    base = 1.0 if up == 0 else (gene[BASAL] if down == 0 else gene[BASAL + 1])
    # Together activators must reach full transcription, and repressors little: the weakest is made stronger where they do not.
    if up > 0 and base + up < 1:
        effect[_weakest(effect, modules, 1.0)] += 1 - base - up
    if down < 0 and base + down > WEAK:
        effect[_weakest(effect, modules, -1.0)] += gene[BASAL + 2] - base - down
    for state in range(2**modules):
        total = base
        for k in range(modules):
            if state >> k & 1:
                total += effect[k]
        gene[ALPHA + state] = min(max(total, 0.0), 1.0)


@njit(cache=True)
def _weakest(effect, modules, sign):
    found = -1
    for k in range(modules):
        if effect[k] * sign > 0 and (found < 0 or abs(effect[k]) < abs(effect[found])):
            found = k
    return found


@njit(cache=True)
def transcription(gene, log_x, shift, basal, on):
    """Of one gene at log expressions log_x (gene,); its basal level shifted, or set if basal >= 0; on is room for the modules."""
    count, modules = int(gene[COUNT]), int(gene[MODULES])
    for k in range(modules):
        act, deact, apart, silenced = 1.0, 1.0, 1.0, False
        for r in range(count):
            if gene[MODULE + r] == k:
                c = np.exp(min(gene[HILL + r] * (log_x[int(gene[REGULATOR + r])] - np.log(gene[K + r])), 60.0))
                apart *= 1 + c
                if gene[ACTIVATOR + r]:
                    act *= c
                else:
                    deact, silenced = deact * c, True
        on[k] = act / ((1 + act + (act * deact if silenced else 0.0)) if gene[COMPLEX + k] else apart)
    base = gene[ALPHA]
    moved = (basal if basal >= 0 else min(max(base + shift, 0.0), 1.0)) - base
    total = 0.0
    for state in range(2**modules):
        p = 1.0
        for k in range(modules):
            p *= on[k] if state >> k & 1 else 1 - on[k]
        total += p * min(max(gene[ALPHA + state] + moved, 0.0), 1.0)
    return total


@njit(cache=True)
def settle(genes, cap, shift, basal, x, log_x, on):
    """Move x (gene,) to its steady state by damped sweeps; False if it has not come to rest. log_x and on are room."""
    n = len(x)
    for i in range(n):
        log_x[i] = np.log(max(x[i], LEAST))
    for sweep in range(SWEEPS):
        moved, share = 0.0, BOLD if sweep < PATIENCE else CAREFUL
        for i in range(n):
            step = cap[i] * transcription(genes[i], log_x, shift[i], basal[i], on) - x[i] if cap[i] > 0 else -x[i]
            x[i] += step if cap[i] == 0 else share * step
            log_x[i] = np.log(max(x[i], LEAST))
            moved = max(moved, abs(step))
        if moved < TOLERANCE:
            return True
    return False


@njit(cache=True)
def steady_states(genes, caps, start):
    """Expression under each row of caps, shape (experiment, gene), from the steady state `start` of the network left alone."""
    none, free = np.zeros(len(start)), -np.ones(len(start))
    log_x, on = np.empty(len(start)), np.empty(MOST)
    found = np.empty(caps.shape)
    for row in range(len(caps)):
        found[row] = start * caps[row]
        settle(genes, caps[row], none, free, found[row], log_x, on)
    return found
