"""The vocabulary of claims that the network and the recipe decide, without any run.

Placeholders as in `harness.claims.about_runs`, and: LAYERS is a layer or a sequence of layers in the order of
definition, such as `conv3x3 then relu then bn`; FIELD is a setting of the recipe, such as `batch_size`,
`schedule.gamma` or, of several transforms, `augmentation.RandomRotation.degrees`; WHAT is a list of layers and
settings.
"""

import re
from collections.abc import Callable

import torch
from torch import Tensor, nn

from harness.claims.verdict import Verdict, fact
from harness.evidence.facts import changed, field, leaves, parameters, setting, word
from harness.step import Step


def has_parameters(step: type[Step], n: int) -> Verdict:
    """Exactly n parameters."""
    return fact(parameters(step) == n, f"{parameters(step):,} parameters")


def largest_layer(step: type[Step], n: int) -> Verdict:
    """The layer with most parameters has n."""
    most = max(sum(weight.numel() for weight in layer.parameters()) for layer in leaves(step))
    return fact(most == n, f"{most:,} parameters in the largest layer")


def times_fewer(step: type[Step], n: int, other: type[Step]) -> Verdict:
    """The other has n times as many parameters, to the nearest whole number."""
    ratio = parameters(other) / parameters(step)
    return fact(round(ratio) == n, f"{ratio:.1f} times fewer parameters")


def more_parameters(step: type[Step], n: int, other: type[Step]) -> Verdict:
    """Exactly n parameters more than the other."""
    return fact(parameters(step) - parameters(other) == n, f"{parameters(step) - parameters(other):+,} parameters")


def has_layers(step: type[Step], n: int, sequence: str) -> Verdict:
    """The layers come in that sequence, one right after the other, in n places."""
    wanted, there = sequence.split(" then "), list(map(word, leaves(step)))
    places = sum(there[start : start + len(wanted)] == wanted for start in range(len(there)))
    return fact(places == n, f"{sequence}: {places} times")


def ends_in(step: type[Step], sequence: str) -> Verdict:
    """The network ends in those layers."""
    wanted, there = sequence.split(" then "), list(map(word, leaves(step)))
    return fact(there[-len(wanted) :] == wanted, "ends in " + " then ".join(there[-len(wanted) :]))


def same_kernels(step: type[Step], other: type[Step]) -> Verdict:
    """Convolutions and pools have the same kernels in the same order, whatever their widths."""
    ours, theirs = ([name for name in map(word, leaves(one)) if re.match("conv|.*pool", name)] for one in (step, other))
    return fact(ours == theirs, " then ".join(ours))


def has_biases(step: type[Step], n: int) -> Verdict:
    """Exactly n convolutions and linear layers have a bias."""
    biases = sum(isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None for layer in leaves(step))
    return fact(biases == n, f"{biases} layers with a bias")


def multiplies_most(step: type[Step], n: int) -> Verdict:
    """The n-th convolution, counted from 1, takes the most multiplications per image, in all places where it acts."""
    network = step.network().eval()
    cost = {layer: 0 for layer in network.modules() if isinstance(layer, nn.Conv2d)}
    if not cost:
        return fact(False, "no convolution")

    def count(layer: nn.Conv2d, _: object, maps: Tensor) -> None:
        cost[layer] += layer.weight.numel() * maps[0, 0].numel()

    for layer in cost:
        layer.register_forward_hook(count)
    with torch.no_grad():
        network(torch.zeros(1, 1, 28, 28))
    most = max(cost.values())
    place = list(cost.values()).index(most) + 1
    return fact(place == n, f"convolution {place}, with {most / sum(cost.values()):.0%} of the multiplications")


def pads(step: type[Step], n: int) -> Verdict:
    """Exactly n convolutions are padded."""
    padded = sum(isinstance(layer, nn.Conv2d) and layer.padding != (0, 0) for layer in leaves(step))
    return fact(padded == n, f"{padded} padded convolutions")


