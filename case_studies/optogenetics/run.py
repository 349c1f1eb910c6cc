"""Does a model predict a real intervention in an animal it has not seen? python case_studies/optogenetics/run.py FOLDER (one minute)."""

import sys
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.signal import detrend

import ltc_causal as lc

BOX, BEFORE, WINDOWS = 20, 20, (40, 60)  # s: light on; baseline; scored after each onset
INPUT_BIN = 0.25
HAEMODYNAMICS_SD = 0.3
METHODS = ("mean of the others", "DCM of the others", "both, weighed", "no response")


class Study:
    """The runs, as percent of their mean without trend, and their average responses to the five onsets."""

    def __init__(self, path):
        with np.load(path) as file:
            self.regions = [str(name) for name in file["roi"]]
            self.onsets = file["stim_onset_index"]
            bold = file["bold"].astype(float)
            self.runs = {
                (str(group), str(light), str(animal)): course
                for group, light, animal, course in zip(file["group"], file["light"], file["animal"], _percent(bold), strict=True)
            }
        events = {"light": [(float(onset), float(BOX)) for onset in self.onsets]}
        self.inputs = lc.Inputs.from_events(events, bold.shape[1], INPUT_BIN)

    def response(self, course, window):
        """Mean over onsets, shape (second, region), about the mean before each."""
        return np.mean([course[at : at + window] - course[at - BEFORE : at].mean(axis=0) for at in self.onsets], axis=0)

    def mean(self, animals):
        return np.mean([self.runs["TPH", "blue", animal] for animal in animals], axis=0)

    @lru_cache(None)  # noqa: B019 - one study a process
    def model(self, animals):
        """The mean course of these animals as a DCM explains it: light may drive every region, each with haemodynamics of its own."""
        prior = {f"A[{region}->{region}]": (0.0, 0.5) for region in self.regions}
        prior |= {f"transit[{region}]": (0.0, HAEMODYNAMICS_SD) for region in self.regions}
        driving = [("light", region) for region in self.regions]
        dcm = lc.DCM(self.regions, ["light"], [], {}, driving, prior=prior, signal_range=None, noise=lc.NoisePrior(4.0, 4.0))
        recording = lc.Recording(lc.TimeSeries(self.mean(animals), 1.0, self.regions, "%"), self.inputs)
        return lc.fit(dcm, recording).prediction


def _percent(bold):
    return detrend(100 * (bold / bold.mean(axis=1, keepdims=True) - 1), axis=1)


def predictions(study, others, window):
    """What each method says of an animal from the others; the two weights come from leaving each of these out in turn."""
    said, true = [], []
    for left in others:
        rest = tuple(animal for animal in others if animal != left)
        parts = (study.mean(rest), study.model(rest))
        said.append(np.stack([study.response(part, window).ravel() for part in parts], axis=1))
        true.append(study.response(study.runs["TPH", "blue", left], window).ravel())
    weights = np.linalg.lstsq(np.vstack(said), np.concatenate(true), rcond=None)[0]
    mean, model = study.response(study.mean(others), window), study.response(study.model(others), window)
    return dict(zip(METHODS, (mean, model, weights[0] * mean + weights[1] * model, 0 * mean), strict=True))


def main(path):
    study = Study(path)
    animals = tuple(animal for group, light, animal in study.runs if (group, light) == ("TPH", "blue"))
    rows = []
    for window in WINDOWS:
        for animal in animals:
            others = tuple(one for one in animals if one != animal)
            true = study.response(study.runs["TPH", "blue", animal], window)
            for method, said in predictions(study, others, window).items():
                rows.append((window, animal, method, 1 - ((true - said) ** 2).sum() / (true**2).sum()))
    table = pd.DataFrame(rows, columns=["seconds", "animal", "method", "R2"])
    for window in WINDOWS:
        each = table[table["seconds"] == window].pivot(index="animal", columns="method", values="R2")[list(METHODS)]
        print(f"\nR2 of the response in {window} s after onset, all regions, against no response\n{each.round(2).to_string()}")
        print("mean over animals", each.mean().round(3).to_dict(), "median", each.median().round(3).to_dict())
    print("\nMean response of all regions in the 20 s of light, percent")
    for group, light in (("TPH", "blue"), ("TPH", "yellow"), ("WT", "blue"), ("WT", "yellow")):
        size = [study.response(course, BOX).mean() for (g, colour, _), course in study.runs.items() if (g, colour) == (group, light)]
        print(f"{group} {light}: {np.mean(size):.2f} (sd over animals {np.std(size, ddof=1):.2f})")


if __name__ == "__main__":
    if len(sys.argv) != 2 or not (Path(sys.argv[1]) / "optofmri_session1.npz").is_file():
        raise SystemExit("Give the folder that holds optofmri_session1.npz: python case_studies/optogenetics/run.py FOLDER")
    main(Path(sys.argv[1]) / "optofmri_session1.npz")
