//! The CUDA half of the ops: cuDNN for the convolutions, own kernels for what lies between them.
//!
//! | file | what it is |
//! |---|---|
//! | `kernels.cu` | every kernel, with its formula; compiled to PTX when the program is built |
//! | [`passes`] | which kernel is launched on what, in which order |
//! | `engine` | a GPU as one run has it: stream, cuDNN, precision, scratch |
//! | `conv` | the convolution and its gradients by cuDNN, planned once per shape |
//! | `block`, `objective`, `images` | the block, the loss, and the gathering of batches, as candle sees them |
//! | `on_host` | the kernels under a C++ compiler, against the CPU's ops: the tests of this module |

#[cfg(feature = "cuda")]
pub(crate) mod block;
#[cfg(feature = "cuda")]
mod conv;
#[cfg(feature = "cuda")]
pub(crate) mod engine;
#[cfg(feature = "cuda")]
pub(crate) mod images;
#[cfg(feature = "cuda")]
pub(crate) mod objective;
#[cfg(test)]
mod on_host;
mod passes;
#[cfg(feature = "cuda")]
pub(crate) mod sgd;
