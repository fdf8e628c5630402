//! The log of a run, open for writing.

use super::disk;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};

/// The log of a run, open for writing.
#[derive(Debug)]
pub struct Log {
    pub(super) file: File,
    pub(super) end: u64,
}

impl Log {
    /// Bytes of complete lines.
    pub fn size(&self) -> u64 {
        self.end
    }

    /// Appends a line; `durable` waits until the disk has it.
    ///
    /// # Errors
    /// It can't be written; the log is then as it was before.
    pub fn append(&mut self, line: &str, durable: bool) -> io::Result<()> {
        let written = disk::append(&mut self.file, format!("{line}\n").as_bytes()).and_then(|()| match durable {
            true => disk::sync(&self.file),
            false => Ok(()),
        });
        match written {
            Ok(()) => self.end += line.len() as u64 + 1,
            // Half a line would swallow the next one; where even this fails, the reader drops the torn end.
            Err(_) => {
                let _ = self.file.set_len(self.end);
                let _ = self.file.seek(SeekFrom::Start(self.end));
            }
        }
        written
    }
}
