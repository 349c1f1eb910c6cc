"""What a study's `config.toml` may say, checked before anything is computed.

Lives here: the settings with their defaults and checks. Does not live here: the file (`settings_file`), what is done with them (`runner`).

A key that is not known is refused with the nearest known one; a path in the file is relative to the file.
"""

import re
from pathlib import Path
from typing import Annotated, Literal, TypeAlias, get_args

from pydantic import Field, model_validator

from ltc_causal.core.intervention import Clamp, Cut, Drive, Intervention, Lesion, Pulse, Scale, SetInput, SetParameter
from ltc_causal.errors import InputError, known_name, unique_names
from ltc_causal.experiments.settings_file import Settings, fingerprint, read_settings, write_settings

Pair: TypeAlias = tuple[str, str]


class Data(Settings):
    """Where the recording comes from: a bundled data set, or an `.npz` file (see `io.recording`)."""

    dataset: Literal["attention"] | None = None
    file: Path | None = None

    @model_validator(mode="after")
    def _one_source(self) -> "Data":
        if (self.dataset is None) == (self.file is None):
            raise ValueError("give either dataset or file, one of the two")
        return self


class Structure(Settings):
    """Which regions and inputs are connected; shared by all models of the study. Pairs are (source, target)."""

    regions: list[str]
    inputs: list[str]
    intrinsic: list[Pair] = []
    modulatory: dict[str, list[Pair]] = {}
    driving: list[Pair] = []
    centre_inputs: bool = False


class Noise(Settings):
    """Prior of each region's noise log-precision (see `core.model.NoisePrior`)."""

    mean: float
    variance: Annotated[float, Field(gt=0)]


class Model(Settings):
    """One model to fit (see `models.dcm.DCM` for its options).

    gating : region -> connections that its activity changes; here and not in the structure, since not every kind of model has it
    prior : parameter name -> [mean, sd], an sd of 0 fixes it
    signal_range : the signal is scaled down to this range if it exceeds it; 0 for no scaling
    start : begin at the posterior mean of this other model, which stands before it; at the prior mean unless given
    """

    neuronal: Literal["bilinear", "nonlinear", "two_state", "liquid"] = "bilinear"
    flow: Literal["bilinear", "true", "spm"] | None = None
    gating: dict[str, list[Pair]] = {}
    per_edge: list[Literal["kappa", "tau", "lambda"]] = []
    prior: dict[str, tuple[float, float]] = {}
    noise: Noise | None = None
    signal_range: Annotated[float, Field(ge=0)] = 4.0
    start: str | None = None


class Fitting(Settings):
    """How every model is fitted (see `inference.laplace.VariationalLaplace`)."""

    path: Literal["spm", "fixed_point"] = "spm"
    differences: Literal["exact", "spm"] = "exact"
    max_iterations: Annotated[int, Field(ge=1)] = 128
    starts: Annotated[int, Field(ge=1)] = 1


class Causal(Settings):
    """What the graph, the reduction, the effects and the interventions are asked of.

    model : the model asked, by its name under [models]
    inputs : input values under which the graph and the total effects are shown; those not named are 0
    probability : edges whose sign is less probable are left out of the graph
    reduction : how the model is reduced to A, B and C; unless given by "projection" if it is liquid (and by "taylor" if that is refused), else
        by "taylor"
    """

    model: str
    inputs: dict[str, float] = {}
    probability: Annotated[float, Field(ge=0.5, lt=1)] = 0.95
    reduction: Literal["projection", "taylor"] | None = None


class Predictions(Settings):
    """How interventions are predicted: posterior draws, and the probability that bands and intervals hold."""

    draws: Annotated[int, Field(ge=10)] = 200
    interval: Annotated[float, Field(gt=0, lt=1)] = 0.9


class Window(Settings):
    """From when until when an intervention is in force, in seconds; all of the time unless given."""

    start: Annotated[float, Field(ge=0)] = 0.0
    stop: float = float("inf")


class CutAction(Window):
    """Cut source -> target; `tonic` as of `core.intervention.Cut`."""

    kind: Literal["cut"]
    source: str
    target: str
    tonic: bool = False

    def intervention(self) -> Intervention:
        """The intervention itself."""
        return Cut(self.source, self.target, self.start, self.stop, self.tonic)


class ScaleAction(Window):
    """Multiply what source -> target carries."""

    kind: Literal["scale"]
    source: str
    target: str
    factor: float
    tonic: bool = False

    def intervention(self) -> Intervention:
        """The intervention itself."""
        return Scale(self.source, self.target, self.factor, self.start, self.stop, self.tonic)


class LesionAction(Window):
    """Cut every connection out of a region."""

    kind: Literal["lesion"]
    region: str
    tonic: bool = False

    def intervention(self) -> Intervention:
        """The intervention itself."""
        return Lesion(self.region, self.start, self.stop, self.tonic)


