"""A client of Centerscope's REST interface in one file, with nothing but Python's standard library.

    from centerscope import Centerscope
    server = Centerscope()                                    # http://localhost:8080
    run = server.start(variant="v1.1", epochs=4)[0]
    run.wait(lambda event: print(event["type"]))
    print(run.metrics()[-1]["test_accuracy"])

Where pandas is installed, `run.frame()` gives the metrics as a data frame; where NumPy is, `run.embedding(epoch)` gives an
array. Everything else works without both. Python 3.9 or newer.
"""

import http.client
import json
import struct
import time
import urllib.error
import urllib.parse
import urllib.request

ENDED = {"FINISHED", "FAILED", "KILLED", "INTERRUPTED"}


class CenterscopeError(Exception):
    """The server refused. `status` is HTTP's, `problem` the answer: RFC 9457, with `field` and `expected` for a wrong value."""

    def __init__(self, status, problem):
        super().__init__(f"{status}: {problem.get('detail', 'no reason given')}")
        self.status = status
        self.problem = problem


def named(fields):
    """Fields by their own names: `lambda` is a word of Python's, so it is `lambda_` here."""
    return {name.rstrip("_"): value for name, value in fields.items()}


def _joined(runs):
    return ",".join(getattr(run, "id", run) for run in runs)


class Centerscope:
    """A server. `token` is what it asks for where it isn't open to everybody; `timeout_s` is how long one request may take, and
    for how long a live stream may be silent."""

    def __init__(self, url="http://localhost:8080", token=None, timeout_s=60.0):
        self.url = url.rstrip("/")
        self.token = token
        self.timeout_s = timeout_s

    def open(self, path, body=None, headers=None, method=None):
        """The open answer to a request: GET, or POST where there is a body, unless `method` says otherwise."""
        headers = {"Accept": "application/json", **(headers or {})}
        if self.token:
            headers["Authorization"] = "Bearer " + self.token
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)
        try:
            return urllib.request.urlopen(request, timeout=self.timeout_s)
        except urllib.error.HTTPError as error:
            text = error.read()
            try:
                problem = json.loads(text)
            except ValueError:
                problem = {"detail": text.decode(errors="replace")}
            raise CenterscopeError(error.code, problem) from None

    def get(self, path):
        """The JSON at an address."""
        with self.open(path) as answer:
            return json.load(answer)

    def post(self, path, body):
        """The JSON that comes of a request."""
        with self.open(path, body) as answer:
            return json.load(answer)

    def patch(self, path, body):
        """The JSON that comes of an edit."""
        with self.open(path, body, method="PATCH") as answer:
            return json.load(answer)

    def plan(self, **fields):
        """What `start` would start, and how long it would take: {"count", "estimated_seconds", "basis", "runs", …}. Raises
        where `start` would."""
        answer = self.post("/runs/plan", named(fields))
        if "problem" in answer:
            raise CenterscopeError(answer["problem"]["status"], answer["problem"])
        return answer

    def start(self, **fields):
        """Starts what the fields say and returns the runs. Several values make a sweep: seeds=[1, 2, 3], lambda_=[0.1, 1]."""
        return [Run(self, run["id"]) for run in self.post("/runs", named(fields))["runs"]]

    def runs(self, query="", page=1000):
        """Every run, newest first, or those that a query lets through: "accuracy > 98%". `page`: how many a request brings."""
        found, cursor = [], ""
        while cursor is not None:
            asked = urllib.parse.urlencode({"query": query, "limit": page, "cursor": cursor})
            answer = self.get("/runs?" + asked)
            found += [Run(self, run["id"]) for run in answer["runs"]]
            cursor = answer["next"]
        return found

    def run(self, run_id):
        """The run of that id."""
        return Run(self, run_id)

    def sweep(self, sweep_id, by=None, metric=None):
        """The runs of a sweep by groups; `by`: names of fields."""
        query = {"by": None if by is None else ",".join(by), "metric": metric}
        query = urllib.parse.urlencode({name: value for name, value in query.items() if value is not None})
        return self.get(f"/sweeps/{sweep_id}?{query}")

    def stop_sweep(self, sweep_id):
        """Stops those of a sweep's runs that aren't over."""
        return self.post(f"/sweeps/{sweep_id}/stop", {})

    def claims(self, **query):
        """The shipped claims and what the runs say of them, or the claim that field, a, b, metric and at describe."""
        return self.get("/claims?" + urllib.parse.urlencode(query))["claims"]

    def groups(self, runs, by=None, metric=None):
        """1 to 100 runs by groups, whatever sweep they are of: Run objects or ids."""
        query = {"runs": _joined(runs), "by": None if by is None else ",".join(by), "metric": metric}
        query = {name: value for name, value in query.items() if value is not None}
        return self.get("/groups?" + urllib.parse.urlencode(query))

    def diff(self, runs, at="last"):
        """1 to 6 runs side by side, `at` their last or best epochs, or at one of that number."""
        return self.get("/diff?" + urllib.parse.urlencode({"runs": _joined(runs), "at": at}))


