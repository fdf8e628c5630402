//! A server for a test, and a client that sends exactly what it is told.

use centerscope::config::Config;
use centerscope::serve::{ServeError, Server};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::{OnceLock, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::oneshot;

/// Longer than anything here takes on a busy machine; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(240);

/// A running server; it ends when dropped.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Site {
    pub(crate) fn start(runs_dir: &Path) -> Site {
        Site::with(Config::for_testing(runs_dir)).unwrap()
    }

    pub(crate) fn with(config: Config) -> Result<Site, ServeError> {
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, told) = mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                match Server::bind(config).await {
                    Ok(server) => {
                        tell.send(Ok(server.address)).unwrap();
                        server.run(async { drop(stopped.await) }).await;
                    }
                    Err(error) => tell.send(Err(error)).unwrap(),
                }
            });
            runtime.shutdown_timeout(Duration::from_millis(100));
        });
        let address = told.recv().unwrap()?;
        Ok(Site { address, stop: Some(stop), thread: Some(thread) })
    }

    /// A server that somebody else started, and ends.
    pub(crate) fn elsewhere(address: SocketAddr) -> Site {
        Site { address, stop: None, thread: None }
    }

    /// The lines of a log as they are told, until the connection ends, however it does.
    pub(crate) fn lines(&self, target: &str) -> impl Iterator<Item = String> + use<> {
        let lines = BufReader::new(self.open("GET", target, &[], b"")).lines().map_while(Result::ok);
        lines.filter_map(|line| line.strip_prefix("data: ").map(String::from)).filter(|line| line != "{}")
    }

    /// Asks the server to end, without waiting for it.
    pub(crate) fn ask_to_end(&mut self) {
        drop(self.stop.take());
    }

    /// Sends a request with these headers (`Host` comes by itself unless given).
    pub(crate) fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut stream = self.open(method, target, headers, body);
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        Reply::parse(&bytes)
    }

    /// The status alone of what goes on and on.
    pub(crate) fn get_head(&self, target: &str) -> u16 {
        self.begin(target).0
    }

    /// The status of an answer, and the rest of it, which is left unread.
    pub(crate) fn begin(&self, target: &str) -> (u16, impl Read + use<>) {
        let (mut reader, mut line) = (BufReader::new(self.open("GET", target, &[], b"")), String::new());
        reader.read_line(&mut line).unwrap();
        (line.split(' ').nth(1).unwrap().parse().unwrap(), reader)
    }

    /// A metric without labels that the server tells Prometheus.
    pub(crate) fn gauge(&self, name: &str) -> f64 {
        let text = self.get("/metrics").text();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
    }

    /// Sends these bytes, and says that nothing more will come where they are `all`; `None` where the server hangs up
    /// without an answer.
    pub(crate) fn send_raw(&self, bytes: &[u8], all: bool) -> Option<Reply> {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // The server may hang up before it has it all.
        let _ = stream.write_all(bytes);
        if all {
            let _ = stream.shutdown(Shutdown::Write);
        }
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        (!answer.is_empty()).then(|| Reply::parse(&answer))
    }

    fn open(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // HTTP/1.0, so that an answer ends where the connection does.
        let mut head = format!("{method} {target} HTTP/1.0\r\nContent-Length: {}\r\n", body.len());
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head.push_str(&format!("Host: {}\r\n", self.address));
        }
        headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
        stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        // The server may refuse a large body before it has it all.
        let _ = stream.write_all(body);
        stream
    }

    pub(crate) fn get(&self, target: &str) -> Reply {
        self.send("GET", target, &[], b"")
    }

    pub(crate) fn get_page(&self, target: &str) -> Reply {
        self.send("GET", target, &[("Accept", "text/html,*/*;q=0.8")], b"")
    }

    pub(crate) fn post(&self, target: &str, body: &Value) -> Reply {
        self.send("POST", target, &[("Content-Type", "application/json")], body.to_string().as_bytes())
    }

    /// Starts runs and gives their ids.
    pub(crate) fn start_runs(&self, request: Value) -> Vec<String> {
        let reply = self.post("/runs", &request);
        assert_eq!(reply.status, 201, "{}", reply.text());
        let runs = reply.json()["runs"].as_array().unwrap().clone();
        runs.iter().map(|run| run["id"].as_str().unwrap().to_string()).collect()
    }

    /// Starts a tiny run and waits until it is over.
    pub(crate) fn tiny_run(&self) -> String {
        let id = self.start_runs(tiny(json!({"variant": "v1.0"}))).remove(0);
        self.events(&format!("/runs/{id}/events"), None).rest();
        id
    }

    /// Opens a live stream, as a browser does that has seen `last`.
    pub(crate) fn events(&self, target: &str, last: Option<&str>) -> Events {
        let headers = last.map(|last| ("Last-Event-ID", last));
        self.stream(target, headers.as_slice()).1
    }

    /// Opens a live stream with these headers; its head, and what follows.
    pub(crate) fn stream(&self, target: &str, headers: &[(&str, &str)]) -> (String, Events) {
        let mut reader = BufReader::new(self.open("GET", target, headers, b""));
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut head).unwrap() > 0, "{head}");
        }
        assert!(head.contains(" 200 ") && head.contains("text/event-stream"), "{head}");
        (head, Events { reader })
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.ask_to_end();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking(), "the server broke down");
        }
    }
}