def drops(step: type[Step], percent: float, n: int) -> Verdict:
    """Dropout acts at that rate in n places, and nowhere at another; places with a rate of zero do not count."""
    rates = [100 * layer.p for layer in leaves(step) if isinstance(layer, nn.Dropout) and layer.p]
    said = ", ".join(f"{rate:g} %" for rate in dict.fromkeys(rates)) or "none"
    return fact([round(rate, 6) for rate in rates] == [percent] * n, f"dropout: {said} in {len(rates)} places")


def pools_after(step: type[Step], n: int) -> Verdict:
    """The first max-pool comes after n convolutions."""
    there = list(map(word, leaves(step)))
    before = sum(name.startswith("conv") for name in there[: there.index("max-pool")]) if "max-pool" in there else 0
    return fact("max-pool" in there and before == n, f"max-pool after {before} convolutions")


def pools_at(step: type[Step], n: int) -> Verdict:
    """The first max-pool stands where the receptive field is n pixels wide."""
    fields = [layer.rf_in[0] for layer in field(step.model).layers if layer.operation == "max_pool2d"]
    return fact(fields[:1] == [n], f"max-pool at a field of {fields[0]}" if fields else "no max-pool")


def has_field(step: type[Step], n: int) -> Verdict:
    """One output sees n pixels, down and across."""
    return fact(field(step.model).size == (n, n), f"receptive field of {field(step.model).size[0]}")


def trains_with(step: type[Step], name: str, value: str) -> Verdict:
    """The recipe has that setting, as Python prints it."""
    is_so = setting(step, name)
    return fact(str(is_so) == value, f"{name} {is_so}")


def same_setting(step: type[Step], name: str, other: type[Step]) -> Verdict:
    """The recipes of both have the same setting."""
    return fact(setting(step, name) == setting(other, name), f"{name} {setting(step, name)}, {setting(other, name)}")


def changes(step: type[Step], what: str, other: type[Step]) -> Verdict:
    """The listed layers and settings differ, and maybe others do."""
    return fact(set(parse_list(what)) <= set(changed(step, other)), f"changes {', '.join(changed(step, other))}")


def changes_only(step: type[Step], what: str, other: type[Step]) -> Verdict:
    """The listed layers and settings differ, and nothing else does."""
    return fact(set(parse_list(what)) == set(changed(step, other)), f"changes {', '.join(changed(step, other))}")


def changes_nothing(step: type[Step], other: type[Step]) -> Verdict:
    """Neither the network nor the recipe differs."""
    return fact(not changed(step, other), f"changes {', '.join(changed(step, other)) or 'nothing'}")


def parse_list(what: str) -> list[str]:
    """The words of an enumeration: "a, b and c"."""
    return re.split(r", | and ", what)


NETWORK_CLAIMS: dict[str, Callable[..., Verdict]] = {
    "has N parameters": has_parameters,
    "has fewer than N parameters": lambda step, n: fact(parameters(step) < n, f"{parameters(step):,} parameters"),
    "has fewer parameters than STEP": lambda step, other: fact(
        parameters(step) < parameters(other), f"{parameters(step):,} to {parameters(other):,} parameters"
    ),
    "has N times fewer parameters than STEP": times_fewer,
    "has N parameters more than STEP": more_parameters,
    "has N parameters in one layer": largest_layer,
    "has a receptive field of N": has_field,
    "has N LAYERS": has_layers,
    "has no LAYERS": lambda step, sequence: has_layers(step, 0, sequence),
    "ends in LAYERS": ends_in,
    "has the kernels of STEP": same_kernels,
    "has N biases": has_biases,
    "pads N convolutions": pads,
    "drops X % in N places": drops,
    "pools after N convolutions": pools_after,
    "pools at a field of N": pools_at,
    "trains with the FIELD of STEP": same_setting,
    "trains with FIELD VALUE": trains_with,
    "multiplies most in convolution N": multiplies_most,
    "changes nothing since STEP": changes_nothing,
    "changes WHAT since STEP": changes,
    "changes only WHAT since STEP": changes_only,
}
