"""
A liquid network in the words of a DCM
======================================

A, B and C of a liquid model at two places, each with a certificate of how far to trust it.
"""

import ltc_causal as lc

recording = lc.datasets.attention()
model = lc.DCM(
    regions=["V1", "V5", "SPC"],
    inputs=["photic", "motion", "attention"],
    intrinsic=[("V1", "V5"), ("V5", "V1"), ("V5", "SPC"), ("SPC", "V5")],
    modulatory={"motion": [("V1", "V5")], "attention": [("V1", "V5")]},
    driving=[("photic", "V1")],
    flow="true",
)
fit = lc.fit(model.with_neuronal("liquid"), recording)

at_rest = lc.reduce_to_dcm(fit)
print(at_rest.certificate)

# %%
# About rest the expansion does not hold, and says so. Where the recording went, it can be used with care:

along = lc.reduce_to_dcm(fit, lc.Projection(draws=50))
print(along.certificate)
print(along.to_frame())
