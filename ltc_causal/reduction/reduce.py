"""The verb: from a fitted model, or any dynamical system, to the coupling of a DCM with uncertainty and a certificate.

Lives here: `reduce_to_dcm`. Does not live here: the methods (`linearise`, `project`, `refit`), the judgement (`certificate`).
"""

from collections.abc import Sequence
from typing import TypeAlias

from ltc_causal.core.data import Inputs
from ltc_causal.core.intervention import Intervention
from ltc_causal.core.model import DynamicalSystem
from ltc_causal.core.reduction import Reduction
from ltc_causal.core.result import Fit
from ltc_causal.core.trained import TrainedNetwork
from ltc_causal.errors import InputError
from ltc_causal.reduction.certificate import judge, usual_interventions
from ltc_causal.reduction.expansion import Expansion
from ltc_causal.reduction.linearise import Taylor
from ltc_causal.reduction.project import Projection
from ltc_causal.reduction.refit import Refit
from ltc_causal.reduction.source import read_source

Method: TypeAlias = Taylor | Projection | Refit
AT_REST = Taylor()


def reduce_to_dcm(
    source: Fit | TrainedNetwork | DynamicalSystem,
    method: Method = AT_REST,
    *,
    inputs: Inputs | None = None,
    session: int = 0,
    do: Sequence[Intervention] | None = None,
) -> Reduction:
    """A fitted model, or a dynamical system, as a DCM's coupling in Hz, with the posterior's uncertainty and a certificate.

    source : a fit; or, then without uncertainty, a trained network (at its best member) or a `core.model.DynamicalSystem` (of several units
        its first ones are the regions)
    method : Taylor (exact derivatives at a point; the posterior by the delta method), Projection (nearest flow over the states visited) or
        Refit (nearest course); see there
    inputs : along which it is to hold; a fit has those of its recording
    session : whose inputs the certificate is judged on, of a fit of several
    do : each of these interventions is tried by itself, and the certificate says how well its effect is reduced; None for the usual ones
        (every region held at rest, every connection cut, every input off), an empty list for none

    The coupling acts on deviations from the operating point, dx/dt = F0 + (A + sum_k du_k B[k] + sum_l dx_l D[l]) dx + C du; the certificate
    judges that whole expansion. For a bilinear DCM at rest the reduction is the model itself, up to self-connections on which an input acts
    inside an exponential.

    Raises `InputError` for an unknown region or input, a source that cannot be reduced this way, or interventions that are none.
    """
    if not isinstance(method, Taylor | Projection | Refit):
        raise InputError(f"reduce_to_dcm(method) must be Taylor(), Projection() or Refit(), got {method!r}.")
    read = read_source(source, inputs, session)
    made = method.estimate(read)
    expansion = Expansion(made.coupling, made.constant, made.state, made.inputs)
    tried = usual_interventions(read) if do is None else do
    certificate = judge(read, expansion, method.describe(), method.operating_point, tried=[[one] for one in tried])
    return Reduction(made.coupling, made.posterior, certificate, made.constant, made.state, made.inputs, made.draws, made.note)
