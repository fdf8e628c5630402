//! Buffers that outlive a step: a convolution's scratch is tens of megabytes, and mapping fresh pages for it at every
//! step costs more than some of the arithmetic.

use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

static FREE: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());
/// More buffers than this are given back to the system. Three runs at once hold about eighty.
const KEPT: usize = 96;

/// A buffer of f32 that returns to the pool when dropped.
pub struct Scratch {
    buffer: Vec<f32>,
    len: usize,
}

/// A buffer of `len` numbers of **any** value: whoever takes it writes before reading.
pub fn take(len: usize) -> Scratch {
    let mut free = FREE.lock().unwrap_or_else(|e| e.into_inner());
    // The smallest that fits; of equals the one given back last, which is the likeliest to be in the cache still. A much
    // larger one would be missed elsewhere.
    let fits = free.iter().enumerate().rev().filter(|(_, b)| b.len() >= len && b.len() / 4 <= len);
    let fit = fits.min_by_key(|(_, b)| b.len()).map(|(i, _)| i);
    let buffer = fit.map(|i| free.remove(i));
    drop(free);
    Scratch { buffer: buffer.unwrap_or_else(|| vec![0.0; len]), len }
}

/// Gives what lies idle back to the system: for a moment that needs memory for something else.
pub fn release() {
    FREE.lock().unwrap_or_else(|e| e.into_inner()).clear();
}

/// A buffer that holds a copy of `values`.
pub fn copy(values: &[f32]) -> Scratch {
    let mut scratch = take(values.len());
    scratch.copy_from_slice(values);
    scratch
}

impl Deref for Scratch {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.buffer[..self.len]
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.buffer[..self.len]
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let mut free = FREE.lock().unwrap_or_else(|e| e.into_inner());
        free.push(std::mem::take(&mut self.buffer));
        if free.len() > KEPT {
            free.remove(0);
        }
    }
}
