//! Trains the center-loss networks of Centerscope and reports every epoch as plain data.
//!
//! | module | what it is |
//! |---|---|
//! | [`spec`] | what a run is asked to do: `RunSpec`, presets, the table of fields |
//! | [`event`] | what a run tells the world: `RunEvent`, artifacts |
//! | [`data`] | MNIST-format folders, download, generated digits |
//! | [`train`] | the training loop, top to bottom |
//! | [`measure`] | accuracy, confusion, distances; the table of metrics |
//!
//! The crate knows nothing of HTTP, run ids or folders of a server.

pub mod data;
pub mod event;
pub mod measure;
pub mod spec;
pub mod train;
