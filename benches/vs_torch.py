#!/usr/bin/env python3
"""Our training step against PyTorch's, in turns, on this machine.

    cargo build --release && python3 benches/vs_torch.py
    python3 benches/vs_torch.py --width 0.25 --batch 64 --steps 20
    python3 benches/vs_torch.py --device cuda

Each round runs a few of our steps and as many of each PyTorch mode, one after the other, so that a slow moment of the machine hits
all alike; what counts is the median over all steps of all rounds. Each starts a round with one step that doesn't count. A step is: zero the gradients, forward, cross entropy + center loss, backward, both optimisers,
on images already in memory. Prints a table, and JSON on the last line.

On CUDA a measurement is the mean of 50 steps after 5 that don't count, and each of our precisions stands against the best of PyTorch's
modes of that precision or a finer one: f32, TF32, bf16 by autocast; each eager, channels-last, compiled, and compiled into a CUDA graph.
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
    device = options.device
    net, centers = Net(layers, options.width).to(device), nn.Parameter(torch.randn(10, 2, device=device))
    images = torch.rand(options.batch, 1, 28, 28, device=device)
    labels = torch.randint(0, 10, (options.batch,), device=device)
    if not mode.startswith("eager"):
        net, images = net.to(memory_format=torch.channels_last), images.to(memory_format=torch.channels_last)
    forward = net
    if mode.startswith("compile"):
        forward = torch.compile(net, mode="max-autotune" if mode.endswith("graph") else None)
    net_sgd = torch.optim.SGD(net.parameters(), lr=0.001, momentum=0.9)
    center_sgd = torch.optim.SGD([centers], lr=0.5)

    def step():
        net_sgd.zero_grad()
        center_sgd.zero_grad()
        with torch.autocast(device, torch.bfloat16, enabled="bf16" in mode):
            embedding, logits = forward(images)
        embedding, logits = embedding.float(), logits.float()
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


CUDA_MODES = [f"{way}_{precision}" for precision in ["f32", "tf32", "bf16"] for way in ["eager", "channels_last", "compile"]]
CUDA_MODES += [f"compile_{precision}_graph" for precision in ["tf32", "bf16"]]


def precision_of(mode):
    return next(precision for precision in ["tf32", "bf16", "f32"] if precision in mode)


def on_cuda(options):
    if not torch.cuda.is_available():
        sys.exit("PyTorch sees no CUDA GPU here.")
    torch.backends.cudnn.benchmark = True

    def measure(mode, step, count):
        tf32 = precision_of(mode) != "f32"
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
        torch.cuda.synchronize()
        begun = time.perf_counter()
        for _ in range(count):
            step()
        torch.cuda.synchronize()
        return (time.perf_counter() - begun) / count * 1e3

    steps = {}
    for mode in (options.modes or ",".join(CUDA_MODES)).split(","):
        try:
            step = torch_step(mode, options)
            measure(mode, step, 5)
            steps[mode] = step
        except Exception as error:  # torch.compile needs Triton and a C compiler; the other modes don't.
            print(f"left out: {mode} ({type(error).__name__}: {str(error).splitlines()[0][:120] if str(error) else ''})")
    if not steps:
        sys.exit("PyTorch could not run any mode here.")

    ours_of = {precision: f"centerscope_{precision}" for precision in ["f32", "tf32", "bf16"]}
    times = {name: [] for name in [*ours_of.values(), *steps]}
    for _ in range(options.rounds):
        for precision, name in ours_of.items():
            command = [options.program, "bench", "train", "--device", "cuda", "--precision", precision]
            command += ["--variant", options.variant, "--width", str(options.width), "--batch-size", str(options.batch)]
            answer = subprocess.run([*command, "--steps", "3", "--json"], capture_output=True, text=True)
            if answer.returncode:
                sys.exit(f"{' '.join(command)} failed: {answer.stderr.strip()}")
            times[name].append(json.loads(answer.stdout.splitlines()[-1])["step_ms"])
        for mode, step in steps.items():
            times[mode].append(measure(mode, step, 50))

    medians = {name: statistics.median(t) for name, t in times.items()}
    print(f"{options.variant}, width {options.width}, batch {options.batch}, {options.rounds} rounds, {torch.cuda.get_device_name()}, "
          f"PyTorch {torch.__version__}, cuDNN {torch.backends.cudnn.version()}")
    print(f"{'':<24}{'ms a step':>12}{'images/s':>12}{'least ms':>12}")
    for name, median in medians.items():
        print(f"{name:<24}{median:>12.3f}{options.batch / median * 1e3:>12.0f}{min(times[name]):>12.3f}")
    order = ["f32", "tf32", "bf16"]
    ratios = {}
    for precision, name in ours_of.items():
        peers = [mode for mode in steps if order.index(precision_of(mode)) <= order.index(precision)]
        if peers:
            best = min(peers, key=medians.get)
            ratios[precision] = medians[best] / medians[name]
            print(f"{name}: {ratios[precision]:.2f} times PyTorch's best mode of that precision or a finer one ({best})")
    print(json.dumps({"variant": options.variant, "width": options.width, "batch": options.batch, "device": "cuda",
                      "gpu": torch.cuda.get_device_name(), "step_ms": medians, "ratio_to_best": ratios}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", choices=VARIANTS, default="v1.0")
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3, help="steps of each in a round")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--modes", help="on a CPU of eager, channels_last, compile (default: the first two); "
                                        f"on CUDA of {', '.join(CUDA_MODES)} (default: all)")
    parser.add_argument("--program", default=os.path.join(HERE, "..", "target", "release", "centerscope"))
    options = parser.parse_args()
    if not os.path.exists(options.program):
        sys.exit(f"{options.program} is not there: `cargo build --release`, then run this again.")

    if options.device == "cuda":
        return on_cuda(options)
    torch.set_num_threads(options.threads)
    steps = {mode: torch_step(mode, options) for mode in (options.modes or "eager,channels_last").split(",")}
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
