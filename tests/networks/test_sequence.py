"""What every network shares: state in and out, irregular time, missing values, sentences for bad input, gradients, export."""

import copy

import pytest
import torch
from sequence_networks import CONTINUOUS, KINDS, generic, sequence
from torch.func import functional_call, grad, vmap

import ltc_causal as lc

every = pytest.mark.parametrize("kind", KINDS)
EXACT = {"rtol": 1e-11, "atol": 1e-12}


def made(kind):
    return generic(KINDS[kind]())


@every
def test_a_sequence_in_two_stretches_is_the_whole(kind):
    network, (inputs, dt) = made(kind), sequence()
    observed = torch.rand(inputs.shape, generator=torch.Generator().manual_seed(5)) < 0.6
    dt[1, 2] = dt[2, :3] = 0
    whole, end = network(inputs, dt, observed=observed)
    first, between = network(inputs[:, :3], dt[:, :3], observed=observed[:, :3])
    second, last = network(inputs[:, 3:], dt[:, 3:], between, observed[:, 3:])
    torch.testing.assert_close(torch.cat([first, second], 1), whole, **EXACT)
    for one, other in zip(last, end, strict=True):
        torch.testing.assert_close(one, other, **EXACT)


@every
def test_one_sequence_is_the_same_alone_and_in_a_batch(kind):
    network, (inputs, dt) = made(kind), sequence()
    together, _ = network(inputs, dt)
    for row in range(len(inputs)):
        alone, _ = network(inputs[row : row + 1], dt[row : row + 1])
        torch.testing.assert_close(alone[0], together[row], **EXACT)


@every
def test_no_time_leaves_the_state_and_its_input_is_not_looked_at(kind):
    """A sequence padded in the middle and at its end ends as the short one, its gradient too, whatever stands in the padding."""
    network, (inputs, dt) = made(kind), sequence()
    padded_inputs = torch.cat([inputs[:, :2], torch.full_like(inputs[:, :1], torch.nan), inputs[:, 2:], inputs[:, :1]], 1)
    padded_dt = torch.cat([dt[:, :2], 0 * dt[:, :1], dt[:, 2:], 0 * dt[:, :1]], 1)
    outcomes = []
    for one, times in ((inputs, dt), (padded_inputs, padded_dt)):
        network.zero_grad()
        outputs, state = network(one, times)
        (sum(part.abs().sum() for part in state) + outputs[:, 1].sum()).backward()
        outcomes.append((state, [p.grad.clone() for p in network.parameters() if p.grad is not None]))
    for short, long in zip(*outcomes, strict=True):
        for one, other in zip(short, long, strict=True):
            torch.testing.assert_close(one, other, **EXACT)


@every
def test_time_is_a_number_one_a_step_or_one_a_sample(kind):
    network, (inputs, _) = made(kind), sequence(batch=5, time=5)
    outputs = [network(inputs, dt)[0] for dt in (1.0, torch.ones(5), torch.ones(5, 5))]
    for one in outputs:
        torch.testing.assert_close(one, network(inputs)[0], **EXACT)
    along_time, _ = network(inputs, torch.tensor([1.0, 2, 3, 4, 5]))
    by_sample, _ = network(inputs, torch.tensor([1.0, 2, 3, 4, 5]).expand(5, 5))
    torch.testing.assert_close(along_time, by_sample, **EXACT)


@pytest.mark.parametrize("kind", CONTINUOUS)
def test_irregular_steps_are_the_fine_regular_ones_in_the_limit(kind):
    """Each sample's input in force for its own dt, against the same course cut into steps of 0.05 s."""
    network, (inputs, _) = generic(CONTINUOUS[kind]()), sequence(2, 4)
    counts = torch.tensor([3, 1, 7, 4])
    coarse, _ = network(inputs, 0.05 * counts)
    fine, _ = network(inputs.repeat_interleave(counts, 1), 0.05)
    torch.testing.assert_close(coarse, fine[:, counts.cumsum(0) - 1], rtol=1e-6, atol=1e-7)


@every
def test_missing_values_are_the_last_ones_seen(kind):
    network, (inputs, dt) = made(kind), sequence()
    observed = torch.ones(inputs.shape, dtype=torch.bool)
    observed[0, 2:4, 1] = observed[1, 0] = False
    filled = inputs.clone()
    filled[0, 2:4, 1], filled[1, 0] = inputs[0, 1, 1], 0
    holes = torch.where(observed, inputs, torch.nan)
    torch.testing.assert_close(network(holes, dt, observed=observed)[0], network(filled, dt)[0], **EXACT)