class SetInputAction(Window):
    """Set an input to a value."""

    kind: Literal["set_input"]
    input: str
    value: float = 0.0

    def intervention(self) -> Intervention:
        """The intervention itself."""
        return SetInput(self.input, self.value, self.start, self.stop)


class ClampAction(Window):
    """Hold a region's activity at a value (deviation from rest)."""

    kind: Literal["clamp"]
    region: str
    value: float = 0.0

    def intervention(self) -> Intervention:
        """The intervention itself."""
        return Clamp(self.region, self.value, self.start, self.stop)


class DriveAction(Window):
    """Add a value to a region's flow, in activity per second."""

    kind: Literal["drive"]
    region: str
    value: float

    def intervention(self) -> Intervention:
        """The intervention itself."""
        return Drive(self.region, self.value, self.start, self.stop)


class PulseAction(Settings):
    """Let a region's activity jump at a time in seconds, by a value or to one."""

    kind: Literal["pulse"]
    region: str
    by: float | None = None
    to: float | None = None
    at: Annotated[float, Field(ge=0)] = 0.0

    def intervention(self) -> Intervention:
        """The intervention itself."""
        return Pulse(self.region, self.by, self.to, self.at)


class SetParameterAction(Window):
    """Set a parameter of the model asked, by its name and on the scale of its prior."""

    kind: Literal["set_parameter"]
    parameter: str
    value: float

    def intervention(self) -> Intervention:
        """The intervention itself."""
        return SetParameter(self.parameter, self.value, self.start, self.stop)


Kind: TypeAlias = CutAction | ScaleAction | LesionAction | SetInputAction | ClampAction | DriveAction | PulseAction | SetParameterAction
KINDS = tuple(get_args(kind.model_fields["kind"].annotation)[0] for kind in get_args(Kind))
Action = Annotated[Kind, Field(discriminator="kind")]


class Question(Settings):
    """One intervention, or several at once, under a title."""

    title: str
    do: list[Action] = Field(min_length=1)

    def interventions(self) -> list[Intervention]:
        """What `predict(do=...)` takes."""
        return [action.intervention() for action in self.do]


class Config(Settings):
    """A study: title and question for the report, and every setting of its steps."""

    title: str
    question: str = ""
    seed: Annotated[int, Field(ge=0)] = 0
    data: Data
    structure: Structure
    models: dict[str, Model] = Field(min_length=1)
    fit: Fitting = Field(default_factory=Fitting)
    causal: Causal
    predictions: Predictions = Field(default_factory=Predictions)
    interventions: list[Question] = []

    def digest(self) -> str:
        """A fingerprint of everything that the study is computed from, 12 hexadecimal digits."""
        return fingerprint(self.model_dump(mode="json"))


def read_config(path: str | Path) -> Config:
    """Read and check a study's settings.

    Raises `InputError` with one sentence that names the file and the key: no such file, not TOML, a key that is unknown, missing or of the
    wrong kind, or a name of a region, an input or a model that the study does not have.
    """
    path = Path(path)
    config = read_settings(path, Config, _check_names, KINDS)
    return _with_absolute_file(config, path.parent)


def _check_names(config: Config) -> None:
    """Names that refer to one another, so that a slip is found before a fit and not after."""
    structure = config.structure
    regions = unique_names("structure.regions", structure.regions)
    inputs = unique_names("structure.inputs", structure.inputs)
    known_name("model", config.causal.model, list(config.models), "causal.model")
    for number, (name, model) in enumerate(config.models.items()):
        if model.start is not None:
            known_name(
                "model", model.start, list(config.models)[:number], f"models.{name}.start, which must name one that stands before it"
            )
        if not re.fullmatch(r"[\w-]+", name):
            raise InputError(f"The model name {name!r} becomes a file name, so it may hold only letters, digits, '-' and '_': rename it.")
    for name in config.causal.inputs:
        known_name("input", name, inputs, "causal.inputs")
    for number, question in enumerate(config.interventions):
        for action in question.do:
            _check_action(action, regions, inputs, f"interventions[{number}] ({question.title!r})")


def _check_action(action: Kind, regions: tuple[str, ...], inputs: tuple[str, ...], where: str) -> None:
    """Names of regions and inputs, and what the intervention itself refuses; a parameter's name waits for its model."""
    for key in ("source", "target", "region"):
        if key in type(action).model_fields:
            known_name("region", getattr(action, key), regions, where)
    if isinstance(action, SetInputAction):
        known_name("input", action.input, inputs, where)
    action.intervention()


def _with_absolute_file(config: Config, folder: Path) -> Config:
    if config.data.file is None:
        return config
    return config.model_copy(update={"data": Data(file=(folder / config.data.file).resolve())})


def write_config(config: Config, path: str | Path) -> None:
    """Write settings as TOML, defaults included, so that `read_config` gives the same ones back."""
    write_settings(config, path, ["interventions"])
