//! Downloads MNIST into a folder: resumable, checked, by one program or thread at a time.

use super::{DataProgress, idx};
use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;
use ureq::Agent;
use ureq::http::{StatusCode, header};

/// Public copies of MNIST's four gzipped files, in the order in which they are tried.
pub(super) const MIRRORS: [&str; 2] =
    ["https://storage.googleapis.com/cvdf-datasets/mnist/", "https://ossci-datasets.s3.amazonaws.com/mnist/"];

/// SHA-256 and size of MNIST's files once they are unpacked, in the order of [`idx::NAMES`]; mirrors pack differently.
pub(super) const MNIST: [Unpacked; 4] = [
    Unpacked { sha256: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db", bytes: 47_040_016 },
    Unpacked { sha256: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5", bytes: 60_008 },
    Unpacked { sha256: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7", bytes: 7_840_016 },
    Unpacked { sha256: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2", bytes: 10_008 },
];

/// A machine without a network must get to its generated digits quickly: this bounds each step of reaching a mirror.
const REACH: Duration = Duration::from_millis(1500);
/// A transfer that stands still for so long is broken off, and resumed or tried elsewhere.
const STALL: Duration = Duration::from_secs(20);
/// How often a transfer that breaks off but moves forward is taken up again.
const ATTEMPTS: usize = 10;
/// Progress is told each time so many bytes arrived.
const REPORT_BYTES: u64 = 256 << 10;

/// What a file must be once it is unpacked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unpacked {
    /// In hexadecimal.
    pub(super) sha256: &'static str,
    /// Length in bytes.
    pub(super) bytes: u64,
}

/// Where to download from, and what must arrive.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// Addresses that end in a slash.
    pub(super) mirrors: Vec<String>,
    /// In the order of [`idx::NAMES`].
    pub(super) files: [Unpacked; 4],
}

/// Downloads what `folder` lacks. Files appear there under their own names only when they are whole and checked.
///
/// # Errors
/// A sentence that says what each mirror answered, or that `folder` can't be written.
pub(super) fn fetch(source: &Source, folder: &Path, say: &mut dyn FnMut(&DataProgress)) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|e| format!("{} can't be made: {e}", folder.display()))?;
    let _lock = lock(folder, say).map_err(|e| format!("{} can't be written: {e}", folder.display()))?;
    let agent = Agent::config_builder()
        .timeout_resolve(Some(REACH))
        .timeout_connect(Some(REACH))
        .timeout_recv_response(Some(STALL))
        .timeout_per_read(Some(STALL))
        .http_status_as_error(false)
        .user_agent(concat!("centerscope/", env!("CARGO_PKG_VERSION")))
        .build()
        .new_agent();
    let lacking = idx::missing(folder);
    let files = idx::NAMES.into_iter().zip(source.files).filter(|(name, _)| lacking.contains(name));
    for (name, expected) in files {
        let mut refusals = Vec::new();
        let arrived = source.mirrors.iter().any(|mirror| {
            let transfer = Transfer { agent: &agent, url: format!("{mirror}{name}.gz"), expected };
            let outcome = transfer.run(&folder.join(format!("{name}.gz")), say);
            outcome.map_err(|why| refusals.push(format!("{}: {why}", transfer.url))).is_ok()
        });
        if !arrived {
            return Err(refusals.join("; "));
        }
    }
    Ok(())
}

/// Held while downloading, so that runs and programs that start together share one download.
fn lock(folder: &Path, say: &mut dyn FnMut(&DataProgress)) -> std::io::Result<File> {
    let file = File::create(folder.join("download.lock"))?;
    if file.try_lock().is_err() {
        say(&DataProgress::sentence("Waiting for a download of MNIST that is under way"));
        file.lock()?;
    }
    Ok(file)
}

/// One file from one mirror.
struct Transfer<'a> {
    agent: &'a Agent,
    url: String,
    expected: Unpacked,
}

