"""A program that streams to a running bnviz: its run appears on the page Runs, and grows while it trains."""

from __future__ import annotations

import re

import pytest
import torch
from playwright.sync_api import Page, expect
from torch import nn

from bnviz import watch

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

ENDS_AT = """step => step === Math.max(...Array.from(document.querySelectorAll(".js-plotly-plot")).flatMap(
    plot => (plot._fullData ?? []).flatMap(trace => Array.from(trace.x ?? []).filter(Number.isFinite))))"""


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.randn(16, 6)).square().mean().backward()
        optimizer.step()


def link(page: Page, capsys: pytest.CaptureFixture[str]) -> str:
    """The address that the program prints once the server has its first records."""
    printed = ""
    while not (found := re.search(r"bnviz shows my net live at (\S+)", printed)):
        page.wait_for_timeout(100)
        printed += capsys.readouterr().err
    return found.group(1)


@pytest.mark.slow
def test_a_run_that_a_program_sends_appears_on_the_page_and_its_figure_grows(open_page, server, capsys):
    page = open_page("runs")
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3), nn.Tanh())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    with watch(model, every=1, name="my net", to=server.url) as recording:
        train(model, optimizer, 5)
        address = link(page, capsys)
        page.reload()
        expect(page.get_by_text("my net").first).to_be_visible()
        page.goto(address)
        page.wait_for_function(ENDS_AT, arg=4)
        train(model, optimizer, 7)
        page.wait_for_function(ENDS_AT, arg=11)
        expect(page.get_by_text("my net, training mode (live)")).to_be_visible()
    assert recording.steps.tolist() == list(range(12))
    expect(page.get_by_text("The program has ended.").first).to_be_visible()