/// A request for a network that trains in moments, with more fields.
pub(crate) fn tiny(more: Value) -> Value {
    let mut request = json!({"dataset": "generated", "train_images": 64, "width": 0.03125, "epochs": 2, "batch_size": 32, "device": "cpu"});
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    request
}

/// A request for a run that goes on until it is stopped.
pub(crate) fn endless(more: Value) -> Value {
    let mut request = tiny(json!({"epochs": 1000, "train_images": 12_000}));
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    request
}

/// An answer.
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    fn parse(bytes: &[u8]) -> Reply {
        let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").expect("an answer with a head");
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|line| line.split_once(": ").unwrap()).map(|(a, b)| (a.to_string(), b.to_string()));
        Reply { status, headers: headers.collect(), body: bytes[end + 4..].to_vec() }
    }

    pub(crate) fn header<'a>(&'a self, name: &'a str) -> &'a str {
        self.headers(name).next().unwrap_or("")
    }

    /// Of a header that comes again and again.
    pub(crate) fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.headers.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

/// One server-sent event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) id: String,
    /// Empty for a line of the log.
    pub(crate) kind: String,
    pub(crate) data: String,
}

impl Event {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap()
    }
}

/// A live stream.
pub(crate) struct Events {
    reader: BufReader<TcpStream>,
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        let mut event = Event { id: String::new(), kind: String::new(), data: String::new() };
        loop {
            let mut line = String::new();
            if self.reader.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            match line.trim_end().split_once(": ") {
                Some(("id", id)) => event.id = id.into(),
                Some(("event", kind)) => event.kind = kind.into(),
                Some(("data", data)) => event.data = data.into(),
                None if !event.data.is_empty() => return Some(event),
                _ => {}
            }
        }
    }
}

impl Events {
    /// Every line up to the end, which must come as `event: end`.
    pub(crate) fn rest(self) -> Vec<Event> {
        let mut events = self.collect::<Vec<_>>();
        let last = events.pop().expect("a stream does not end in silence");
        assert_eq!(last.kind, "end", "{last:?}");
        events
    }

    /// The first line of that type.
    pub(crate) fn until(&mut self, kind: &str) -> Value {
        self.map(|event| event.json()).find(|line| line["type"] == kind).unwrap_or_else(|| panic!("no {kind}"))
    }
}

/// A server with a finished comparison of three tiny runs, for tests that only look.
pub(crate) struct Finished {
    pub(crate) site: Site,
    pub(crate) ids: Vec<String>,
    _home: TempDir,
    pub(crate) runs_dir: std::path::PathBuf,
}

/// The one that all such tests share: training is what takes time.
pub(crate) fn finished() -> &'static Finished {
    static FINISHED: OnceLock<Finished> = OnceLock::new();
    FINISHED.get_or_init(|| {
        // Enough steps to learn something: of networks that know nothing, every point lies in one spot.
        // A static is never dropped: what stays behind does so in the build folder.
        let home = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let runs_dir = home.path().join("runs");
        let site = Site::start(&runs_dir);
        let ids = site.start_runs(tiny(json!({"seed": 5, "name": "shared", "train_images": 3200})));
        site.events(&format!("/events?runs={}", ids.join(",")), None).rest();
        Finished { site, ids, _home: home, runs_dir }
    })
}
