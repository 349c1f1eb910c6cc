"""Every slip in a config is named with its key, and a config that is written reads back as it was."""

import tomllib
from pathlib import Path

import made
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ltc_causal as lc
from ltc_causal.core.intervention import Drive, Lesion, Pulse, Scale, SetParameter
from ltc_causal.experiments.config import Config, Question, read_config, write_config
from ltc_causal.experiments.study import check_questions

STUDY = Path(__file__).resolve().parents[2] / "case_studies" / "attention" / "config.toml"


def read(folder, text):
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return read_config(path)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('title = "Two regions"', 'tittle = "Two regions"', "the key 'tittle' is not known; did you mean 'title'?"),
        ("flow =", "flwo =", r"in models.bilinear, the key 'flwo' is not known; did you mean 'flow'\?"),
        ("draws = 10", "bananas = 10", r"in predictions, the key 'bananas' is not known; the keys here are \['draws', 'interval'\]\."),
        ("draws = 10", "draws = 2", "in predictions.draws, input should be greater than or equal to 10, got 2."),
        ("draws = 10", 'draws = "many"', "in predictions.draws, .* got 'many'."),
        ('file = "data.npz"', "", "in data, give either dataset or file, one of the two."),
        ('file = "data.npz"', 'dataset = "faces"', "in data.dataset, input should be 'attention', got 'faces'."),
        ('title = "Two regions"', "", "the key title is missing: add it."),
        ('neuronal = "liquid"', 'neuronal = "solid"', "in models.liquid.neuronal, .* got 'solid'."),
        ('start = "bilinear"', 'start = "bilinaer"', "Unknown model 'bilinaer' in models.liquid.start.* did you mean 'bilinear'?"),
        (
            'start = "bilinear"',
            'start = "liquid"',
            "Unknown model 'liquid' in models.liquid.start, which must name one that stands before it",
        ),
        ('model = "liquid"', 'model = "liqid"', "Unknown model 'liqid' in causal.model: did you mean 'liquid'?"),
        ("photic = 1.0", "phobic = 1.0", "Unknown input 'phobic' in causal.inputs: did you mean 'photic'?"),
        ('source = "V1"', 'source = "V6"', r"Unknown region 'V6' in interventions\[0\] \('Cut V1 → V5'\)"),
        ('target = "V5"', 'target = "V1"', "names a self-connection"),
        (
            'kind = "cut", source',
            'kind = "cut", sauce',
            r"in interventions\[0\].do\[0\], the key 'sauce' is not known; did you mean 'source'?",
        ),
        ('kind = "cut", ', 'kind = "burn", ', r"in interventions\[0\].do\[0\], .*'burn'"),
        ('kind = "cut", ', "", r"in interventions\[0\].do\[0\], .*kind"),
        (
            '[["V1", "V5"], ["V5", "V1"]]',
            '[["V1"], ["V5", "V1"]]',
            r"in structure.intrinsic\[0\]|the key structure.intrinsic\[0\]\[1\] is missing",
        ),
        ("[models.bilinear]", '[models."li/quid"]\n[models.bilinear]', "The model name 'li/quid' becomes a file name"),
        ('regions = ["V1", "V5"]', 'regions = ["V1", "V1"]', "structure.regions must be distinct"),
        ("[predictions]", "predictions = 3\n[nothing]", "is not known|must be a section"),
        ("draws = 10", "draws = ", "is not valid TOML: .*line"),
    ],
)
def test_slips_are_named(tmp_path, old, new, said):
    assert old in made.CONFIG
    with pytest.raises(lc.InputError, match=said) as caught:
        read(tmp_path, made.CONFIG.replace(old, new, 1))
    assert str(caught.value).startswith(str(tmp_path / "config.toml")) and "\n" not in str(caught.value).rstrip()


def test_no_file(tmp_path):
    with pytest.raises(lc.InputError, match="no config file at"):
        read_config(tmp_path / "absent.toml")


