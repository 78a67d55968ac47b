"""Watch a network of your own: a plain PyTorch training loop, and two lines that record what happens inside.

    python examples/watch_mlp.py out

writes out/watch_mlp.bnviz, which opens in bnviz, and out/watch_mlp.html, which opens in a browser.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

from bnviz import figures, watch


class Classifier(nn.Module):
    """Three hidden layers of sigmoids, with no normalization."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(64, 50)
        self.second = nn.Linear(50, 50)
        self.third = nn.Linear(50, 50)
        self.output = nn.Linear(50, 10)

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, 64). Returns the classes' scores, (B, 10)."""
        x = torch.sigmoid(self.first(x))
        x = torch.sigmoid(self.second(x))
        x = torch.sigmoid(self.third(x))
        scores: Tensor = self.output(x)
        return scores


def main(out: Path, steps: int) -> None:
    """Train for `steps` updates and write what was recorded."""
    torch.set_num_threads(1)  # a network this small gains nothing from more
    torch.manual_seed(0)
    digits = load_digits()
    inputs = torch.tensor(digits.data / 16.0, dtype=torch.float32)
    labels = torch.tensor(digits.target)
    held_out_inputs, held_out_labels = inputs[1500:], labels[1500:]

    model = Classifier()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)

    # The probe is a fixed batch that the network does not learn from. Every 50 updates it goes through the
    # network on the side, and bnviz measures what each sigmoid receives. The training itself stays the same.
    # Without a probe, bnviz would look at the mini-batches that the network trains on.
    with watch(model, probe=held_out_inputs, every=50) as recording:
        for step in range(1, steps + 1):
            chosen = torch.randint(0, 1500, (60,))
            loss = F.cross_entropy(model(inputs[chosen]), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()  # bnviz counts these
            if step % 200 == 0 or step == steps:
                with torch.no_grad():
                    right = model(held_out_inputs).argmax(1) == held_out_labels
                recording.step(loss=loss, test_accuracy=right.float().mean())
            else:
                recording.step(loss=loss)  # only for the curve of the loss

    out.mkdir(parents=True, exist_ok=True)
    recording.save(out / "watch_mlp.bnviz")
    figures.bands([recording]).write_html(out / "watch_mlp.html")
    print(f"{recording.revision} records of {recording.last_step} updates are in {out}.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Watch a small network learn the digits.")
    parser.add_argument("out", type=Path, help="the folder to write into")
    parser.add_argument("--steps", type=int, default=2000, help="how many updates to make")
    arguments = parser.parse_args()
    main(arguments.out, arguments.steps)
