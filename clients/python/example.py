"""From a sweep to a verdict, step by step: python3 example.py [http://localhost:8080] [tiny]

With `tiny`, networks and data so small that it takes seconds; otherwise the quick profile, minutes on a laptop."""

import os
import sys
import tempfile

from centerscope import Centerscope, CenterscopeError

server = Centerscope(sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8080")
size = {}
if "tiny" in sys.argv:
    size = {"dataset": "generated", "train_images": 64, "width": 0.03125, "epochs": 2, "batch_size": 32}

# 1. A wrong value is told with its field and what is expected.
try:
    server.start(variant="v1.0", epochs=0)
except CenterscopeError as error:
    print("refused:", error.problem["field"], "must be", error.problem["expected"])

# 2. How much work is it?
fields = {"variants": ["v1.0", "v1.1"], "seeds": [1, 2], **size}
plan = server.plan(**fields)
print(plan["count"], "runs, estimated seconds:", plan["estimated_seconds"])

# 3. Start, and hear of every epoch as it happens.
runs = server.start(**fields)
for run in runs:
    state = run.wait(lambda event: event["type"] == "epoch" and print("  epoch", event["epoch"], "of", run.id))
    print(state["name"], "→", state["status"])

# 4. Numbers: dicts, or a data frame where pandas is there.
run = runs[0]
print("last epoch:", run.metrics()[-1])
try:
    print(run.frame()[["train_loss", "test_accuracy"]])
except ImportError:
    print("no pandas here: no data frame")

# 5. The plane: point i is image i.
points, labels = run.embedding(epoch=1), run.labels()
print(len(points), "points, the first a", labels[0], "at", [float(x) for x in points[0]])

# 6. Files.
names = [artifact["name"] for artifact in run.artifacts()]
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "metrics.csv")
    run.download("metrics.csv", path)
    print(len(names), "files;", "metrics.csv begins", open(path).readline().split(",")[:3])

# 7. What the network makes of a stroke from top to bottom.
stroke = [255 if 12 <= i % 28 < 16 and 4 <= i // 28 < 24 else 0 for i in range(28 * 28)]
answer = run.predict(stroke)
print("a stroke is read as a", answer["prediction"], "after epoch", answer["epoch"])

# 8. The sweep as groups, and a claim tested by its pairs.
sweep = server.sweep(run.state()["sweep"], metric="train_loss")
for group in sweep["groups"]:
    print(group["label"], "train_loss", group["finished"]["train_loss"]["last"]["mean"])
claim = server.claims(sweep=sweep["sweep"], field="variant", a="v1.0", b="v1.1", metric="train_loss", at="last")[0]
print(claim["sentence"], "→", claim["findings"][0]["verdict"])

# 9. Go on from a checkpoint with another value, tag what came of it, group all that is tagged or not, and put it away.
fork = run.fork(1, epochs=3, lambda_=0.5)
print("forked:", fork.wait()["name"], fork.edit(tags=["paper"])["tags"])
for group in server.groups(query="status = FINISHED", by=["tags"])["groups"]:
    print("of all runs:", group["label"], "→", group["total"])
fork.delete()
fork.restore()
