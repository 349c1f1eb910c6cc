"""Networks in proportion to how well they explain the measured steady states: a Markov chain with parallel tempering.

Lives here: the likelihood, the chain, `sample`. Does not live here: prior and steps (`gene_moves`), the data (`gene_experiments`).

A proposal is first judged by its own gene alone, all others held where they are; only if it passes is the network solved anew, and the
error of the first look made good (delayed acceptance, Christen and Fox 2005), so that the chain's law is that of the full model.
"""

from math import erfc

import numpy as np
from gene_kinetics import COUNT, LEAST, MOST, REGULATOR, SIZE, settle, transcription
from gene_moves import NEVER, propose, without_regulator
from numba import njit

HIT = 1 / 3  # share of the genes whose basal level is set in a time series
SHIFT = 0.25  # sd of the shift of basal levels in the multifactorial experiments
NONE, NORMAL, SET = 0, 1, 2  # what is hidden in an experiment
WARMING, CHAINS = 0.83, 16  # inverse temperature of each chain over that of the one before
HIDDEN_STEPS = 2  # an experiment and sweep
APART, CAUTION = 400, 0.5  # times the proposals of a sweep, and the inverse temperature, at the start: there x is measured, with noise


@njit(cache=True)
def log_likelihood(y, x, noise):
    """Of one measurement y, when expression is x; noise = scale, a, b, K and sd.

    y = max(0, scale x exp(w) + e), w ~ N(0, a + (b - a) / (1 + x / K)), e ~ N(0, sd^2): here a normal of the same mean and variance, cut at 0.
    """
    scale, a, b, half, sd = noise
    v = a + (b - a) / (1 + x / half)
    mean = scale * x * np.exp(v / 2)
    spread = np.sqrt(sd**2 + mean**2 * (np.exp(v) - 1))
    z = (y - mean) / spread
    if y > 0:
        return -0.5 * z * z - np.log(spread)
    return np.log(max(0.5 * erfc(-z / np.sqrt(2.0)), 1e-300))


@njit(cache=True)
def _of_gene(x, y, owner, i, noise):
    """Log likelihood of all measurements of gene i; x (experiment,)."""
    total = 0.0
    for row in range(len(y)):
        total += log_likelihood(y[row, i], x[owner[row]], noise)
    return total


@njit(cache=True)
def _alone(gene, i, x, cap, shift, basal, on, out):
    """Expression of gene i (experiment,), into out, with all others as they are."""
    log_x = np.empty(x.shape[1])
    for c in range(len(x)):
        if cap[c, i] == 0:
            out[c] = 0.0
            continue
        for j in range(x.shape[1]):
            log_x[j] = np.log(max(x[c, j], LEAST))
        out[c] = cap[c, i] * transcription(gene, log_x, shift[c, i], basal[c, i], on)


@njit(cache=True)
def _solve(genes, cap, shift, basal, x):
    log_x, on = np.empty(x.shape[1]), np.empty(MOST)
    for c in range(len(x)):
        if not settle(genes, cap[c], shift[c], basal[c], x[c], log_x, on):
            return False
    return True


@njit(cache=True)
def _step_gene(i, genes, cap, shift, basal, x, fit, y, owner, noise, beta):
    """One proposal for gene i; fit (gene,) is the log likelihood of each gene's measurements."""
    n, on = len(genes), np.empty(MOST)
    new = genes[i].copy()
    ratio = propose(new, i, n)
    if ratio == NEVER:
        return False
    alone = np.empty(len(x))
    _alone(new, i, x, cap, shift, basal, on, alone)
    first = beta * (_of_gene(alone, y, owner, i, noise) - fit[i]) + ratio
    if np.log(np.random.random()) >= first:
        return False
    old = genes[i].copy()
    genes[i] = new
    x_new, fit_new = x.copy(), np.empty(n)
    if _solve(genes, cap, shift, basal, x_new):
        for j in range(n):
            fit_new[j] = _of_gene(x_new[:, j], y, owner, j, noise)
        _alone(old, i, x_new, cap, shift, basal, on, alone)
        back = beta * (_of_gene(alone, y, owner, i, noise) - fit_new[i]) - ratio
        second = beta * (fit_new.sum() - fit.sum()) + ratio + min(back, 0.0) - min(first, 0.0)
        if np.log(np.random.random()) < second:
            x[:], fit[:] = x_new, fit_new
            return True
    genes[i] = old
    return False


@njit(cache=True)
def _change_hidden(c, i, kind, shift, basal):
    """Another shift or level of gene i in experiment c, in place; log of prior times proposal."""
    if kind == NORMAL:
        before = shift[c, i]
        shift[c, i] += 10 ** np.random.uniform(-2.0, 0.0) * np.random.standard_normal()
        return (before**2 - shift[c, i] ** 2) / (2 * SHIFT**2)
    was_set = basal[c, i] >= 0
    if np.random.random() < 0.5:
        basal[c, i] = np.random.random() if was_set else -1.0
        return 0.0
    basal[c, i] = -1.0 if was_set else np.random.random()
    return np.log((1 - HIT) / HIT) if was_set else np.log(HIT / (1 - HIT))


@njit(cache=True)
def _step_hidden(c, i, kind, genes, cap, shift, basal, x, fit, y, owner, noise, beta):
    """One proposal for what was done to the basal level of gene i in experiment c."""
    before = shift[c, i], basal[c, i]
    ratio = _change_hidden(c, i, kind, shift, basal)
    new, change = x[c].copy(), np.zeros(len(fit))
    if settle(genes, cap[c], shift[c], basal[c], new, np.empty(len(new)), np.empty(MOST)):
        for row in range(len(y)):
            if owner[row] == c:
                for j in range(len(fit)):
                    change[j] += log_likelihood(y[row, j], new[j], noise) - log_likelihood(y[row, j], x[c, j], noise)
        if np.log(np.random.random()) < beta * change.sum() + ratio:
            x[c] = new
            fit += change
            return
    shift[c, i], basal[c, i] = before