impl Transfer<'_> {
    /// Downloads to `target` by way of a `.part` file beside it, which an earlier try may have begun.
    fn run(&self, target: &Path, say: &mut dyn FnMut(&DataProgress)) -> Result<(), String> {
        let part = target.with_extension("gz.part");
        let begun_earlier = size(&part) > 0;
        self.receive(&part, say)?;
        if let Err(why) = self.check(&part) {
            remove(&part)?;
            // What another mirror began may not fit this one's packing: once more, from the first byte.
            if !begun_earlier {
                return Err(why);
            }
            self.receive(&part, say)?;
            if let Err(why) = self.check(&part) {
                remove(&part)?;
                return Err(why);
            }
        }
        fs::rename(&part, target).map_err(|e| format!("{} can't be written: {e}", target.display()))
    }

    /// Fills `part` to its end, taking up again what breaks off as long as it moves forward.
    fn receive(&self, part: &Path, say: &mut dyn FnMut(&DataProgress)) -> Result<(), String> {
        let mut why = String::new();
        for _ in 0..ATTEMPTS {
            let before = size(part);
            match self.attempt(part, before, say) {
                Ok(()) => return Ok(()),
                Err(e) => why = e,
            }
            if size(part) <= before {
                break;
            }
        }
        Err(why)
    }

    fn attempt(&self, part: &Path, have: u64, say: &mut dyn FnMut(&DataProgress)) -> Result<(), String> {
        let mut request = self.agent.get(&self.url);
        if have > 0 {
            request = request.header(header::RANGE, format!("bytes={have}-"));
        }
        let mut response = request.call().map_err(|e| e.to_string())?;
        let starts_at = match response.status() {
            StatusCode::OK => 0,
            StatusCode::PARTIAL_CONTENT => {
                let range = response.headers().get(header::CONTENT_RANGE).and_then(|v| v.to_str().ok()).unwrap_or("");
                if !range.starts_with(&format!("bytes {have}-")) {
                    return Err(format!("asked for the bytes from {have} on, got {range:?}"));
                }
                have
            }
            // Nothing lies beyond what is there: it is whole, or it is not this file; the checksum tells.
            StatusCode::RANGE_NOT_SATISFIABLE if have > 0 => return Ok(()),
            status => return Err(format!("answered {status}")),
        };
        let unwritable = |e: std::io::Error| format!("{} can't be written: {e}", part.display());
        let mut file = File::options().create(true).append(true).open(part).map_err(unwritable)?;
        file.set_len(starts_at).map_err(unwritable)?;

        let mut progress = DataProgress {
            message: format!("Downloading {}", self.url),
            done_bytes: starts_at,
            total_bytes: response.body().content_length().map(|rest| starts_at + rest),
        };
        say(&progress);
        // gzip never makes a file much longer, so that a mirror gone wrong can't fill the disk.
        let limit = self.expected.bytes + (64 << 10);
        let mut told = starts_at;
        let mut buffer = vec![0; 64 << 10];
        let mut body = response.body_mut().as_reader();
        loop {
            let n = body.read(&mut buffer).map_err(|e| e.to_string())?;
            if n == 0 {
                break;
            }
            file.write_all(&buffer[..n]).map_err(unwritable)?;
            progress.done_bytes += n as u64;
            if progress.done_bytes > limit {
                return Err(format!("sent more than {limit} bytes"));
            }
            if progress.done_bytes - told >= REPORT_BYTES {
                told = progress.done_bytes;
                say(&progress);
            }
        }
        say(&progress);
        file.sync_all().map_err(unwritable)
    }

    /// Whether `part` unpacks to what is expected.
    fn check(&self, part: &Path) -> Result<(), String> {
        let file = File::open(part).map_err(|e| format!("{} can't be read: {e}", part.display()))?;
        let mut unpacked = MultiGzDecoder::new(file).take(self.expected.bytes + 1);
        let mut sha256 = Sha256::new();
        std::io::copy(&mut unpacked, &mut sha256).map_err(|e| format!("what arrived is no gzip file: {e}"))?;
        let found = format!("{:x}", sha256.finalize());
        if found == self.expected.sha256 {
            Ok(())
        } else {
            Err(format!("expected a file whose content has the SHA-256 {}, found {found}", self.expected.sha256))
        }
    }
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |m| m.len())
}