def test_data_file_is_relative_to_the_config(tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    (tmp_path / "deep").mkdir()
    config = read(tmp_path / "deep", made.CONFIG.replace("data.npz", "../data.npz"))
    assert config.data.file == tmp_path / "data.npz"


def test_interventions_become_values(tmp_path):
    clamp = '{ kind = "clamp", region = "V5", value = 0.1, start = 3 }'
    set_input = '{ kind = "set_input", input = "attention", value = 0.5, stop = 9 }'
    config = read(tmp_path, made.CONFIG.replace('{ kind = "cut", source = "V1", target = "V5" }', f"{clamp}, {set_input}"))
    clamp, set_input = config.interventions[0].interventions()
    assert vars(clamp) == vars(lc.Clamp("V5", 0.1, start=3.0)) and vars(set_input) == vars(lc.SetInput("attention", 0.5, stop=9.0))


KINDS = {
    'kind = "cut", source = "V1", target = "V5", tonic = true': lc.Cut("V1", "V5", tonic=True),
    'kind = "scale", source = "V5", target = "V1", factor = -0.5, stop = 9': Scale("V5", "V1", -0.5, stop=9.0),
    'kind = "lesion", region = "V5", start = 2': Lesion("V5", start=2.0),
    'kind = "drive", region = "V1", value = 0.2, start = 3, stop = 4': Drive("V1", 0.2, 3.0, 4.0),
    'kind = "pulse", region = "V1", to = 0.4, at = 7': Pulse("V1", to=0.4, at=7.0),
    'kind = "set_parameter", parameter = "A[V1->V5]", value = 0.1': SetParameter("A[V1->V5]", 0.1),
}


@pytest.mark.parametrize("text", list(KINDS))
def test_every_kind_becomes_its_intervention_and_is_written_back(tmp_path, text):
    config = read(tmp_path, made.CONFIG.replace('kind = "cut", source = "V1", target = "V5"', text))
    (found,) = config.interventions[0].interventions()
    assert type(found) is type(KINDS[text]) and vars(found) == vars(KINDS[text])
    write_config(config, tmp_path / "again.toml")
    assert read_config(tmp_path / "again.toml") == config


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('kind = "pulse", region = "V1"', r"Pulse\('V1'\) needs by= .* or to="),
        ('kind = "lesion", region = "V6"', r"Unknown region 'V6' in interventions\[0\]"),
        ('kind = "drive", region = "V1"', r"the key interventions\[0\].do\[0\].value is missing"),
        ('kind = "scale", source = "V1", target = "V5"', r"the key interventions\[0\].do\[0\].factor is missing"),
        ('kind = "pulse", region = "V1", by = 1, start = 3', r"the key 'start' is not known"),
    ],
)
def test_slips_in_other_kinds_are_named(tmp_path, text, said):
    with pytest.raises(lc.InputError, match=said):
        read(tmp_path, made.CONFIG.replace('kind = "cut", source = "V1", target = "V5"', text))


def test_an_unknown_parameter_is_said_before_anything_is_fitted(tmp_path):
    text = 'kind = "set_parameter", parameter = "A[V1->V6]", value = 0.1'
    config = read(tmp_path, made.CONFIG.replace('kind = "cut", source = "V1", target = "V5"', text))
    with pytest.raises(lc.InputError, match=r"Unknown parameter 'A\[V1->V6\]' in SetParameter: did you mean"):
        check_questions(config, made.recording())


@given(
    title=st.text(st.characters(exclude_categories=["Cs"])),
    name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    value=st.floats(allow_nan=False, allow_infinity=False),
    seed=st.integers(0, 2**62),
)
def test_written_config_reads_back(tmp_path_factory, title, name, value, seed):
    """Whatever stands in titles and names: quotes, line breaks, control characters."""
    path = tmp_path_factory.mktemp("config") / "config.toml"
    config = Config.model_validate(tomllib.loads(made.CONFIG))
    structure = config.structure.model_copy(update={"inputs": [name, "b"], "modulatory": {name: [("V1", "V5")]}})
    question = Question.model_validate({"title": title, "do": [{"kind": "set_input", "input": name, "value": value}]})
    causal = config.causal.model_copy(update={"inputs": {name: value}})
    data = config.data.model_copy(update={"file": path.parent / "data.npz"})
    changes = {"title": title, "seed": seed, "structure": structure, "interventions": [question], "causal": causal, "data": data}
    config = config.model_copy(update=changes)
    write_config(config, path)
    assert read_config(path) == config and read_config(path).digest() == config.digest()


def test_digest_tells_settings_apart_and_nothing_else(tmp_path):
    one = read(tmp_path, made.CONFIG)
    assert one.digest() == read(tmp_path, "# a remark\n" + made.CONFIG.replace("flow = ", "flow   = ")).digest()
    assert one.digest() != read(tmp_path, made.CONFIG.replace("draws = 10", "draws = 11")).digest()


def test_the_attention_study_is_valid():
    config = read_config(STUDY)
    assert [question.do[0].kind for question in config.interventions] == ["cut", "set_input", "clamp"]
    assert [model.neuronal for model in config.models.values()] == ["bilinear", "liquid"]
