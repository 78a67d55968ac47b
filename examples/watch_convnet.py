"""Watch two convolutional networks of your own, alike but for batch normalization, and draw them side by side.

    python examples/watch_convnet.py out

writes a recording of each, which open in bnviz, and out/watch_convnet.html, which opens in a browser.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

from bnviz import Recording, figures, watch


def block(inputs: int, outputs: int, normalize: bool) -> nn.Sequential:
    """Convolution, batch normalization if wanted, ReLU: the order of the paper's Section 3.2."""
    normalizer = nn.BatchNorm2d(outputs) if normalize else nn.Identity()
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=not normalize),
        normalizer,
        nn.ReLU(inplace=True),
    )


def network(normalize: bool) -> nn.Sequential:
    """Images (B, 1, 8, 8) to the classes' scores, (B, 10)."""
    return nn.Sequential(
        block(1, 16, normalize),
        block(16, 16, normalize),
        nn.MaxPool2d(2),
        block(16, 32, normalize),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
    )


def train(normalize: bool, steps: int) -> Recording:
    """Train one network for `steps` updates and return what was recorded."""
    torch.manual_seed(0)  # both networks see the same batches
    digits = load_digits()
    images = torch.tensor(digits.images / 16.0, dtype=torch.float32).unsqueeze(1)
    labels = torch.tensor(digits.target)
    order = torch.Generator().manual_seed(0)

    model = network(normalize)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2)
    name = "with batch norm" if normalize else "without batch norm"

    # In training mode a BatchNorm layer normalizes the probe by the probe's own mean and variance, as it does
    # with every mini-batch. Its running statistics stay as they are.
    with watch(model, probe=images[1500:], every=10, name=name) as recording:
        for _ in range(steps):
            chosen = torch.randint(0, 1500, (60,), generator=order)
            scores = model(images[chosen])
            loss = F.cross_entropy(scores, labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            right = scores.argmax(1) == labels[chosen]
            recording.step(loss=loss, accuracy=right.float().mean())
    return recording.recording


def main(out: Path, steps: int) -> None:
    """Train both networks and write their recordings and one figure of both."""
    torch.set_num_threads(1)  # networks this small gain nothing from more
    out.mkdir(parents=True, exist_ok=True)
    without, normalized = train(False, steps), train(True, steps)
    without.save(out / "watch_convnet_without.bnviz")
    normalized.save(out / "watch_convnet_with.bnviz")
    figures.bands([without, normalized]).write_html(out / "watch_convnet.html")
    print(f"Two recordings of {steps} updates and a figure are in {out}.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description="Watch batch normalization in a small convolutional network."
    )
    parser.add_argument("out", type=Path, help="the folder to write into")
    parser.add_argument("--steps", type=int, default=300, help="how many updates each network makes")
    arguments = parser.parse_args()
    main(arguments.out, arguments.steps)