class Run:
    """A run of a server, by its id."""

    def __init__(self, server, run_id):
        self.server = server
        self.id = run_id
        self.path = "/runs/" + run_id

    def __repr__(self):
        return f"<run {self.id}>"

    def state(self):
        """All that is known of the run: its spec, status, history …"""
        return self.server.get(self.path)

    def stop(self):
        """Stops the run; one that is over stays as it is."""
        return self.server.post(self.path + "/stop", {})

    def resume(self):
        """Goes on with a run that was stopped, failed or was interrupted, from its newest whole checkpoint."""
        return self.server.post(self.path + "/resume", {})

    def fork(self, epoch, **fields):
        """A new run that goes on from this one's checkpoint of `epoch`, with other values: fork(3, lambda_=0.5)."""
        answer = self.server.post(self.path + "/fork", {"epoch": epoch, **named(fields)})
        return Run(self.server, answer["runs"][0]["id"])

    def edit(self, **changes):
        """Changes its name, tags, notes or archived, and returns its summary."""
        return self.server.patch(self.path, changes)

    def delete(self):
        """Moves it to the trash; it must be over."""
        self.server.open(self.path, method="DELETE").close()

    def restore(self):
        """Brings it back from the trash."""
        return self.server.post(self.path + "/restore", {})

    def events(self, after=0, patience_s=300.0):
        """Its events as dicts, from position `after`, as they happen, until the run is over. A lost connection is taken up
        again where it broke off; ConnectionError where the server can't be reached for `patience_s`."""
        lost = None
        while True:
            try:
                with self.server.open(f"{self.path}/events?after={after}", headers={"Accept": "text/event-stream"}) as stream:
                    kind = lost = None
                    for line in stream:
                        name, _, value = line.decode().rstrip("\r\n").partition(": ")
                        if name == "event":
                            kind = value
                        elif name == "data" and kind is None:
                            event = json.loads(value)
                            after = event["seq"]
                            yield event
                        elif name == "data" and kind == "end":
                            return
                        elif name == "":
                            kind = None
            except (OSError, http.client.HTTPException) as error:
                lost = time.monotonic() if lost is None else lost
                if time.monotonic() - lost >= patience_s:
                    raise ConnectionError(
                        f"{self.server.url} can't be reached for {patience_s:g} s ({error}): "
                        f"start the server again, then go on with events(after={after})"
                    ) from None
            time.sleep(min(1, patience_s))

    def wait(self, tell=None, patience_s=300.0):
        """Waits until the run is over and returns its state; `tell(event)` hears of every event. Raises where it failed, and
        ConnectionError where the server can't be reached for `patience_s`."""
        for event in self.events(patience_s=patience_s):
            if tell:
                tell(event)
        state = self.state()
        if state["status"] == "FAILED":
            raise RuntimeError(f"{state['name']} failed: {state['reason']}")
        return state

    def metrics(self):
        """Its metrics: one dict an epoch."""
        return self.server.get(self.path + "/metrics")["epochs"]

    def frame(self):
        """Its metrics as a pandas data frame, by epoch."""
        import pandas

        return pandas.DataFrame(self.metrics()).set_index("epoch")

    def embedding(self, epoch, split="test"):
        """The embedding after an epoch: a NumPy array (N, 2) of f32, or a list of pairs where NumPy isn't there. Row i is
        image i of the data set."""
        with self.server.open(f"{self.path}/embeddings/{epoch}?split={split}&format=npy") as answer:
            data = answer.read()
        try:
            import io

            import numpy
        except ImportError:
            # Version 1 of the format: magic, two bytes of version, the header's length, the header, the numbers.
            start = 10 + struct.unpack_from("<H", data, 8)[0]
            return list(struct.iter_unpack("<ff", data[start:]))
        return numpy.load(io.BytesIO(data))

    def labels(self, split="test"):
        """The true labels of the images, in the order of the embedding: bytes of 0 to 9."""
        data = self.state()["data"]
        with self.server.open(f"/data/{data['set']}/labels/{split}?digest={data['digest']}") as answer:
            return answer.read()

    def artifacts(self):
        """Its files: [{"name", "size_bytes", "content_type", "url"}…]."""
        return self.server.get(self.path + "/artifacts")["artifacts"]

    def download(self, name, path):
        """Writes one of its files to `path`."""
        with self.server.open(f"{self.path}/artifacts/{urllib.parse.quote(name)}") as answer, open(path, "wb") as file:
            while chunk := answer.read(1 << 16):
                file.write(chunk)
