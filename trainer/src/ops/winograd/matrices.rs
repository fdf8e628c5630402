//! The three linear maps of F(4, 5), and their adjoints for the backward pass, on registers.
//!
//! Four outputs of a 5-tap correlation are `Aᵀ[(G g) ⊙ (Bᵀ d)]` with 8 products instead of 20 (Winograd, 1980; Lavin &
//! Gray, 2016). The interpolation points are 0, ±1, ±2, ±½ and ∞:
//!
//! ```text
//!      ⎡1   0   −21/4   0    21/4   0   −1  0⎤       ⎡   1      0      0      0      0  ⎤
//!      ⎢0   1     1   −17/4 −17/4   1    1  0⎥       ⎢ −2/9   −2/9   −2/9   −2/9   −2/9 ⎥
//!      ⎢0  −1     1    17/4 −17/4  −1    1  0⎥       ⎢ −2/9    2/9   −2/9    2/9   −2/9 ⎥
//! Bᵀ = ⎢0  1/2   1/4  −5/2  −5/4   2    1  0⎥   G = ⎢ 1/90   1/45   2/45   4/45   8/45 ⎥
//!      ⎢0 −1/2   1/4   5/2  −5/4  −2    1  0⎥       ⎢ 1/90  −1/45   2/45  −4/45   8/45 ⎥
//!      ⎢0   2     4   −5/2   −5   1/2   1  0⎥       ⎢32/45  16/45   8/45   4/45   2/45 ⎥
//!      ⎢0  −2     4    5/2   −5  −1/2   1  0⎥       ⎢32/45 −16/45   8/45  −4/45   2/45 ⎥
//!      ⎣0  −1     0    21/4   0  −21/4  0  1⎦       ⎣   0      0      0      0      1  ⎦
//!
//!      ⎡1  1   1  1   1   1    1   0⎤
//! Aᵀ = ⎢0  1  −1  2  −2  1/2 −1/2  0⎥
//!      ⎢0  1   1  4   4  1/4  1/4  0⎥
//!      ⎣0  1  −1  8  −8  1/8 −1/8  1⎦
//! ```
//!
//! Rows come in pairs that differ in the signs of the odd columns, so every map is computed from even and odd parts.

use super::lanes::Lanes;
use pulp::Simd;

/// Outputs of a tile along one side.
pub(super) const TILE: usize = 4;
/// Inputs of a tile along one side, and interpolation points.
pub(super) const POINTS: usize = 8;
/// Taps of the kernel along one side.
pub(super) const TAPS: usize = 5;

/// `Bᵀ d`: input samples to points.
#[inline(always)]
pub(super) fn input<S: Simd>(d: [Lanes<S>; POINTS]) -> [Lanes<S>; POINTS] {
    let (even1, odd1) = (d[4].times_plus(-4.25, d[2] + d[6]), d[3].times_plus(-4.25, d[1] + d[5]));
    let even2 = d[2].times_plus(0.25, d[4].times_plus(-1.25, d[6]));
    let odd2 = d[1].times_plus(0.5, d[3].times_plus(-2.5, d[5].times(2.0)));
    let even3 = d[2].times_plus(4.0, d[4].times_plus(-5.0, d[6]));
    let odd3 = d[1].times_plus(2.0, d[3].times_plus(-2.5, d[5].times(0.5)));
    [
        (d[4] - d[2]).times_plus(5.25, d[0] - d[6]),
        even1 + odd1,
        even1 - odd1,
        even2 + odd2,
        even2 - odd2,
        even3 + odd3,
        even3 - odd3,
        (d[3] - d[5]).times_plus(5.25, d[7] - d[1]),
    ]
}

