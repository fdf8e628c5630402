//! The server that `bench watch` watches: started, asked, and looked at from outside.

use super::watch::{Delivery, PATIENCE};
use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// Between two questions how the server is: fifty a second.
const PAUSE: Duration = Duration::from_millis(20);

/// The server that is watched; it ends, and its folder with it, when dropped.
pub(super) struct Server {
    child: Child,
    pub(super) address: SocketAddr,
    folder: PathBuf,
}

/// The server over some time.
pub(super) struct Measured {
    pub(super) steps_per_s: f64,
    pub(super) resident_mib: f64,
    pub(super) open_handles: f64,
    pub(super) streams: f64,
    pub(super) health_p99_ms: f64,
    /// Processors that the server's threads took, those that train left out, and this program's.
    pub(super) serving: f64,
    pub(super) reading: f64,
}

impl Server {
    pub(super) fn start(watchers: u16, runs: u16) -> anyhow::Result<Server> {
        let folder = std::env::temp_dir().join(format!("centerscope-watch-{}", std::process::id()));
        std::fs::create_dir(&folder).with_context(|| format!("can't make {}", folder.display()))?;
        let mut command = std::process::Command::new(std::env::current_exe()?);
        command.args(["serve", "--host", "127.0.0.1", "--port", "0", "--offline", "--runs-dir"]).arg(&folder);
        command.args(["--watchers", &watchers.to_string(), "--jobs", &runs.to_string()]);
        // Only what is said here counts.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CENTERSCOPE_") {
                command.env_remove(name);
            }
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().context("can't start a server")?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        let address = line.split_once("http://").and_then(|(_, rest)| rest.split_once('/')?.0.parse().ok());
        // Dropped where it is of no use, with its folder.
        let server = |address| Server { child, address, folder };
        match address {
            Some(address) => Ok(server(address)),
            None => {
                drop(server(([127, 0, 0, 1], 0).into()));
                bail!("the server did not start: {line}")
            }
        }
    }

    /// Starts runs that don't end, waits until each has trained an epoch, and gives the address of their stream.
    pub(super) fn start_runs(&self, count: u16) -> anyhow::Result<String> {
        let variants = ["v1.0", "v1.1", "v1.2"].iter().cycle().take(count.into()).collect::<Vec<_>>();
        // The network of the quick comparison; its epochs are shorter, so that some end while somebody watches.
        let request = json!({"variants": variants, "dataset": "generated", "device": "cpu", "profile": "quick",
            "train_images": 3000, "epochs": 1000});
        let answer = self.ask("POST", "/runs", &request.to_string())?;
        let answer = serde_json::from_str::<Value>(&answer).with_context(|| answer.clone())?;
        let runs = answer["runs"].as_array().with_context(|| answer.to_string())?;
        let ids = runs.iter().filter_map(|run| run["id"].as_str()).collect::<Vec<_>>();
        let begun = Instant::now();
        for id in &ids {
            while self.state(id)?["epoch"].as_u64().unwrap_or_default() == 0 {
                ensure!(begun.elapsed() < PATIENCE * 4, "the runs did not get through an epoch within four minutes");
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        Ok(format!("/events?runs={}", ids.join(",")))
    }

    fn state(&self, id: &str) -> anyhow::Result<Value> {
        let list = serde_json::from_str::<Value>(&self.ask("GET", "/runs", "")?)?;
        let runs = list["runs"].as_array().context("the server lists no runs")?;
        runs.iter().find(|run| run["id"] == id).cloned().context("the server lost a run")
    }

    /// Steps of all runs until now.
    fn steps(&self) -> anyhow::Result<f64> {
        let list = serde_json::from_str::<Value>(&self.ask("GET", "/runs", "")?)?;
        let runs = list["runs"].as_array().context("the server lists no runs")?;
        let number = |run: &Value, name: &str| run[name].as_f64().unwrap_or_default();
        Ok(runs.iter().map(|run| number(run, "epoch") * number(run, "steps") + number(run, "step")).sum())
    }

    /// Looks at the beginning and at the end of `length`, and asks how the server is in between; `begin` is called after
    /// the first look.
    pub(super) fn measure(&self, length: Duration, begin: impl FnOnce()) -> anyhow::Result<Measured> {
        let (serving, reading) = (processor_s(self.child.id()), processor_s(std::process::id()));
        let (steps, start) = (self.steps()?, Instant::now());
        begin();
        let mut answers = Vec::new();
        while start.elapsed() < length {
            let asked = Instant::now();
            self.ask("GET", "/healthz", "")?;
            answers.push(asked.elapsed().as_secs_f64() * 1000.0);
            std::thread::sleep(PAUSE);
        }
        let seconds = start.elapsed().as_secs_f64();
        let steps_per_s = (self.steps()? - steps) / seconds;
        let (serving, reading) = (processor_s(self.child.id()) - serving, processor_s(std::process::id()) - reading);
        let metrics = self.ask("GET", "/metrics", "")?;
        let gauge = |name: &str| gauge(&metrics, name).unwrap_or_default();
        Ok(Measured {
            steps_per_s,
            resident_mib: gauge("process_resident_memory_bytes") / f64::from(1 << 20),
            open_handles: gauge("process_open_fds"),
            streams: gauge("centerscope_watchers"),
            health_p99_ms: Delivery::of(answers).p99_ms,
            serving: serving / seconds,
            reading: reading / seconds,
        })
    }

    /// Until the server has noticed that everybody left.
    pub(super) fn wait_until_alone(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        while gauge(&self.ask("GET", "/metrics", "")?, "centerscope_watchers") != Some(0.0) {
            ensure!(begun.elapsed() < PATIENCE, "the server keeps streams that were left a minute ago");
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    fn ask(&self, method: &str, target: &str, body: &str) -> anyhow::Result<String> {
        ask(self.address, method, target, body)
    }
}

fn ask(address: SocketAddr, method: &str, target: &str, body: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address).context("can't reach the server")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = body.len();
    write!(
        stream,
        "{method} {target} HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).context("the server answered nothing")
}

/// The stream at `target` from where its runs stand now: what a page asks for that has their states.
pub(super) fn from_now(address: SocketAddr, target: &str) -> anyhow::Result<String> {
    let list = serde_json::from_str::<Value>(&ask(address, "GET", "/runs", "")?)?;
    let runs = list["runs"].as_array().context("the server lists no runs")?;
    let ids = target.split_once('=').map(|(_, ids)| ids.split(',')).into_iter().flatten();
    let position = |id: &str| runs.iter().find(|run| run["id"] == id).and_then(|run| run["seq"].as_u64());
    let positions = ids.map(|id| position(id).map(|seq| seq.to_string())).collect::<Option<Vec<_>>>();
    Ok(format!("{target}&after={}", positions.context("the server lost a run")?.join(".")))
}

/// The value of a metric without labels.
fn gauge(metrics: &str, name: &str) -> Option<f64> {
    metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

/// Seconds of processor time that the threads of a process have taken. Where the system doesn't tell, 0.
fn processor_s(process: u32) -> f64 {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let stats = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("stat")).ok());
    stats.filter_map(|stat| thread_s(&stat)).sum()
}

/// Those of a thread, from its `stat` file (see proc(5)); of one that gives way, as those that train do, 0.
fn thread_s(stat: &str) -> Option<f64> {
    /// Linux counts in hundredths of a second.
    const TICKS: f64 = 100.0;
    // Field 2, the name, ends with the last bracket. utime, stime and nice are fields 14, 15 and 19.
    let fields = stat.rsplit_once(") ")?.1.split(' ').map(str::parse::<f64>).collect::<Vec<_>>();
    let field = |number: usize| fields.get(number - 3)?.clone().ok();
    Some(if field(19)? > 0.0 { 0.0 } else { (field(14)? + field(15)?) / TICKS })
}

impl Drop for Server {
    fn drop(&mut self) {
        // Whatever it still does is of use to nobody.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_off_the_metrics() {
        assert_eq!(gauge("# HELP a b\na_total 3\na 4.5\n", "a"), Some(4.5));
    }

    #[test]
    fn processor_time_is_read_off_a_thread() {
        let stat = |nice: i32| format!("7 (a ) b) S 1 7 7 0 -1 0 5 0 0 0 120 30 0 0 20 {nice} 4 0 99\n");
        assert_eq!(thread_s(&stat(0)), Some(1.5));
        assert_eq!(thread_s(&stat(5)), Some(0.0), "it trains");
        assert_eq!(thread_s("7 (a"), None);
    }
}
