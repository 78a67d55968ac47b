"""Inside one layer: the arithmetic shown against torch, NumPy, and the network itself."""

import copy
import re
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from bnviz.engine.inspections import layer
from bnviz.engine.inspections.sharing import of_one_example
from bnviz.engine.trainer import Trainer
from bnviz.experiment import Experiment
from bnviz.experiment.normalization import OF_ONE_EXAMPLE
from bnviz.layer import arithmetic, mathml, numerals
from bnviz.layer.gradients import BackwardPass
from bnviz.layer.walk import walk
from bnviz.layer.walk_of_example import lines_of as example_lines
from bnviz.layer.walk_of_example import walk_of_example
from bnviz.ui.inside.sections.companions import ROUNDING
from bnviz.ui.inside.view import AMONG

SMALL = Experiment(hidden=(12, 9), batch_size=20, steps=60, learning_rate=0.3)
CONVOLVING = SMALL.replace(architecture="conv", hidden=(4, 6), activation="relu")


@pytest.fixture(scope="module")
def trained():
    trainer = Trainer(SMALL)
    trainer.advance(25)
    return trainer


@pytest.fixture(scope="module")
def batch(trained):
    return layer.layer(trained, layer=2, examples=7)


def column(batch, unit):
    lines = arithmetic.forward(batch.x[:, unit], batch.gamma[unit], batch.beta[unit], batch.epsilon)
    return lines, arithmetic.backward(lines, batch.dy[:, unit])


def state(trainer):
    tensors = [*trainer.network.state_dict().values(), trainer.order.epoch, trainer.order_rng.get_state()]
    return [tensor.clone() for tensor in tensors]


def test_the_lines_of_algorithm_1_end_in_what_the_networks_own_kernel_computes(batch):
    for unit in range(9):
        lines, _ = column(batch, unit)
        np.testing.assert_allclose(lines.y, batch.y[:, unit], rtol=0, atol=1e-12)
        np.testing.assert_allclose(lines.variance, batch.x[:, unit].var(ddof=0), rtol=1e-12)


def test_the_six_gradients_agree_with_autograd(batch):
    for unit in range(9):
        _, found = column(batch, unit)
        theirs = batch.gradients
        for mine, other in (
            (found.x_hat, theirs.x_hat[:, unit]),
            (found.variance, theirs.variance[unit]),
            (found.mean, theirs.mean[unit]),
            (found.x, theirs.x[:, unit]),
            (found.gamma, theirs.gamma[unit]),
            (found.beta, theirs.beta[unit]),
        ):
            np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-14)


def test_the_six_gradients_agree_with_finite_differences(trained, batch):
    _, found = column(batch, 4)
    nudged = layer.differences(trained, layer=2, examples=7, unit=5)
    for name in ("x_hat", "variance", "mean", "x", "gamma", "beta"):
        np.testing.assert_allclose(
            np.ravel(getattr(nudged, name)), np.ravel(getattr(found, name)), rtol=1e-6, atol=1e-9
        )


def test_constant_statistics_give_the_gradient_that_autograd_finds_with_them_detached(batch):
    lines, _ = column(batch, 3)
    x = torch.tensor(lines.x, requires_grad=True)
    mean, variance = x.mean().detach(), x.var(unbiased=False).detach()
    y = lines.gamma * (x - mean) / torch.sqrt(variance + lines.epsilon) + lines.beta
    (theirs,) = torch.autograd.grad(y, x, torch.tensor(batch.dy[:, 3]))
    np.testing.assert_allclose(arithmetic.as_if_constant(lines, batch.dy[:, 3]).x, theirs, rtol=1e-12)