/// `B v`: the adjoint of [`input`].
#[inline(always)]
pub(super) fn input_adjoint<S: Simd>(v: [Lanes<S>; POINTS]) -> [Lanes<S>; POINTS] {
    let (sum1, dif1) = (v[1] + v[2], v[1] - v[2]);
    let (sum2, dif2) = (v[3] + v[4], v[3] - v[4]);
    let (sum3, dif3) = (v[5] + v[6], v[5] - v[6]);
    [
        v[0],
        dif2.times_plus(0.5, dif3.times_plus(2.0, dif1)) - v[7],
        v[0].times_plus(-5.25, sum2.times_plus(0.25, sum3.times_plus(4.0, sum1))),
        dif1.times_plus(-4.25, (dif2 + dif3).times_plus(-2.5, v[7].times(5.25))),
        v[0].times_plus(5.25, sum1.times_plus(-4.25, sum2.times_plus(-1.25, sum3.times(-5.0)))),
        v[7].times_plus(-5.25, dif2.times_plus(2.0, dif3.times_plus(0.5, dif1))),
        (sum1 + (sum2 + sum3)) - v[0],
        v[7],
    ]
}

/// `Aᵀ m`: products at the points to outputs.
#[inline(always)]
pub(super) fn output<S: Simd>(m: [Lanes<S>; POINTS]) -> [Lanes<S>; TILE] {
    let (sum1, dif1) = (m[1] + m[2], m[1] - m[2]);
    let (sum2, dif2) = (m[3] + m[4], m[3] - m[4]);
    let (sum3, dif3) = (m[5] + m[6], m[5] - m[6]);
    [
        (m[0] + sum1) + (sum2 + sum3),
        dif2.times_plus(2.0, dif3.times_plus(0.5, dif1)),
        sum2.times_plus(4.0, sum3.times_plus(0.25, sum1)),
        dif2.times_plus(8.0, dif3.times_plus(0.125, dif1 + m[7])),
    ]
}

/// `A y`: the adjoint of [`output`].
#[inline(always)]
pub(super) fn output_adjoint<S: Simd>(y: [Lanes<S>; TILE]) -> [Lanes<S>; POINTS] {
    let (even1, odd1) = (y[0] + y[2], y[1] + y[3]);
    let (even2, odd2) = (y[2].times_plus(4.0, y[0]), y[3].times_plus(8.0, y[1].times(2.0)));
    let (even3, odd3) = (y[2].times_plus(0.25, y[0]), y[3].times_plus(0.125, y[1].times(0.5)));
    [y[0], even1 + odd1, even1 - odd1, even2 + odd2, even2 - odd2, even3 + odd3, even3 - odd3, y[3]]
}

const G1: f32 = -2.0 / 9.0;
const G2: f32 = 1.0 / 90.0;
const G3: f32 = 32.0 / 45.0;

/// `G g`: taps to points.
#[inline(always)]
pub(super) fn filter<S: Simd>(g: [Lanes<S>; TAPS]) -> [Lanes<S>; POINTS] {
    let (even1, odd1) = (((g[0] + g[2]) + g[4]).times(G1), (g[1] + g[3]).times(G1));
    let even2 = g[2].times_plus(4.0, g[4].times_plus(16.0, g[0])).times(G2);
    let odd2 = g[3].times_plus(8.0, g[1].times(2.0)).times(G2);
    let even3 = g[2].times_plus(0.25, g[4].times_plus(0.0625, g[0])).times(G3);
    let odd3 = g[3].times_plus(0.125, g[1].times(0.5)).times(G3);
    [g[0], even1 + odd1, even1 - odd1, even2 + odd2, even2 - odd2, even3 + odd3, even3 - odd3, g[4]]
}

/// `Gᵀ u`: the adjoint of [`filter`].
#[inline(always)]
pub(super) fn filter_adjoint<S: Simd>(u: [Lanes<S>; POINTS]) -> [Lanes<S>; TAPS] {
    let (sum1, dif1) = ((u[1] + u[2]).times(G1), (u[1] - u[2]).times(G1));
    let (sum2, dif2) = ((u[3] + u[4]).times(G2), (u[3] - u[4]).times(G2));
    let (sum3, dif3) = ((u[5] + u[6]).times(G3), (u[5] - u[6]).times(G3));
    [
        u[0] + (sum1 + (sum2 + sum3)),
        dif2.times_plus(2.0, dif3.times_plus(0.5, dif1)),
        sum2.times_plus(4.0, sum3.times_plus(0.25, sum1)),
        dif2.times_plus(8.0, dif3.times_plus(0.125, dif1)),
        u[7] + sum2.times_plus(16.0, sum3.times_plus(0.0625, sum1)),
    ]
}