@every
def test_every_parameter_matters(kind):
    """No entry has a gradient of zero at a generic point: none is dead."""
    network, (inputs, dt) = made(kind), sequence(8, 12)
    outputs, _ = network(inputs, dt)
    outputs.square().sum().backward()
    dead = {name: int((one.grad == 0).sum()) for name, one in network.named_parameters()}
    assert not any(dead.values()), dead


@every
def test_gradient_against_differences(kind):
    network, (inputs, dt) = made(kind), sequence(2, 3)
    inputs.requires_grad_(), dt.requires_grad_()
    parameters = dict(network.named_parameters())

    def outputs(inputs, dt, *values):
        return functional_call(network, dict(zip(parameters, values, strict=True)), (inputs, dt))[0]

    assert torch.autograd.gradcheck(outputs, (inputs, dt, *parameters.values()), fast_mode=True)


@every
def test_torch_func_and_export(kind):
    """Gradients of each sequence by vmap of grad, an ensemble by vmap over parameters, and the exported graph at other numbers."""
    network, (inputs, dt) = made(kind), sequence()
    parameters = {name: one.detach() for name, one in network.named_parameters()}

    def loss(values, inputs, dt):
        return functional_call(network, values, (inputs, dt))[0].square().sum()

    by_sample = vmap(grad(loss), (None, 0, 0))(parameters, inputs[:, None], dt[:, None])
    whole = grad(loss)(parameters, inputs, dt)
    pairs = {name: torch.stack([one, 1.1 * one]) for name, one in parameters.items()}
    both = vmap(loss, (0, None, None))(pairs, inputs, dt)
    for name in parameters:
        torch.testing.assert_close(by_sample[name].sum(0), whole[name], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(both[0], loss(parameters, inputs, dt), rtol=1e-9, atol=1e-9)
    exported = torch.export.export(network, (inputs, dt)).module()
    other, times = sequence(seed=3)
    times[0, 2] = 0
    torch.testing.assert_close(exported(other, times)[0], network(other, times)[0], **EXACT)


@every
def test_float32_is_near_float64_and_a_seed_repeats(kind):
    inputs, dt = sequence()
    network = KINDS[kind]()
    single, state = network(inputs, dt)
    double, _ = copy.deepcopy(network).double()(inputs, dt)
    assert single.dtype == torch.float32 and double.dtype == torch.float64
    assert {one.dtype for one in state} <= {torch.float32, torch.complex64}
    torch.testing.assert_close(single.double(), double, rtol=1e-4, atol=1e-5)
    assert torch.equal(KINDS[kind]()(inputs, dt)[0], single)


@every
def test_it_runs_where_its_parameters_are(kind):
    """On the meta device, which refuses to meet a tensor of another one as a GPU would."""
    network, (inputs, dt) = KINDS[kind]().to("meta"), sequence()
    observed = torch.ones(inputs.shape, dtype=torch.bool, device="meta")
    outputs, state = network(inputs.to("meta"), dt.to("meta"), observed=observed)
    outputs, _ = network(inputs.to("meta"), 0.5, state)
    assert outputs.device.type == "meta" and outputs.shape == (4, 7, network.n_output)


def test_building_a_network_leaves_torchs_generator_alone():
    before = torch.get_rng_state()
    for build in KINDS.values():
        build()
    assert torch.equal(before, torch.get_rng_state())


SENTENCES = {
    "dt must be finite and not negative, but it is -1 at .batch, time. = .1, 2.": lambda f, x, dt: f(
        x, torch.where(dt == dt[1, 2], -1, dt)
    ),
    "dt must be a number or have shape .7,. or .4, 7., got .4,.": lambda f, x, dt: f(x, dt[:, 0]),
    r"inputs are NaN or infinite at 1 places, the first at .* = \(2, 0, 1\)": lambda f, x, dt: f(with_nan(x), dt),
    r"shape \(batch, time, 3\) with at least one step, got \(4, 7, 2\)": lambda f, x, dt: f(x[..., :2], dt),
    r"at least one step, got \(4, 0, 3\)": lambda f, x, dt: f(x[:, :0]),
    "state must be what an earlier call": lambda f, x, dt: f(x, dt, f(x[:2], dt[:2])[1]),
    "observed must be a boolean tensor": lambda f, x, dt: f(x, dt, observed=torch.ones(4, 7)),
}


def with_nan(inputs):
    inputs = inputs.clone()
    inputs[2, 0, 1] = torch.nan
    return inputs


@pytest.mark.parametrize("sentence", SENTENCES)
def test_bad_input_is_named(sentence):
    network, (inputs, dt) = made("ltc full"), sequence()
    with pytest.raises(lc.InputError, match=sentence):
        SENTENCES[sentence](network, inputs, dt)