def test_what_is_shown_is_the_network_that_trains_to_the_digits_shown(trained, batch):
    """In single precision, through the network's own forward pass, on the coming mini-batch's first examples."""
    other = Trainer(SMALL)
    other.advance(25)
    seen = []
    hook = other.network.hidden[1].normalizer.register_forward_hook(
        lambda module, inputs, y: seen.extend([inputs[0].detach(), y.detach()])
    )
    inputs, labels = other.next_batch()
    loss = F.cross_entropy(other.network(inputs[:7]), labels[:7])
    hook.remove()
    np.testing.assert_allclose(batch.x, seen[0].numpy(), rtol=0, atol=2e-5)
    np.testing.assert_allclose(batch.y, seen[1].numpy(), rtol=0, atol=2e-5)
    assert batch.loss == pytest.approx(loss.item(), abs=1e-5)
    classes = [int(name) for name in batch.members.names]
    assert classes == labels[:7].tolist()


@pytest.mark.parametrize("step", [0, 20, 25])  # an epoch begins at step 20
def test_looking_leaves_no_trace_and_shows_the_coming_mini_batch(step):
    few = SMALL.replace(train_examples=400)
    trainer, other = Trainer(few), Trainer(few)
    for item in (trainer, other):
        item.advance(step)
    before = state(trainer)
    found = layer.layer(trainer, 1, 20)
    layer.differences(trainer, 1, 5, 1)
    layer.companions(trainer, 1, 5, 2)
    assert all(torch.equal(a, b) for a, b in zip(before, state(trainer), strict=True))
    _, labels = other.next_batch()
    assert [int(name) for name in found.members.names] == labels.tolist()
    assert found.finite
    assert found.step == step


def test_gamma_and_beta_of_the_batch_itself_restore_the_identity(batch):
    x = batch.crowd[:, 2]
    gamma, beta = arithmetic.undoing(x, batch.epsilon)
    np.testing.assert_allclose(arithmetic.forward(x, gamma, beta, batch.epsilon).y, x, atol=1e-12)


def test_companions_move_an_example_in_training_and_never_in_inference(trained):
    found = layer.companions(trained, layer=2, examples=6, example=3)
    others = [0, 1, 3, 4, 5]
    for change in ("replace", "drop", "duplicate"):
        before, after = found.training["none"], found.training[change]
        assert np.abs(after.y - before.y)[others].max() > 1e-3
        still, same = found.inference["none"], found.inference[change]
        np.testing.assert_allclose(same.y[others], still.y[others], rtol=0, atol=1e-12)
        np.testing.assert_allclose(same.right[others], still.right[others], rtol=0, atol=1e-12)
    assert np.isnan(found.training["drop"].y[2]).all()


def test_a_mini_batch_of_two_cannot_lose_one(trained):
    assert "drop" not in layer.companions(trained, layer=1, examples=2, example=1).training


def test_the_history_holds_every_mini_batch_and_the_running_averages_follow_from_it():
    found = layer.history(Trainer(SMALL), layer=2)
    assert found.batch_mean.shape == found.batch_variance.shape == (60, 9)
    for values, end, start in (
        (found.batch_mean, found.running_mean, 0.0),
        (arithmetic.unbiased(found.batch_variance, found.values), found.running_variance, 1.0),
    ):
        mine = [arithmetic.running_average(values[:, unit], found.gathering, start)[-1] for unit in range(9)]
        np.testing.assert_allclose(mine, end, rtol=1e-4, atol=1e-5)
    assert found.recording.finished
    assert found.population_steps[[0, -1]].tolist() == [0, 60]


def test_a_running_average_is_torchs():
    layer = torch.nn.BatchNorm1d(1, momentum=0.3).double()
    values = np.random.default_rng(0).normal(2.0, 3.0, (11, 5))
    for row in values:
        layer(torch.tensor(row[:, None]))
    mine = arithmetic.running_average(values.mean(1), 0.3, 0.0)
    assert mine[-1] == pytest.approx(layer.running_mean.item(), abs=1e-12)
    mine = arithmetic.running_average(arithmetic.unbiased(values.var(1), 5), 0.3, 1.0)
    assert mine[-1] == pytest.approx(layer.running_var.item(), abs=1e-12)


