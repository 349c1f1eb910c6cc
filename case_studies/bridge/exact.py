"""What needs no data: derivatives, bijection, embedding, bound and projection on random networks, one seed at a time.

The random networks are those of the tests; lives here: what each of them gets wrong. Does not live here: medians, limits, tables.
"""

import sys
from pathlib import Path

import numpy as np

import ltc_causal as lc
from ltc_causal.reduction.certificate import judge, usual_interventions
from ltc_causal.reduction.expansion import Expansion, Terms
from ltc_causal.reduction.source import Source, read_source

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests"))
from liquid_systems import blocks, liquid_source  # noqa: E402
from models import test_synaptic  # noqa: E402
from reduction.test_to_liquid import embedding_errors, liquid  # noqa: E402

__all__ = ["bijection_error", "bound_ratio", "derivative_error", "effects_reduced", "embedding_errors", "gated_source", "liquid_source"]


def derivative_error(seed):
    """Largest difference of A, B and C from automatic differentiation of the flow written a second time, relative to the largest entry."""
    net, rng = test_synaptic.network(seed), np.random.default_rng(seed)
    x, u = rng.standard_normal(len(net.regions)), rng.standard_normal(len(net.inputs))
    ours, theirs = net.coupling(x, u), lc.coupling_of(test_synaptic.flow_in_torch(net), x, u, net.regions, net.inputs)
    return max(np.abs(getattr(ours, M) - getattr(theirs, M)).max() / np.abs(getattr(theirs, M)).max() for M in "ABC")


def bijection_error(seed):
    """Largest relative difference of the flows of a liquid DCM, its raw synapses, and the liquid DCM made of these."""
    one, rng = liquid(seed, threshold=False), np.random.default_rng(seed)
    form = lc.to_synaptic(one)
    systems = one.system(), form.network, lc.from_synaptic(form.network).system()
    x, u = rng.standard_normal((len(one.model.regions), 5)), rng.standard_normal(len(one.model.inputs))
    first, *others = (system.flow(x, u) for system in systems)
    return max(np.linalg.norm(other - first) / np.linalg.norm(first) for other in others)


def reduced_as(method, source):
    made = method.estimate(source)
    return Expansion(made.coupling, made.constant, made.state, made.inputs)


def bound_ratio(seed):
    """The bound over the true error of a Taylor reduction's course, NaN where there is no error but rounding."""
    rng = np.random.default_rng(seed)
    source = liquid_source(seed, kappa=float(rng.choice([0.3, 1.0, 2.0])), amplitude=float(rng.uniform(0.2, 1.5)))
    found = judge(source, reduced_as(lc.Taylor(), source), "", "")
    return found.bound / found.trajectory if 1e-9 < found.trajectory < np.inf else np.nan


def gated_source(seed, gating=0.0, amplitude=1.0):
    """A synaptic network with thresholds and reversal potentials (so that D is not zero), gated by inputs and, if asked, by regions.

    None where such a network has no stable rest.
    """
    rng, n, m = np.random.default_rng(seed), 4, 3
    weight = rng.uniform(0.2, 0.8, (n, n)) * ((rng.random((n, n)) < 0.5) & ~np.eye(n, dtype=bool))
    drive = np.where(rng.random((n, m)) < 0.4, rng.choice([-1, 1], (n, m)) * rng.uniform(0.3, 0.8, (n, m)), 0.0)
    drive[0, 0] = 0.6
    found = lc.SynapticNetwork(
        tuple("abcd"), tuple("uvw"), rng.uniform(0.6, 1.0, n), weight, rng.uniform(1, 2, (n, n)), rng.uniform(-0.3, 0.5, (n, n)),
        rng.choice([-1.5, 1.5], (n, n), p=[0.3, 0.7]), drive=drive,
        input_gating=rng.normal(0, 1, (m, n, n)) * (rng.random((m, n, n)) < 0.25),
        region_gating=gating * rng.normal(0, 1, (n, n, n)) * (rng.random((n, n, n)) < 0.3),
    )  # fmt: skip
    try:
        network = found.about_rest()
    except lc.InputError:
        return None
    inputs = blocks(rng, amplitude, 300, 0.2)
    return read_source(network, lc.Inputs(inputs.values, inputs.dt, tuple("uvw")))


class WithoutGating(lc.Projection):
    """The projection on A, B and C alone."""

    def terms(self, source: Source) -> Terms:
        names = source.model.edge_names if source.couples else [name for name in super().terms(source).names if name[0] != "D"]
        return Terms.named(source.regions, source.inputs, names)


def effects_reduced(source, method):
    """rho, and the median and largest error of the effects of all usual interventions and of inputs switched on."""
    tried = [*usual_interventions(source), *(lc.SetInput(name, 1.0) for name in source.inputs)]
    found = judge(source, reduced_as(method, source), "", "", tried=[[one] for one in tried])
    return found.residual, float(np.median(list(found.interventions.values()))), max(found.interventions.values())
