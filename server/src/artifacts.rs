//! The files of a run, one by one or all as an archive.

use crate::App;
use crate::api::Found;
use crate::error::Error;
use crate::limits::ARCHIVES;
use crate::store::{ArtifactInfo, ArtifactName, RunFolder};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, ETAG, IF_NONE_MATCH, IF_RANGE, RANGE,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, response};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;
use schemars::JsonSchema;
use serde::Serialize;
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::sync::Arc;
use std::time::UNIX_EPOCH;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;

/// Bytes read from the disk at once.
const PIECE: usize = 64 * 1024;

/// The type by which a file is sent. None of them runs in a browser.
fn content_type(name: &ArtifactName) -> &'static str {
    match name.file_name().rsplit_once('.').map(|(_, ending)| ending) {
        Some("json") => "application/json",
        Some("jsonl") => "application/jsonl",
        Some("csv") => "text/csv; charset=utf-8",
        Some("md") => "text/markdown; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn no_file() -> Error {
    Error::NotFound("the run has no such file: /runs/{id}/artifacts lists those it has".into())
}

fn unreadable(error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => no_file(),
        _ => Error::Internal(format!("the run's folder can't be read: {error}")),
    }
}

/// The files of a run.
#[derive(JsonSchema, Serialize)]
pub(crate) struct Artifacts {
    /// By name.
    artifacts: Vec<Artifact>,
}

/// A file of a run.
#[derive(JsonSchema, Serialize)]
struct Artifact {
    /// Its name: a relative path with `/` between the parts.
    name: String,
    /// Its size.
    size_bytes: u64,
    /// Its SHA-256 in hexadecimal, where the log tells it.
    sha256: Option<String>,
    /// The type by which it is sent.
    content_type: &'static str,
    /// Where it is.
    url: String,
}

/// `GET /runs/{id}/artifacts`
pub(crate) async fn list(Found(run): Found) -> Result<Json<Artifacts>, Error> {
    let folder = run.folder.clone();
    let files = tokio::task::spawn_blocking(move || folder.list()).await?.map_err(|error| unreadable(&error))?;
    let known = run.state().await?.files;
    let told = |file: &ArtifactInfo| Artifact {
        name: file.name.to_string(),
        size_bytes: file.size_bytes,
        sha256: known.get(&file.name.to_string()).and_then(|known| known.sha256.clone()),
        content_type: content_type(&file.name),
        url: format!("/runs/{}/artifacts/{}", run.id, file.name),
    };
    Ok(Json(Artifacts { artifacts: files.iter().map(told).collect() }))
}