def test_a_feature_maps_values_share_their_statistics_over_examples_and_positions():
    trainer = Trainer(CONVOLVING)
    trainer.advance(5)
    batch = layer.layer(trainer, layer=1, examples=4)
    assert batch.x.shape == (4, 4, 8, 8)
    values = batch.x[:, 2].ravel()
    assert len(values) == 4 * 8 * 8
    lines = arithmetic.forward(values, batch.gamma[2], batch.beta[2], batch.epsilon)
    np.testing.assert_allclose(lines.y.reshape(4, 8, 8), batch.y[:, 2], atol=1e-12)
    found = arithmetic.backward(lines, batch.dy[:, 2].ravel())
    np.testing.assert_allclose(found.x.reshape(4, 8, 8), batch.gradients.x[:, 2], atol=1e-14)


def test_a_layer_that_is_not_there_is_refused(trained):
    with pytest.raises(ValueError, match="allowed is 1 to 2"):
        layer.layer(trained, layer=3, examples=4)


RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
SIGNS = {"≈": "≈", "−": "-", "⋅": "*", "·": "*", "×": "*", "=": "=", "+": "+", "/": "/", "(": "(", ")": ")"}


def expression(node):
    """Presentation MathML without variables, read by an XML parser, as arithmetic that Python evaluates."""
    parts = [expression(part) for part in node]
    match node.tag.rpartition("}")[2]:
        case "mn":
            return node.text
        case "mo":
            return SIGNS[node.text]
        case "mfrac":
            return f"(({parts[0]})/({parts[1]}))"
        case "msup":
            return f"{parts[0]}**({parts[1]})"
        case "msqrt":
            return f"({''.join(parts)})**0.5"
        case "math" | "mrow" | "mstyle":
            return "".join(parts)
    raise AssertionError(f"{node.tag} has no value")


@pytest.mark.parametrize("constant", [False, True])
def test_the_numbers_filled_into_the_gradients_give_the_values_beside_them(batch, constant):
    for unit, example in ((3, 2), (5, 7)):
        shown = BackwardPass(batch, unit, example, constant, None)
        for cells in shown.gradients() + [shown.in_one_line()] * (not constant):
            _, *filled = re.findall(r"<math.*?</math>", cells[0])
            digits, _, power = cells[1].replace("−", "-").translate(RAISED).partition(" × 10")
            value = float(digits) * 10.0 ** int(power or 0)
            if not filled:
                assert value == 0
                continue
            terms = expression(ElementTree.fromstring(filled[0])).removeprefix("≈")
            largest = max(abs(eval(term)) for term in re.split(r"(?<=\))\+", terms))
            assert eval(terms) == pytest.approx(value, rel=1e-3, abs=1e-3 * largest)


def test_the_backward_pass_in_one_line_is_that_of_the_six_formulas_and_of_autograd(batch):
    for unit in (1, 5):
        (lines, six), dy = column(batch, unit - 1), batch.dy[:, unit - 1]
        simplified = arithmetic.backward_in_one_line(lines, dy)
        np.testing.assert_allclose(simplified, six.x, rtol=1e-9, atol=1e-15)
        np.testing.assert_allclose(simplified, batch.gradients.x[:, unit - 1], rtol=1e-8, atol=1e-15)
        assert abs(simplified.sum()) < 1e-12  # no step moves all inputs of a unit alike