@njit(cache=True)
def _refit(x, fit, y, owner, noise):
    """The likelihoods anew, so that rounding does not add up."""
    for i in range(len(fit)):
        fit[i] = _of_gene(x[:, i], y, owner, i, noise)


@njit(cache=True)
def _apart(genes, cap, x, y, owner, noise, proposals):
    """Start every chain's genes (chain, gene, SIZE) by exploring each gene by itself, its regulators held at x (experiment, gene)."""
    shift, basal = np.zeros(cap.shape), -np.ones(cap.shape)
    on, said, fit = np.empty(MOST), np.empty(len(cap)), np.empty(CHAINS)
    for i in range(cap.shape[1]):
        for t in range(CHAINS):
            _alone(genes[t, i], i, x, cap, shift, basal, on, said)
            fit[t] = _of_gene(said, y, owner, i, noise)
        for step in range(proposals):
            for t in range(CHAINS):
                new = genes[t, i].copy()
                ratio = propose(new, i, cap.shape[1])
                if ratio == NEVER:
                    continue
                _alone(new, i, x, cap, shift, basal, on, said)
                fit_new = _of_gene(said, y, owner, i, noise)
                if np.log(np.random.random()) < CAUTION * WARMING**t * (fit_new - fit[t]) + ratio:
                    genes[t, i], fit[t] = new, fit_new
            if step % 10 == 0:
                for t in range(CHAINS - 1, 0, -1):
                    if np.log(np.random.random()) < CAUTION * WARMING ** (t - 1) * (1 - WARMING) * (fit[t] - fit[t - 1]):
                        hold, fit[t], fit[t - 1] = genes[t, i].copy(), fit[t - 1], fit[t]
                        genes[t, i], genes[t - 1, i] = genes[t - 1, i], hold


@njit(cache=True)
def _swap(genes, shift, basal, x, fit):
    """Exchange neighbouring chains, by Metropolis; how many were."""
    swaps = 0
    for t in range(CHAINS - 1, 0, -1):
        if np.log(np.random.random()) < WARMING ** (t - 1) * (1 - WARMING) * (fit[t].sum() - fit[t - 1].sum()):
            swaps += 1
            _exchange(genes, t)
            _exchange(fit, t)
            for part in (shift, basal, x):
                _exchange(part, t)
    return swaps


@njit(cache=True)
def _exchange(part, t):
    hold = part[t].copy()
    part[t] = part[t - 1]
    part[t - 1] = hold


@njit(cache=True)
def run_chain(y, owner, cap, kinds, noise, guess, warm_up, sweeps, every, proposals, seed):
    """Networks (draw, gene, SIZE), their steady states (draw, experiment, gene), log likelihoods (draw,) and the share of swaps accepted.

    y : measurements (row, gene) of experiment owner[row]; cap (experiment, gene); kinds (experiment,), what is hidden in it, NONE first
    noise : as of `log_likelihood`; guess (experiment, gene) : of the steady states where nothing is hidden, from which the chain starts
    warm_up, sweeps : how many, of which each `every`-th is kept; proposals : a gene and sweep, APART times as many a gene for the start
    """
    np.random.seed(seed)
    n, experiments, open_ones = cap.shape[1], len(cap), (kinds == NONE).sum()
    genes = np.empty((CHAINS, n, SIZE))
    shift, basal = np.zeros((CHAINS, experiments, n)), -np.ones((CHAINS, experiments, n))
    x, fit = np.empty((CHAINS, experiments, n)), np.empty((CHAINS, n))
    for t in range(CHAINS):
        for i in range(n):
            genes[t, i] = without_regulator()
    known = owner < open_ones
    _apart(genes, cap[:open_ones], guess[:open_ones], y[known], owner[known], noise, APART * proposals)
    for t in range(CHAINS):
        x[t] = cap
        x[t, :open_ones] = guess[:open_ones]
        _solve(genes[t], cap, shift[t], basal[t], x[t])
        _refit(x[t], fit[t], y, owner, noise)
    kept = sweeps // every
    out, states, levels, swaps = np.empty((kept, n, SIZE)), np.empty((kept, experiments, n)), np.empty(kept), 0
    for sweep in range(warm_up + sweeps):
        for t in range(CHAINS):
            beta = WARMING**t
            for c in range(open_ones, experiments):
                for _ in range(HIDDEN_STEPS if sweep else APART):
                    i = np.random.randint(n)
                    _step_hidden(c, i, kinds[c], genes[t], cap, shift[t], basal[t], x[t], fit[t], y, owner, noise, beta)
            for _ in range(proposals):
                for i in range(n):
                    _step_gene(i, genes[t], cap, shift[t], basal[t], x[t], fit[t], y, owner, noise, beta)
            _refit(x[t], fit[t], y, owner, noise)
        swaps += _swap(genes, shift, basal, x, fit)
        at = (sweep - warm_up) // every
        if sweep >= warm_up and (sweep - warm_up) % every == every - 1 and at < kept:
            out[at], states[at], levels[at] = genes[0], x[0], fit[0].sum()
    return out, states, levels, swaps / ((CHAINS - 1) * (warm_up + sweeps))


def regulators(genes):
    """Probability of each connection (target, source) over draws of shape (draw, gene, SIZE)."""
    n = genes.shape[1]
    found = np.zeros((n, n))
    for draw in genes:
        for i, gene in enumerate(draw):
            found[i, gene[REGULATOR : REGULATOR + int(gene[COUNT])].astype(int)] += 1
    return found / len(genes)
