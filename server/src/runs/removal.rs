//! How a run leaves: deleted, and perhaps not after all, or forgotten since its folder is gone.

use super::{Pen, RecordError, Run};
use crate::store::RunFolder;
use std::io;
use trainer::event::RunEvent;

impl Run {
    /// Logs that a run which is over is deleted, and hands its folder to `take_away`; from then on nothing is written to it. A
    /// death between the two leaves a run that says it is deleted and isn't: who finds it calls [`Run::undelete`]. Blocks on the
    /// disk.
    ///
    /// # Errors
    /// The run isn't over or is gone already, or `take_away` fails.
    pub fn delete(&self, take_away: impl FnOnce(&RunFolder) -> io::Result<()>) -> Result<(), RecordError> {
        let mut pen = self.pen();
        self.is_removable(&pen)?;
        // Where the disk is full, or the log damaged, a run can be deleted all the more.
        if let Err(error) = self.add(&mut pen, RunEvent::Deleted)
            && !self.folder.is_gone()
        {
            tracing::warn!(id = %self.id, %error, "the run is deleted, and its log could not be told");
        }
        if let Err(error) = take_away(&self.folder) {
            self.take_back_deletion(&mut pen);
            return Err(error.into());
        }
        *pen = Pen::Gone;
        Ok(())
    }

    /// Logs that the run is not deleted after all, or no longer, where it says that it is. Blocks on the disk.
    pub fn undelete(&self) {
        self.take_back_deletion(&mut self.pen());
    }

    fn take_back_deletion(&self, pen: &mut Pen) {
        if self.peek(|summary| summary.deleted_ms.is_some())
            && let Err(error) = self.add(pen, RunEvent::Restored)
        {
            // It is said when the run is next found.
            tracing::warn!(id = %self.id, %error, "the run is not deleted, and its log could not be told");
        }
    }

    /// From now on nothing is written to a run that is over and has lost its folder.
    ///
    /// # Errors
    /// The run isn't over or is gone already.
    pub fn forget(&self) -> Result<(), RecordError> {
        let mut pen = self.pen();
        self.is_removable(&pen)?;
        *pen = Pen::Gone;
        Ok(())
    }

    fn is_removable(&self, pen: &Pen) -> Result<(), RecordError> {
        match pen {
            Pen::Writing(_) if self.is_stopping() => Err(RecordError::Stopping),
            Pen::Writing(_) => Err(RecordError::NotOver),
            Pen::Gone => Err(RecordError::Gone),
            Pen::Down => Ok(()),
        }
    }
}