/// `GET /runs/{id}/artifacts/{name}`
pub(crate) async fn read(
    Found(run): Found,
    Path((_, name)): Path<(String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let name = name.parse().map_err(|_| no_file())?;
    send(&run.folder, &name, &method, &headers).await
}

/// Sends a file as a download: whole, in part, or not at all where the reader has it.
pub(crate) async fn send(
    folder: &RunFolder,
    name: &ArtifactName,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, Error> {
    let (home, wanted) = (folder.clone(), name.clone());
    let opened = tokio::task::spawn_blocking(move || home.get(&wanted)).await?;
    let (mut file, metadata) = opened.map_err(|error| unreadable(&error))?;
    let (size, tag) = (metadata.len(), tag(&metadata));
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let known = text(IF_NONE_MATCH).is_some_and(|tags| tags == "*" || tags.split(',').any(|t| bare(t) == bare(&tag)));
    let response =
        Response::builder().header(ETAG, &tag).header(CACHE_CONTROL, "no-cache").header(ACCEPT_RANGES, "bytes");
    // Whatever a file holds, and however a browser comes to show it: it runs nothing and has no origin.
    let response = response.header(CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox");
    if known {
        return finish(response.status(StatusCode::NOT_MODIFIED), Body::empty());
    }
    // A part of another version than the reader has is of no use: then the whole.
    let same = text(IF_RANGE).is_none_or(|known| known == tag);
    let asked = text(RANGE).filter(|_| same).map_or(Asked::Whole, |range| Asked::parse(range, size));
    let (response, range) = match asked {
        Asked::Whole => (response, 0..size),
        Asked::Nothing => return Err(Error::Range { size }),
        Asked::Part(part) => {
            let told = format!("bytes {}-{}/{size}", part.start, part.end - 1);
            (response.status(StatusCode::PARTIAL_CONTENT).header(CONTENT_RANGE, told), part)
        }
    };
    let response = response
        .header(CONTENT_TYPE, content_type(name))
        .header(CONTENT_LENGTH, range.end - range.start)
        .header(CONTENT_DISPOSITION, attachment(name.file_name()));
    if method == Method::HEAD {
        return finish(response, Body::empty());
    }
    file.seek(SeekFrom::Start(range.start)).map_err(|error| unreadable(&error))?;
    finish(response, stream_of(file, range.end - range.start))
}

fn finish(response: response::Builder, body: Body) -> Result<Response, Error> {
    response.body(body).map_err(|error| Error::Internal(format!("the file's name can't be told: {error}")))
}

pub(crate) fn attachment(file_name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let safe = file_name.chars().map(|c| if plain(c) { c } else { '_' }).collect::<String>();
    format!("attachment; filename=\"{safe}\"")
}

/// Files change by growing (the log) or by a rename over them (all others); either shows here.
fn tag(metadata: &Metadata) -> String {
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    format!("\"{:x}-{:x}\"", metadata.len(), modified.unwrap_or_default().as_nanos())
}

fn bare(tag: &str) -> &str {
    let tag = tag.trim();
    tag.strip_prefix("W/").unwrap_or(tag)
}

/// What a `Range` header asks for.
#[derive(Debug, PartialEq)]
enum Asked {
    /// Everything: also where it isn't understood or names several parts, as RFC 9110 allows.
    Whole,
    /// These bytes.
    Part(Range<u64>),
    /// Bytes that the file doesn't have.
    Nothing,
}

impl Asked {
    fn parse(header: &str, size: u64) -> Asked {
        let Some((first, last)) = header.strip_prefix("bytes=").and_then(|range| range.trim().split_once('-')) else {
            return Asked::Whole;
        };
        let (start, end) = match (first.parse::<u64>(), last.parse::<u64>()) {
            (Ok(first), Ok(last)) if first > last => return Asked::Whole,
            (Ok(first), Ok(last)) => (first, last.saturating_add(1).min(size)),
            (Ok(first), Err(_)) if last.is_empty() => (first, size),
            (Err(_), Ok(count)) if first.is_empty() => (size.saturating_sub(count), size),
            _ => return Asked::Whole,
        };
        if start < end { Asked::Part(start..end) } else { Asked::Nothing }
    }
}

/// The next `length` bytes of a file, as they are read.
fn stream_of(file: File, length: u64) -> Body {
    let file = tokio::fs::File::from_std(file).take(length);
    Body::from_stream(stream::unfold(Some(file), async |file| {
        let mut file = file?;
        let mut piece = vec![0; PIECE];
        match file.read(&mut piece).await {
            Ok(0) => None,
            Ok(count) => {
                piece.truncate(count);
                Some((Ok(Bytes::from(piece)), Some(file)))
            }
            Err(error) => Some((Err(error), None)),
        }
    }))
}

/// `GET /runs/{id}/archive`
pub(crate) async fn archive(State(app): State<Arc<App>>, Found(run): Found) -> Result<Response, Error> {
    let place = app.archives.clone().try_acquire_owned().map_err(|_| {
        let detail = format!(
            "{ARCHIVES} archives are being downloaded, which is as many as this server packs at once: try again when one is done"
        );
        Error::TooMany { detail, retry_s: 5 }
    })?;
    let folder = run.folder.clone();
    // Before the answer begins: a folder that can't be read is told of.
    let files = tokio::task::spawn_blocking(move || folder.list()).await?.map_err(|error| unreadable(&error))?;
    // Packed while it is sent: nothing is kept, neither in memory nor on the disk, and a slow reader makes the packer wait.
    let (sender, receiver) = mpsc::channel::<io::Result<Bytes>>(8);
    let (folder, top) = (run.folder.clone(), format!("centerscope-{}", run.id));
    let file_name = format!("attachment; filename=\"{top}.tar.gz\"");
    tokio::task::spawn_blocking(move || {
        let _place = place;
        if let Err(error) = pack(&folder, &files, &top, Pipe(sender.clone())) {
            // Cuts the connection, so that the reader doesn't take half an archive for a whole one.
            let _ = sender.blocking_send(Err(error));
        }
    });
    let body =
        Body::from_stream(stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver))));
    Ok(([(CONTENT_TYPE, "application/gzip".to_string()), (CONTENT_DISPOSITION, file_name)], body).into_response())
}

fn pack(folder: &RunFolder, files: &[ArtifactInfo], top: &str, out: Pipe) -> io::Result<()> {
    let out = io::BufWriter::with_capacity(PIECE, out);
    let mut archive = tar::Builder::new(GzEncoder::new(out, Compression::fast()));
    for entry in files {
        let (file, metadata) = folder.get(&entry.name)?;
        let mut header = tar::Header::new_gnu();
        header.set_size(metadata.len());
        header.set_mode(0o644);
        let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        header.set_mtime(modified.as_secs());
        // The log of a running run grows meanwhile; the archive holds what was there.
        archive.append_data(&mut header, format!("{top}/{}", entry.name), file.take(metadata.len()))?;
    }
    archive.into_inner()?.finish()?.flush()
}

/// Writes into a channel.
struct Pipe(mpsc::Sender<io::Result<Bytes>>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = Ok(Bytes::copy_from_slice(bytes));
        self.0.blocking_send(piece).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_follow_rfc_9110() {
        for (header, asked) in [
            ("bytes=0-3", Asked::Part(0..4)),
            ("bytes=7-", Asked::Part(7..10)),
            ("bytes=-4", Asked::Part(6..10)),
            ("bytes=-40", Asked::Part(0..10)),
            ("bytes=5-500", Asked::Part(5..10)),
            ("bytes=10-", Asked::Nothing),
            ("bytes=-0", Asked::Nothing),
            ("bytes=3-1", Asked::Whole),
            ("bytes=0-1,3-4", Asked::Whole),
            ("lines=1-2", Asked::Whole),
            ("bytes=", Asked::Whole),
        ] {
            assert_eq!(Asked::parse(header, 10), asked, "{header}");
        }
    }
}