@pytest.mark.parametrize(
    ("normalizer", "maps"),
    [(name, maps) for name in AMONG for maps in (False, True) if maps or name != "instance"],
)
def test_with_statistics_of_one_example_no_other_example_moves_and_else_all_do(normalizer, maps):
    plain = SMALL.replace(hidden=(12, 8)) if not maps else CONVOLVING.replace(hidden=(4, 8))
    trainer = Trainer(plain.replace(normalizer=normalizer, batch_size=8))
    trainer.advance(5)
    found = layer.companions(trainer, layer=2, examples=6, example=3)
    others = [0, 1, 3, 4, 5]
    moves = np.abs(found.training["replace"].y - found.training["none"].y)[others]
    moved = moves.reshape(len(others), -1).max(1)
    assert (moved < ROUNDING).all() == (normalizer in (*OF_ONE_EXAMPLE, "instance"))
    still = np.abs(found.inference["replace"].y - found.inference["none"].y)[others].max()
    assert still < ROUNDING


@pytest.mark.parametrize("normalizer", ["batch", "instance", "ghost-batch"])
def test_with_feature_maps_the_others_receive_what_the_network_itself_gives_them(normalizer):
    """A copy in training mode, with a hook on its normalizer, sees the mini-batch with an example left out."""
    ghosts = {"ghost_batch": 3} if normalizer == "ghost-batch" else {}
    trainer = Trainer(CONVOLVING.replace(normalizer=normalizer, **ghosts))
    trainer.advance(5)
    found = layer.companions(trainer, layer=2, examples=6, example=3)
    network = copy.deepcopy(trainer.network).double().train()
    seen = []
    network.blocks[1].normalizer.register_forward_hook(lambda module, inputs, y: seen.append(y))
    rows = [0, 1, 3, 4, 5]
    inputs = copy.deepcopy(trainer).next_batch()[0].double()[rows]
    chances = network(inputs).softmax(1).detach().numpy()
    np.testing.assert_allclose(found.training["drop"].y[rows], seen[0].detach().numpy(), rtol=0, atol=1e-9)
    at = [int(name) for name in found.members.names]
    mine = chances[range(5), [at[row] for row in rows]]
    np.testing.assert_allclose(found.training["drop"].right[rows], mine, rtol=0, atol=1e-9)
    y = found.training["drop"].y
    assert found.training["drop"].value(5, 2, 7) == y.reshape(6, 6, -1)[5, 1, 6]


def test_the_numbers_filled_into_algorithm_1_add_up(batch):
    lines = {line["title"]: line["filled"] for line in walk(batch, 3)["lines"]}
    for title in ("mean", "variance", "ε and the root"):
        sides = expression_sides(lines[title])
        assert sides[0] == pytest.approx(sides[-1], abs=2e-3)
    for title in ("deviations", "x̂", "times γ", "plus β"):
        sides = expression_sides(lines[title])
        assert sides[0] == pytest.approx(sides[-1], abs=5e-3)


def test_a_sum_is_equal_to_its_terms_as_they_are_shown_or_says_that_it_is_rounded(batch):
    """0.933 + (−0.006) = 0.926 must not be shown."""
    signs = []
    for unit in range(1, batch.x.shape[1] + 1):
        for line in walk(batch, unit)["lines"][1:]:
            (sign,) = re.findall(r"<mo>(?:=|&#x0003D;|≈|&#x02248;)</mo>", line["filled"])[-1:]
            sides = expression_sides(line["filled"])
            equal = sides[0] == pytest.approx(sides[-1], abs=1e-12)
            assert equal == ("=" in sign or "3D" in sign), line["filled"]
            signs.append(equal)
    assert True in signs
    assert False in signs
    assert (
        numerals.equals(numerals.exact("0.926"), numerals.exact("0.933") + numerals.exact("−0.006"))
        == r"\approx"
    )
    assert numerals.equals(numerals.exact("0.927"), numerals.exact("0.933") + numerals.exact("−0.006")) == "="


def expression_sides(formula):
    """The values of those sides of an equation that hold numbers alone."""
    sides = [[]]
    for node in ElementTree.fromstring(formula)[0]:
        if node.text in ("=", "≈"):
            sides.append([])
        else:
            sides[-1].append(node)
    values = []
    for side in sides:
        names = [part for node in side for part in node.iter() if part.tag.endswith("}mi")]
        if not names:
            values.append(eval("".join(map(expression, side)).replace(")(", ")*(")))  # 1/m before a sum
    assert len(values) > 1
    return values


