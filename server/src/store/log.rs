//! The log of a run, open for writing.

use super::disk;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};

/// The log of a run, open for writing.
#[derive(Debug)]
pub struct Log {
    pub(super) file: File,
    pub(super) end: u64,
    /// Whether something that nobody was told of may lie after the end.
    pub(super) torn: bool,
}

impl Log {
    /// Bytes of complete lines.
    pub fn size(&self) -> u64 {
        self.end
    }

    /// Appends a line; `durable` waits until the disk has it.
    ///
    /// # Errors
    /// It can't be written; the log is then as it was before, unless the disk refuses that, too ([`Log::is_torn`]).
    pub fn append(&mut self, line: &str, durable: bool) -> io::Result<()> {
        self.mend()?;
        let written = disk::append(&mut self.file, format!("{line}\n").as_bytes()).and_then(|()| match durable {
            true => disk::sync(&self.file),
            false => Ok(()),
        });
        match written {
            Ok(()) => self.end += line.len() as u64 + 1,
            Err(_) => {
                self.torn = true;
                // Where even this fails, the next line is refused until it succeeds.
                let _ = self.mend();
            }
        }
        written
    }

    /// Whether a line that could not be written for certain may stand there all the same.
    pub fn is_torn(&self) -> bool {
        self.torn
    }

    /// Takes back that many bytes at the end.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn take_back(&mut self, bytes: u64) -> io::Result<()> {
        self.torn |= bytes > 0;
        self.end -= bytes;
        self.mend()
    }

    /// Cuts off what a failure left: the next line would end up in the middle of it.
    fn mend(&mut self) -> io::Result<()> {
        if self.torn {
            disk::cut(&self.file, self.end)?;
            self.file.seek(SeekFrom::Start(self.end))?;
            self.torn = false;
        }
        Ok(())
    }
}
