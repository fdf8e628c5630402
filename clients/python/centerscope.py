"""A client of Centerscope's REST interface in one file, with nothing but Python's standard library.

    from centerscope import Centerscope
    server = Centerscope()                                    # http://localhost:8080
    run = server.start(variant="v1.1", epochs=4)[0]
    run.wait(lambda event: print(event["type"]))
    print(run.metrics()[-1]["test_accuracy"])

Where pandas is installed, `run.frame()` gives the metrics as a data frame; where NumPy is, `run.embedding(epoch)` gives an
array. Everything else works without both. Python 3.9 or newer.
"""

import collections
import http.client
import json
import struct
import time
import urllib.error
import urllib.parse
import urllib.request

ENDED = {"FINISHED", "FAILED", "KILLED", "INTERRUPTED"}
MOST_KEPT = 64  # answers that are kept to be asked for anew


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


def _address(path, **query):
    """An address with those of the parameters that are said."""
    query = {name: value for name, value in query.items() if value is not None}
    return path + ("?" + urllib.parse.urlencode(query) if query else "")


def _saved(answer, path):
    with answer, open(path, "wb") as file:
        while chunk := answer.read(1 << 16):
            file.write(chunk)


class Centerscope:
    """A server. `token` is what it asks for where it isn't open to everybody; `timeout_s` is how long one request may take, and
    for how long a live stream may be silent."""

    def __init__(self, url="http://localhost:8080", token=None, timeout_s=60.0):
        self.url = url.rstrip("/")
        self.token = token
        self.timeout_s = timeout_s
        self._kept = collections.OrderedDict()

    def open(self, path, body=None, headers=None, method=None):
        """The open answer to a request: GET, or POST where there is a body, unless `method` says otherwise. Bytes are sent as they
        are, anything else as JSON."""
        headers = {"Accept": "application/json", **(headers or {})}
        if self.token:
            headers["Authorization"] = "Bearer " + self.token
        data = None
        if isinstance(body, bytes):
            data = body
            headers["Content-Type"] = "application/octet-stream"
        elif body is not None:
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
        """The JSON at an address. What was got before is sent again only where it changed since, so asking again costs little."""
        tag, text = self._kept.pop(path, (None, None))
        try:
            with self.open(path, headers={"If-None-Match": tag} if tag else None) as answer:
                tag, text = answer.headers.get("ETag"), answer.read()
        except CenterscopeError as error:
            if error.status != 304:
                raise
        if tag:
            self._kept[path] = tag, text
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return json.loads(text)

    def pages(self, path, name, **query):
        """Everything of a list that comes page by page under `name`."""
        found = []
        while True:
            answer = self.get(_address(path, **query))
            found += answer[name]
            if answer["next"] is None:
                return found
            query["cursor"] = answer["next"]

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

    def runs(self, query="", page=1000, sort="-created"):
        """Every run, or those that a query lets through, "accuracy > 98%", in the order of a field, newest first unless said.
        `page`: how many a request brings."""
        return [Run(self, run["id"]) for run in self.summaries(query, page, sort)]

    def summaries(self, query="", page=1000, sort="-created"):
        """The same runs as dicts: status, spec, tags, each metric's last and best …"""
        return self.pages("/runs", "runs", query=query, limit=page, sort=sort)

    def csv(self, query="", columns=None, sort="-created"):
        """The same runs as a table in CSV; `columns`: names of fields, all unless said."""
        columns = columns and ",".join(columns)
        with self.open(_address("/runs", format="csv", query=query, sort=sort, columns=columns)) as answer:
            return answer.read().decode()

    def fields(self):
        """What runs can be asked for, sorted and grouped by: [{"name", "label", "kind", "help", …}…]."""
        return self.get("/runs/fields")["fields"]

    def facets(self, query=""):
        """How many of the runs that a query lets through have which status, variant, tag …"""
        return self.get(_address("/runs/facets", query=query))["facets"]

    def check(self, query):
        """What is wrong with a query: {"detail", "position", "length", "expected"}; None where nothing is."""
        return self.get(_address("/runs/check", query=query))["error"]

    def run(self, run_id):
        """The run of that id."""
        return Run(self, run_id)

    def trash(self):
        """The deleted runs, last deleted first: [{"id", "name", "deleted_ms", "size_bytes", …}…]."""
        return self.pages("/trash", "runs", limit=1000)

    def sweeps(self):
        """The sweeps, newest first: [{"id", "name", "runs", "statuses", "varied", …}…]."""
        return self.pages("/sweeps", "sweeps", limit=1000)

    def sweep(self, sweep_id, by=None, metric=None):
        """The runs of a sweep by groups; `by`: names of fields."""
        by = None if by is None else ",".join(by)
        return self.get(_address(f"/sweeps/{sweep_id}", by=by, metric=metric))

    def stop_sweep(self, sweep_id):
        """Stops those of a sweep's runs that aren't over."""
        return self.post(f"/sweeps/{sweep_id}/stop", {})

    def claims(self, **query):
        """The shipped claims and what the runs say of them, or the claim that field, a, b, metric and at describe."""
        return self.get(_address("/claims", **query))["claims"]

    def groups(self, runs=None, by=None, metric=None, query=None):
        """Runs by groups, whatever sweep they are of: 1 to 100 of them, Run objects or ids, or all that a `query` lets through;
        `by`: names of fields."""
        runs = None if runs is None else _joined(runs)
        by = None if by is None else ",".join(by)
        return self.get(_address("/groups", runs=runs, query=query, by=by, metric=metric))

    def diff(self, runs, at="last"):
        """1 to 6 runs side by side, `at` their last or best epochs, or at one of that number."""
        return self.get(_address("/diff", runs=_joined(runs), at=at))

    def alignment(self, runs, reference=None, epoch=None):
        """How the planes of 1 to 6 runs are laid over that of the reference, the first unless said: a map for each epoch."""
        reference = getattr(reference, "id", reference)
        asked = _address("/compare/alignment", runs=_joined(runs), reference=reference, epoch=epoch)
        return self.get(asked)["alignments"]

    def replay(self, runs, path):
        """Writes the comparison of 1 to 6 runs to `path`: one HTML file that needs no server."""
        _saved(self.open(_address("/compare/replay", runs=_joined(runs)), headers={"Accept": "text/html"}), path)

    def metrics_table(self):
        """What each metric means: [{"name", "label", "unit", "higher_is_better", "help"}…]."""
        return self.get("/metrics-table")["metrics"]

    def events(self, runs, after="", patience_s=300.0):
        """The events of 1 to 16 runs as they happen, each with its "run", until all of them are over."""
        for _, event in self.stream(_address("/events", runs=_joined(runs)), after, patience_s):
            yield event

    def changes(self, after="", patience_s=300.0):
        """Which runs change, from now on: {"runs": [summary…], "gone": [id…]}, again and again. {} says that the server was started
        anew, so that what changed before isn't known. Never ends by itself."""
        for _, change in self.stream("/events/summaries", after, patience_s):
            yield change

    def stream(self, path, after="", patience_s=300.0):
        """A live stream: (position, what happened)… from position `after` on, until the server says that it is over. A lost
        connection is taken up again where it broke off; ConnectionError where the server can't be reached for `patience_s`."""
        lost = None
        while True:
            try:
                headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
                with self.open(path, headers=headers) as stream:
                    kind = position = lost = None
                    for line in stream:
                        name, _, value = line.decode().rstrip("\r\n").partition(": ")
                        if name == "event":
                            kind = value
                        elif name == "id":
                            position = value
                        elif name == "data" and kind == "end":
                            return
                        elif name == "data" and kind != "shutdown":
                            after = after if position is None else position
                            yield after, json.loads(value) if kind is None else {}
                        elif name == "":
                            kind = position = None
            except (OSError, http.client.HTTPException) as error:
                lost = time.monotonic() if lost is None else lost
                if time.monotonic() - lost >= patience_s:
                    raise ConnectionError(
                        f"{self.url} can't be reached for {patience_s:g} s ({error}): "
                        f"start the server again, then go on with after={after!r}"
                    ) from None
            time.sleep(min(1, patience_s))


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
        """Its events as dicts, from position `after`, as they happen, until the run is over; see `Centerscope.stream`."""
        for _, event in self.server.stream(self.path + "/events", after, patience_s):
            yield event

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

    def series(self, points):
        """Its metrics in few points: {name: {"at": [epochs …], "value": […]}}."""
        return self.server.get(_address(self.path + "/metrics", points=points))["series"]

    def progress(self, points=1000):
        """The losses and the speed between epochs, likewise in few points."""
        return self.server.get(_address(self.path + "/progress", points=points))["series"]

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
        return self._data("labels", split)

    def images(self, indices, split="test"):
        """1 to 256 of its images as one grey PNG, 28×28 each, 16 in a row."""
        return self._data("sheet", split, indices=",".join(map(str, indices)))

    def _data(self, what, split, **query):
        data = self.state()["data"]
        with self.server.open(_address(f"/data/{data['set']}/{what}/{split}", digest=data["digest"], **query)) as answer:
            return answer.read()

    def predict(self, pixels, epoch=None, drawing=False):
        """What its network makes of 28×28 grey pixels, row by row, 0 the background: {"prediction", "probabilities", "embedding",
        "nearest", …}. `drawing`: they are a square drawing of up to 128 pixels a side."""
        path = _address(self.path + "/predict", epoch=epoch, drawing=1 if drawing else None)
        return self.server.post(path, bytes(pixels))

    def artifacts(self):
        """Its files: [{"name", "size_bytes", "content_type", "url"}…]."""
        return self.server.get(self.path + "/artifacts")["artifacts"]

    def download(self, name, path):
        """Writes one of its files to `path`."""
        _saved(self.server.open(f"{self.path}/artifacts/{urllib.parse.quote(name)}"), path)

    def archive(self, path):
        """Writes all of it to `path`, as .tar.gz."""
        _saved(self.server.open(self.path + "/archive"), path)
