"""What is known of a DCM's parameters before the data: SPM's defaults, and the synapses of a liquid DCM.

Lives here: the numbers, each with its source, as (mean, variance) on the parameters' own scale. Does not live here: which parameters a model
has (`parameters`).
"""

from ltc_causal.core.model import NoisePrior

# One-state and two-state DCM for fMRI, defaults of SPM12 and later, for each matrix of connections.
ONE_STATE = {"A": (1.0 / 128.0, 1.0 / 64.0), "B": (0.0, 1.0), "C": (0.0, 1.0), "D": (0.0, 1.0)}
TWO_STATE = {"A": (0.0, 1.0 / 16.0), "B": (0.0, 1.0 / 4.0), "C": (0.0, 4.0)}
HAEMODYNAMIC = (0.0, 1.0 / 256.0)  # transit, decay and epsilon, as log-deviations
# log kappa: synapses that saturate mildly over the usual range of activity; kappa -> 0 is the bilinear DCM.
SATURATION = (-1.2039728043259361, 1.0)  # log 0.3
THRESHOLD = (0.0, 1.0)  # tau, where a synapse stands on its sigmoid at rest
REVERSAL = (0.0, 0.09)  # lambda, per unit activity of the target; 0 is a synapse that never runs out of driving force
# Where an ascent begins besides the prior mean: at little saturation the gradient in log kappa vanishes, so that from there a strongly
# saturating solution is never found.
SATURATED_START = 2.302585092994046  # log 10
NOISE = NoisePrior(mean=6.0, variance=1.0 / 128.0)
# Of recorded activity, whose units are the user's: an sd of the noise between a hundredth and ten, most likely about a tenth.
ACTIVITY_NOISE = NoisePrior(mean=4.0, variance=9.0)
