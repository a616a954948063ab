"""The command that shows a receptive field, and its picture; sizes and corners are counted by hand or published."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from harness.__main__ import main
from harness.commands import rf
from harness.errors import HarnessError
from harness.receptive_field.drawing import picture
from spec.harness.receptive_field.field_networks import conv
from spec.harness.support.paths import ROOT

SPECS_AFTER_RF = """
import sys
from harness.__main__ import main
status = main(["rf", *sys.argv[1:]])
print(f"status {status}, specs {[module for module in sys.modules if module.partition('.')[0] == 'spec']}")
"""


class TestPicture:
    def test_draws_one_rectangle_for_every_layer_that_widens_the_field(self) -> None:
        net = nn.Sequential(conv(3), nn.ReLU(), conv(1), nn.MaxPool2d(2), conv(3, padding=1))
        figure = picture(net, torch.zeros(1, 12, 12))
        (axes,) = figure.axes
        legend = axes.get_legend()
        assert legend is not None
        assert [text.get_text() for text in legend.get_texts()] == ["0: 3 x 3", "3: 4 x 4", "4: 8 x 8"]
        corners = [patch.get_path().get_extents(patch.get_patch_transform()).extents for patch in axes.patches]
        assert [list(corner) for corner in corners] == [
            [4.5, 4.5, 7.5, 7.5],
            [3.5, 3.5, 7.5, 7.5],
            [1.5, 1.5, 9.5, 9.5],
        ]

    def test_leaves_out_what_a_unit_reads_through_statistics(self) -> None:
        figure = picture(nn.Sequential(conv(3), nn.GroupNorm(1, 1), conv(3)), torch.zeros(1, 12, 12))
        corners = [
            patch.get_path().get_extents(patch.get_patch_transform()).extents for patch in figure.axes[0].patches
        ]
        assert [list(corner) for corner in corners] == [[4.5, 4.5, 7.5, 7.5], [3.5, 3.5, 8.5, 8.5]]

    def test_leaves_out_a_layer_whose_middle_unit_reads_nothing(self) -> None:
        figure = picture(nn.Sequential(conv(3), nn.ZeroPad2d((100, 0, 0, 0)), conv(3)), torch.zeros(1, 12, 12))
        assert [patch.get_label() for patch in figure.axes[0].patches] == ["0: 3 x 3"]


class TestCommand:
    def run(self, *arguments: str) -> int:
        parser = argparse.ArgumentParser()
        rf.add_arguments(parser)
        return rf.run(parser.parse_args(arguments))

    def test_prints_the_table(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.run("torchvision.models.alexnet", "--input-size", "3", "224", "224", "--at", "features") == 0
        out = capsys.readouterr().out
        assert "features.12" in out
        assert "size 195, stride 32, padding 66 pixels" in out

    def test_prints_json(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert (
            self.run("torchvision.models.alexnet", "--input-size", "3", "224", "224", "--at", "features", "--json") == 0
        )
        printed = json.loads(capsys.readouterr().out)
        assert (printed["size"], printed["stride"], printed["is_global"]) == ([195, 195], [32, 32], False)
        assert printed["layers"][0]["kernel"] == [11, 11]

    def test_takes_a_network_that_a_module_has_built(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "already_built.py").write_text("from torch import nn\nnetwork = nn.Conv2d(1, 1, 5)\n")
        monkeypatch.syspath_prepend(tmp_path)
        assert self.run("already_built.network") == 0
        assert "size 5, stride 1, padding 0 pixels" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("no/step", "unknown step 'no/step'; nearest: "),
            ("resnet18", "no step and no importable callable is named 'resnet18'; nearest: "),
            ("torchvision.models.resnet19", "torchvision.models has no 'resnet19'; nearest: resnet1"),
            ("no_such_package.net", "no_such_package: its import raised ModuleNotFoundError: No module named"),
            (".foo.bar", "'.foo.bar' is neither a step nor a dotted name such as torchvision.models.resnet18"),
            ("foo..bar", "neither a step nor a dotted name"),
            ("..", "'..' is neither a step nor a dotted name"),
            ("sys.exit", "sys.exit: its constructor raised SystemExit"),
            ("torch.nn", "torch.nn is module, which builds no network"),
            ("torch.nn.Linear", "give what its constructor needs, as in Linear.in_features=..., out_features=...."),
            ("builtins.dict", "is no torch.nn.Module"),
        ],
    )
    def test_names_what_is_wrong(self, name: str, message: str) -> None:
        with pytest.raises(HarnessError, match=message):
            self.run(name)

    @pytest.mark.end_to_end
    def test_imports_no_spec_for_a_model_that_is_no_step(self, tmp_path: Path) -> None:
        ladder = tmp_path / "spec" / "mine"
        ladder.mkdir(parents=True)
        for package in (ladder.parent, ladder):
            (package / "__init__.py").touch()
        (ladder / "test_01_broken.py").write_text("raise RuntimeError\n")
        done = subprocess.run(
            [sys.executable, "-c", SPECS_AFTER_RF, "torchvision.models.resnet18", "--input-size", "3", "64", "64"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.stderr == ""
        assert "layer4.1.conv2" in done.stdout
        assert done.stdout.splitlines()[-1] == "status 0, specs []"


TWO = """
from torch import nn
from torch.nn import functional as F
class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(1, 1, 15)
    def forward(self, x):
        return F.max_pool2d(x, 2) + self.a(x)
"""


def test_paths_of_different_strides_are_an_error_unless_they_are_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "two.py").write_text(TWO)
    monkeypatch.chdir(tmp_path)
    assert main(["rf", "two.py:Two", "--json", "--at", "a"]) == 0
    assert json.loads(capsys.readouterr().out)["at"] == "a"
    assert main(["rf", "two.py:Two"]) == 2
    assert (
        "no single receptive field describes all units; give --any-stride to accept that\n" in capsys.readouterr().err
    )
    assert main(["rf", "two.py:Two", "--any-stride"]) == 0
