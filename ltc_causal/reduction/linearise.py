"""From a fitted model to A, B, C (and D): Taylor coefficients of its neuronal flow at an operating point.

Lives here: `reduce_to_dcm` and its method. Does not live here: the derivatives, which are the model's (`models`), nor the judgement
(`certificate`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ltc_causal.core.coupling import coupling_posterior, named_vector
from ltc_causal.core.result import Fit, Reduction
from ltc_causal.errors import InputError
from ltc_causal.reduction.certificate import certify


@dataclass(frozen=True)
class Taylor:
    """Expansion of the flow about a point: A = dF/dx, B[k] = d2F/dx du_k, C = dF/du there.

    state : {region: activity as deviation from rest}; regions not named are at rest
    inputs : {input: value}, as the model uses them (deviations from the mean where it centres); inputs not named are 0
    """

    state: Mapping[str, float] | None = None
    inputs: Mapping[str, float] | None = None

    def __str__(self) -> str:
        values = {**(self.state or {}), **(self.inputs or {})}
        return ", ".join(f"{name} = {value:g}" for name, value in values.items()) or "rest"


AT_REST = Taylor()


def reduce_to_dcm(source: Fit, method: Taylor = AT_REST, session: int = 0) -> Reduction:
    """A fitted model as a DCM's coupling in Hz, with the posterior's uncertainty and a certificate.

    The posterior is carried over by the delta method with exact derivatives. Away from rest the coupling acts on deviations from the
    operating point, dx/dt = F(point) + (A + sum_k du_k B[k] + sum_l dx_l D[l]) dx + C du; the certificate judges that whole expansion.
    For a bilinear DCM at rest the reduction is the model itself, up to self-connections on which an input acts inside an exponential.

    session : whose inputs the certificate is judged on, of a fit of several

    Raises `InputError` for an unknown region or input in the operating point.
    """
    if not isinstance(source, Fit):
        raise InputError(f"reduce_to_dcm needs a Fit, got {type(source).__name__}: fit a model first.")
    model, theta = source.model, source.posterior.mean
    state = named_vector("region", method.state, model.regions)
    point = named_vector("input", method.inputs, model.inputs)
    coupling = model.coupling(theta, state, point)
    posterior = coupling_posterior(model, source.posterior, state, point)
    recording = source.session(session).recording
    system = model.system(theta[None], recording.echo_time)
    inputs = model.prepared_inputs(recording.inputs)
    return Reduction(coupling, posterior, certify(system, inputs, coupling, state, point, str(method)))
