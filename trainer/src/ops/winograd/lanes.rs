//! One vector register of f32, whatever its width on this machine, with arithmetic operators; and [`Part`], how much of
//! a register there is to load or store.

use pulp::Simd;
use std::ops::{Add, Sub};

/// A register of `S::F32_LANES` numbers.
#[derive(Clone, Copy)]
pub(super) struct Lanes<S: Simd> {
    simd: S,
    value: S::f32s,
}

impl<S: Simd> Lanes<S> {
    /// Zeros.
    #[inline(always)]
    pub(super) fn zero(simd: S) -> Self {
        Lanes { simd, value: simd.splat_f32s(0.0) }
    }

    /// `self · factor`
    #[inline(always)]
    pub(super) fn times(self, factor: f32) -> Self {
        Lanes { value: self.simd.mul_f32s(self.value, self.simd.splat_f32s(factor)), ..self }
    }

    /// `self · factor + addend`, rounded once where the machine can.
    #[inline(always)]
    pub(super) fn times_plus(self, factor: f32, addend: Self) -> Self {
        Lanes { value: self.simd.mul_add_e_f32s(self.value, self.simd.splat_f32s(factor), addend.value), ..self }
    }
}

impl<S: Simd> Add for Lanes<S> {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Lanes { value: self.simd.add_f32s(self.value, other.value), ..self }
    }
}

impl<S: Simd> Sub for Lanes<S> {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Lanes { value: self.simd.sub_f32s(self.value, other.value), ..self }
    }
}

/// A whole register or its beginning. Two types and not a length: a loop over whole registers then knows at compile time
/// how many numbers it moves, and has no other case inside.
pub(super) trait Part<S: Simd>: Copy {
    /// The numbers from `from[at]` on; zeros beyond the part.
    fn load(self, simd: S, from: &[f32], at: usize) -> Lanes<S>;
    /// Writes the part to `to[at]` and on.
    fn store(self, value: Lanes<S>, to: &mut [f32], at: usize);
}

/// All lanes.
#[derive(Clone, Copy)]
pub(super) struct Whole;

/// The first so many lanes.
#[derive(Clone, Copy)]
pub(super) struct First(usize);

impl<S: Simd> Part<S> for Whole {
    #[inline(always)]
    fn load(self, simd: S, from: &[f32], at: usize) -> Lanes<S> {
        Lanes { simd, value: S::as_simd_f32s(&from[at..at + S::F32_LANES]).0[0] }
    }

    #[inline(always)]
    fn store(self, value: Lanes<S>, to: &mut [f32], at: usize) {
        S::as_mut_simd_f32s(&mut to[at..at + S::F32_LANES]).0[0] = value.value;
    }
}

impl<S: Simd> Part<S> for First {
    #[inline(always)]
    fn load(self, simd: S, from: &[f32], at: usize) -> Lanes<S> {
        Lanes { simd, value: simd.partial_load_f32s(&from[at..at + self.0]) }
    }

    #[inline(always)]
    fn store(self, value: Lanes<S>, to: &mut [f32], at: usize) {
        value.simd.partial_store_f32s(&mut to[at..at + self.0], value.value);
    }
}

/// Work on the registers that cover a run of numbers.
pub(super) trait EachRegister<S: Simd> {
    /// Works on the register that begins at number `first`.
    fn register(&mut self, first: usize, part: impl Part<S>);
}

/// Calls `work` for every register of `count` numbers, the last perhaps in part.
#[inline(always)]
pub(super) fn for_registers<S: Simd>(count: usize, work: &mut impl EachRegister<S>) {
    let whole = count / S::F32_LANES * S::F32_LANES;
    for first in (0..whole).step_by(S::F32_LANES) {
        work.register(first, Whole);
    }
    if whole < count {
        work.register(whole, First(count - whole));
    }
}
