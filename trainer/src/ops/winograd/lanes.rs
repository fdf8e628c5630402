//! One vector register of f32, whatever its width on this machine, with arithmetic operators.

use pulp::Simd;
use std::ops::{Add, Sub};

/// A register of `S::F32_LANES` numbers.
#[derive(Clone, Copy)]
pub(super) struct Lanes<S: Simd> {
    simd: S,
    value: S::f32s,
}

impl<S: Simd> Lanes<S> {
    /// Numbers in a register.
    pub(super) const COUNT: usize = S::F32_LANES;

    /// Zeros.
    #[inline(always)]
    pub(super) fn zero(simd: S) -> Self {
        Lanes { simd, value: simd.splat_f32s(0.0) }
    }

    /// The first numbers of `from`, zeros where it is shorter than a register.
    #[inline(always)]
    pub(super) fn load(simd: S, from: &[f32]) -> Self {
        let value = match S::as_simd_f32s(from) {
            ([first, ..], _) => *first,
            ([], short) => simd.partial_load_f32s(short),
        };
        Lanes { simd, value }
    }

    /// Writes as many numbers as `to` takes, at most a register.
    #[inline(always)]
    pub(super) fn store(self, to: &mut [f32]) {
        if to.len() >= Self::COUNT {
            S::as_mut_simd_f32s(to).0[0] = self.value;
        } else {
            self.simd.partial_store_f32s(to, self.value);
        }
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