fn remove(path: &Path) -> Result<(), String> {
    fs::remove_file(path).map_err(|e| format!("{} can't be removed: {e}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::idx::tests::{folder, gzip};
    use std::collections::HashMap;
    use std::io::{BufRead, BufReader};
    use std::net::{TcpListener, TcpStream};
    use std::path::PathBuf;
    use std::sync::{Arc, Mutex};

    /// How a mirror of the tests behaves.
    #[derive(Clone, Copy, PartialEq)]
    enum Manner {
        Honest,
        /// Hangs up in the middle of every answer.
        Breaking,
        /// Sends something else under every name.
        Wrong,
        /// Knows no file.
        Empty,
    }

    /// An HTTP server on this machine, and every `name range` it was asked for.
    struct Mirror {
        address: String,
        asked: Arc<Mutex<Vec<String>>>,
    }

    fn mirror(files: &HashMap<String, Vec<u8>>, manner: Manner) -> Mirror {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (files, log) = (files.clone(), asked.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                answer(stream.unwrap(), &files, manner, &log);
            }
        });
        Mirror { address, asked }
    }

    fn answer(mut stream: TcpStream, files: &HashMap<String, Vec<u8>>, manner: Manner, log: &Mutex<Vec<String>>) {
        let lines: Vec<String> =
            BufReader::new(&stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
        let name = lines[0].split(' ').nth(1).unwrap().trim_start_matches('/').to_owned();
        let from: usize = lines
            .iter()
            .find_map(|line| line.to_lowercase().strip_prefix("range: bytes=")?.strip_suffix('-')?.parse().ok())
            .unwrap_or(0);
        log.lock().unwrap().push(format!("{name} {from}"));
        let body = match manner {
            Manner::Empty => None,
            Manner::Wrong => Some(gzip(b"something else")),
            _ => files.get(&name).cloned(),
        };
        let (status, extra, body) = match body {
            None => ("404 Not Found", String::new(), Vec::new()),
            Some(body) if from >= body.len() => ("416 Range Not Satisfiable", String::new(), Vec::new()),
            Some(body) if from > 0 => {
                let range = format!("Content-Range: bytes {from}-{}/{}\r\n", body.len() - 1, body.len());
                ("206 Partial Content", range, body[from..].to_vec())
            }
            Some(body) => ("200 OK", String::new(), body),
        };
        let sent = if manner == Manner::Breaking { body.len().div_ceil(2) } else { body.len() };
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{extra}Connection: close\r\n\r\n", body.len());
        // The client may hang up first: its matter.
        let _ = stream.write_all(&[head.as_bytes(), &body[..sent]].concat());
    }

    /// What mirrors hold: gzipped files by name; and what they must unpack to.
    fn published() -> (HashMap<String, Vec<u8>>, [Unpacked; 4]) {
        let folder = folder();
        let plain = idx::NAMES.map(|name| fs::read(folder.path().join(name)).unwrap());
        let files = idx::NAMES.iter().zip(&plain).map(|(name, bytes)| (format!("{name}.gz"), gzip(bytes))).collect();
        let expected = plain.map(|bytes| Unpacked {
            sha256: format!("{:x}", Sha256::digest(&bytes)).leak(),
            bytes: bytes.len() as u64,
        });
        (files, expected)
    }

    /// Downloads into an empty folder from mirrors of these manners, after `prepare` touched the folder.
    fn download(
        manners: &[Manner],
        prepare: impl FnOnce(&Path),
    ) -> (Result<(), String>, tempfile::TempDir, Vec<Mirror>) {
        let (files, expected) = published();
        let mirrors: Vec<Mirror> = manners.iter().map(|&manner| mirror(&files, manner)).collect();
        let source = Source { mirrors: mirrors.iter().map(|mirror| mirror.address.clone()).collect(), files: expected };
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path());
        let outcome = fetch(&source, folder.path(), &mut |_| ());
        (outcome, folder, mirrors)
    }

    fn part(folder: &Path) -> PathBuf {
        folder.join(format!("{}.gz.part", idx::NAMES[0]))
    }

    #[test]
    fn all_four_files_arrive_and_progress_is_told() {
        let (files, expected) = published();
        let mirror = mirror(&files, Manner::Honest);
        let source = Source { mirrors: vec![mirror.address.clone()], files: expected };
        let folder = tempfile::tempdir().unwrap();
        let mut told = Vec::new();
        fetch(&source, folder.path(), &mut |progress| told.push(progress.clone())).unwrap();
        assert_eq!(idx::read_folder(folder.path()).unwrap().0.len(), 30);
        let total = files[&format!("{}.gz", idx::NAMES[0])].len() as u64;
        assert_eq!((told[0].done_bytes, told[0].total_bytes), (0, Some(total)));
        assert_eq!(told[1].done_bytes, total);
        assert!(told[0].message.starts_with("Downloading http://127.0.0.1"));
        assert!(!part(folder.path()).exists());

        fetch(&source, folder.path(), &mut |_| ()).unwrap();
        assert_eq!(mirror.asked.lock().unwrap().len(), 4, "what is there is not downloaded again");
    }

    #[test]
    fn a_download_that_was_cut_off_goes_on_where_it_stopped() {
        let (files, _) = published();
        let begun = files[&format!("{}.gz", idx::NAMES[0])][..20].to_vec();
        let (outcome, folder, mirrors) = download(&[Manner::Honest], |folder| fs::write(part(folder), begun).unwrap());
        outcome.unwrap();
        assert_eq!(mirrors[0].asked.lock().unwrap()[0], format!("{}.gz 20", idx::NAMES[0]));
        assert_eq!(idx::missing(folder.path()), Vec::<&str>::new());
    }

    #[test]
    fn a_begun_file_that_does_not_fit_is_downloaded_afresh() {
        for begun in [vec![0; 20], vec![0; 1 << 16]] {
            let (outcome, folder, mirrors) =
                download(&[Manner::Honest], |folder| fs::write(part(folder), &begun).unwrap());
            outcome.unwrap();
            let name = format!("{}.gz", idx::NAMES[0]);
            assert_eq!(mirrors[0].asked.lock().unwrap()[..2], [format!("{name} {}", begun.len()), format!("{name} 0")]);
            assert_eq!(idx::missing(folder.path()), Vec::<&str>::new());
        }
    }

    #[test]
    fn a_connection_that_breaks_is_taken_up_again() {
        let (outcome, folder, _mirrors) = download(&[Manner::Breaking], |_| ());
        outcome.unwrap();
        assert_eq!(idx::read_folder(folder.path()).unwrap().1.len(), 20);
    }

    #[test]
    fn a_mirror_that_fails_is_followed_by_the_next() {
        for bad in [Manner::Empty, Manner::Wrong] {
            let (outcome, folder, _mirrors) = download(&[bad, Manner::Honest], |_| ());
            outcome.unwrap();
            assert_eq!(idx::missing(folder.path()), Vec::<&str>::new());
        }
    }

    #[test]
    fn a_wrong_checksum_leaves_nothing_behind() {
        let (outcome, folder, mirrors) = download(&[Manner::Wrong], |_| ());
        let why = outcome.unwrap_err();
        assert!(why.contains(&mirrors[0].address) && why.contains("SHA-256"), "{why}");
        assert_eq!(idx::missing(folder.path()).len(), 4);
        assert!(!part(folder.path()).exists());
    }

    #[test]
    fn runs_that_start_together_share_one_download() {
        let (files, expected) = published();
        let mirror = mirror(&files, Manner::Honest);
        let source = Source { mirrors: vec![mirror.address.clone()], files: expected };
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| fetch(&source, folder.path(), &mut |_| ()).unwrap());
            }
        });
        assert_eq!(mirror.asked.lock().unwrap().len(), 4);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let source = Source { mirrors: Vec::new(), files: MNIST };
        assert!(fetch(&source, &file.join("mnist"), &mut |_| ()).unwrap_err().contains("file"));
    }
}
