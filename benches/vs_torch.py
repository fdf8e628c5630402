#!/usr/bin/env python3
"""Our training step against PyTorch's, in turns, on this machine's CPU.

    cargo build --release && python3 benches/vs_torch.py
    python3 benches/vs_torch.py --width 0.25 --batch 64 --steps 20

Each round runs a few of our steps and as many of each PyTorch mode, one after the other, so that a slow moment of the machine hits
all alike; what counts is the median over all steps of all rounds. Each starts a round with one step that doesn't count. A step is: zero the gradients, forward, cross entropy + center loss, backward, both optimisers,
on images already in memory. Prints a table, and JSON on the last line.
"""
import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time

try:
    import torch
    from torch import nn
except ImportError:
    sys.exit("PyTorch is not installed: `pip install torch`, then run this again.")

HERE = os.path.dirname(os.path.abspath(__file__))
DEEP = [32, 64, "pool", 128, 256, "pool", 512, 512, "pool", 256, 128, 64, "pool"]
VARIANTS = {"v1.0": (DEEP, False), "v1.1": (DEEP, True), "v1.2": (DEEP[:9], True)}


class Net(nn.Module):
    def __init__(self, layers, width):
        super().__init__()
        modules, channels, side = [], 1, 28
        for layer in layers:
            if layer == "pool":
                modules.append(nn.MaxPool2d(2))
                side //= 2
            else:
                out = max(1, int(layer * width))
                modules += [nn.Conv2d(channels, out, 5, padding=2, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
                channels = out
        self.hidden = nn.Sequential(*modules)
        self.fc, self.out = nn.Linear(channels * side * side, 2), nn.Linear(2, 10)

    def forward(self, images):
        embedding = self.fc(self.hidden(images).flatten(1))
        return embedding, self.out(embedding)


def center_loss(embedding, labels, centers, root):
    distance = (embedding - centers[labels]).pow(2).sum(1)
    distance = distance.sqrt() if root else distance
    return 0.5 * (distance / torch.bincount(labels, minlength=10)[labels].float()).mean()


def torch_step(mode, options):
    torch.manual_seed(0)
    layers, root = VARIANTS[options.variant]
    net, centers = Net(layers, options.width), nn.Parameter(torch.randn(10, 2))
    images, labels = torch.rand(options.batch, 1, 28, 28), torch.randint(0, 10, (options.batch,))
    if mode != "eager":
        net, images = net.to(memory_format=torch.channels_last), images.to(memory_format=torch.channels_last)
    forward = torch.compile(net) if mode == "compile" else net
    net_sgd = torch.optim.SGD(net.parameters(), lr=0.001, momentum=0.9)
    center_sgd = torch.optim.SGD([centers], lr=0.5)

    def step():
        net_sgd.zero_grad()
        center_sgd.zero_grad()
        embedding, logits = forward(images)
        loss = nn.functional.cross_entropy(logits, labels) + center_loss(embedding, labels, centers, root)
        loss.backward()
        net_sgd.step()
        center_sgd.step()

    return step


def ours(options):
    command = [options.program, "bench", "train", "--variant", options.variant, "--width", str(options.width)]
    command += ["--batch-size", str(options.batch), "--steps", str(options.steps), "--json"]
    environment = dict(os.environ, RAYON_NUM_THREADS=str(options.threads))
    answer = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return json.loads(answer.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", choices=VARIANTS, default="v1.0")
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3, help="steps of each in a round")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--modes", default="eager,channels_last", help="of eager, channels_last, compile")
    parser.add_argument("--program", default=os.path.join(HERE, "..", "target", "release", "centerscope"))
    options = parser.parse_args()
    if not os.path.exists(options.program):
        sys.exit(f"{options.program} is not there: `cargo build --release`, then run this again.")

    torch.set_num_threads(options.threads)
    steps = {mode: torch_step(mode, options) for mode in options.modes.split(",")}
    times = {mode: [] for mode in ["centerscope", *steps]}
    peak_mb = 0
    for _ in range(options.rounds):
        answer = ours(options)
        times["centerscope"].append(answer["step_ms"])
        peak_mb = max(peak_mb, answer["peak_rss_mb"] or 0)
        for mode, step in steps.items():
            step()
            for _ in range(options.steps):
                begun = time.perf_counter()
                step()
                times[mode].append((time.perf_counter() - begun) * 1e3)

    medians = {mode: statistics.median(t) for mode, t in times.items()}
    best = min(steps, key=medians.get)
    print(f"{options.variant}, width {options.width}, batch {options.batch}, {options.threads} threads, "
          f"{options.rounds} rounds of {options.steps} steps, PyTorch {torch.__version__}, load {os.getloadavg()[0]:.1f}")
    print(f"{'':<16}{'ms a step':>12}{'images/s':>12}{'least ms':>12}")
    for mode, median in medians.items():
        print(f"{mode:<16}{median:>12.1f}{options.batch / median * 1e3:>12.1f}{min(times[mode]):>12.1f}")
    ratio = medians[best] / medians["centerscope"]
    # One process holds all modes asked for: name one mode to learn what it needs alone.
    torch_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{ratio:.2f} times PyTorch's best mode ({best}); peak memory {peak_mb} MB, PyTorch {torch_mb} MB with {len(steps)} modes")
    print(json.dumps({"variant": options.variant, "width": options.width, "batch": options.batch, "threads": options.threads,
                      "step_ms": medians, "ratio_to_best": ratio, "best": best, "peak_rss_mb": peak_mb,
                      "torch_peak_rss_mb": torch_mb}))


main()