def test_numbers_stand_in_formulas_as_readers_see_them():
    shown = "".join(ElementTree.fromstring(mathml.block(mathml.number("−1.2 × 10⁻³"))).itertext())
    assert shown == "−1.2×10−3"
    several = ElementTree.fromstring(mathml.block(mathml.added(["−0.5", "0.25", "−3"])))
    assert "".join(several.itertext()) == "−0.5+0.25−3"
    assert eval(expression(several)) == -3.25
    assert "".join(ElementTree.fromstring(mathml.inline(mathml.enclosed("−2"))).itertext()) == "(−2)"


@pytest.mark.parametrize("normalizer", OF_ONE_EXAMPLE)
@pytest.mark.parametrize(("example", "unit"), [(1, 1), (4, 8)])
def test_the_lines_of_an_example_are_torchs_own_normalizer(normalizer, example, unit):
    trainer = Trainer(SMALL.replace(normalizer=normalizer, hidden=(12, 8)))
    trainer.advance(10)
    found = of_one_example(trainer, layer=2, examples=5)
    x, gamma, beta = (torch.from_numpy(item) for item in (found.x, found.gamma, found.beta))
    expected = {
        "layer": lambda: F.layer_norm(x, (8,), gamma, beta),
        "group": lambda: F.group_norm(x, 2, gamma, beta),
        "rms": lambda: F.rms_norm(x, (8,), gamma, 1e-5),
    }[normalizer]()
    lines, units = example_lines(found, example, unit)
    assert unit - 1 in units
    assert len(units) == (4 if normalizer == "group" else 8)
    np.testing.assert_allclose(lines.y, expected[example - 1, units], atol=1e-9)
    np.testing.assert_allclose(found.y, expected, atol=1e-9)
    assert not np.allclose(found.gamma, 1.0)  # as learned


@pytest.mark.parametrize("normalizer", OF_ONE_EXAMPLE)
def test_the_numbers_filled_into_the_lines_of_an_example_add_up(normalizer):
    trainer = Trainer(SMALL.replace(normalizer=normalizer, hidden=(12, 8)))
    trainer.advance(10)
    shown = walk_of_example(of_one_example(trainer, layer=2, examples=5), 3, 2, "It")
    for line in shown["lines"]:
        if line["title"] in ("deviations", "x̂", "times γ", "plus β", "ε and the root"):
            sides = expression_sides(line["filled"])
            assert sides[0] == pytest.approx(sides[-1], abs=5e-3)
    assert [len(row) for row in shown["cells"]] == [len(shown["columns"])] * len(shown["names"])
    used = {name for line in shown["lines"] for name in line["used"]}
    made = {name for line in shown["lines"] for name in line["made"]}
    assert used <= made | {"gamma"}


def test_the_lines_of_a_wide_layer_show_some_units_and_sum_over_all():
    trainer = Trainer(SMALL.replace(normalizer="layer", hidden=(12, 40)))
    trainer.advance(3)
    batch = of_one_example(trainer, layer=2, examples=4)
    shown = walk_of_example(batch, 2, 1, "It")
    assert shown["names"][-1]["name"] == "… 28 more"
    mean = next(item["text"] for item in shown["statistics"] if item["name"] == "mean")
    assert float(mean.replace("−", "-")) == pytest.approx(batch.x[1].mean(), abs=1e-3)
    assert "1 to 40" not in shown["sheet"]
    assert "all units" in shown["sheet"]


def test_lines_of_an_example_are_refused_where_the_statistics_are_of_the_batch(trained):
    with pytest.raises(ValueError, match="layer, group, rms"):
        of_one_example(trained, layer=1, examples=4)
