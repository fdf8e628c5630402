//! Trains the center-loss networks of Centerscope and reports every epoch as plain data.
//!
//! | module | what it is |
//! |---|---|
//! | [`spec`] | what a run is asked to do: `RunSpec`, presets, the table of fields |
//! | [`event`] | what a run tells the world: `RunEvent`, artifacts |
//! | [`data`] | MNIST-format folders, download, generated digits |
//! | [`train`], `pass` | the training loop, top to bottom, and what a pass of it adds up to |
//! | [`network`], [`loss`], [`optim`] | what it trains, towards what, and how |
//! | [`ops`] | the convolution block and the optimiser step, where candle is slow or wrong |
//! | `feed` | batches of images, wherever the network is |
//! | [`measure`] | accuracy, confusion, distances, angles, alignment; the table of metrics |
//! | [`checkpoint`], [`npy`] | what it leaves behind |
//! | [`recogniser`] | a checkpoint's network at work on one image |
//! | [`verify`] | replays reference numbers that PyTorch computed in f64 |
//! | [`bench`], [`throughput`] | how fast a step is: taken apart on a CPU, and where nobody waits for it |
//! | [`device`], [`memory`] | where it trains, and what that needs of a GPU's memory |
//!
//! The crate knows nothing of HTTP, run ids or folders of a server.

pub mod bench;
pub mod checkpoint;
pub mod data;
pub mod device;
pub mod event;
mod feed;
pub mod loss;
pub mod measure;
pub mod memory;
pub mod network;
pub mod npy;
pub mod ops;
pub mod optim;
mod pass;
pub mod recogniser;
mod rng;
pub mod spec;
pub mod throughput;
pub mod train;
pub mod verify;
