//! From images to the 64 planes of Winograd's domain and back, for a group of images at a time.
//!
//! A plane holds one number per (tile, channel), channels last; plane `POINTS·r + c` belongs to the pair of points (r, c).

#![expect(clippy::needless_range_loop, reason = "the loops index several arrays in step")]

use super::super::conv2d::PADDING;
use super::lanes::Lanes;
use super::matrices::{self, POINTS, TAPS, TILE};
use pulp::{Arch, Simd, WithSimd};

/// How many planes there are.
pub(super) const PLANES: usize = POINTS * POINTS;

/// Sizes of a group of images and of its planes.
#[derive(Clone, Copy)]
pub(super) struct Group {
    /// Pixels along one side.
    pub(super) side: usize,
    /// Channels.
    pub(super) channels: usize,
    /// Distance from one plane to the next.
    pub(super) stride: usize,
}

impl Group {
    fn tiles(self) -> usize {
        self.side.div_ceil(TILE)
    }

    /// Numbers of an image.
    fn image(self) -> usize {
        self.side * self.side * self.channels
    }

    /// Calls `f(first channel, channels)` for each register's worth.
    #[inline(always)]
    fn for_registers<S: Simd>(self, mut f: impl FnMut(usize, usize)) {
        let mut first = 0;
        while first < self.channels {
            let count = Lanes::<S>::COUNT.min(self.channels - first);
            f(first, count);
            first += count;
        }
    }

    /// Calls `f(image, tile of the group, row of its first output, column)` for each tile of `images` images.
    #[inline(always)]
    fn for_tiles(self, images: usize, mut f: impl FnMut(usize, usize, usize, usize)) {
        let tiles = self.tiles();
        for image in 0..images {
            for ty in 0..tiles {
                for tx in 0..tiles {
                    f(image, (image * tiles + ty) * tiles + tx, ty * TILE, tx * TILE);
                }
            }
        }
    }
}

/// `v = Bᵀ d B` for each tile's 8×8 inputs d, zeros beyond the border.
pub(super) struct Input<'a> {
    pub(super) group: Group,
    pub(super) x: &'a [f32],
    pub(super) v: &'a mut [f32],
}

impl WithSimd for Input<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Input { group, x, v } = self;
        let (side, channels) = (group.side, group.channels);
        let zero = Lanes::zero(simd);
        group.for_tiles(x.len() / group.image(), |image, tile, y0, x0| {
            group.for_registers::<S>(|first, count| {
                let mut columns = [[zero; POINTS]; POINTS];
                for (cx, column) in columns.iter_mut().enumerate() {
                    let Some(px) = (x0 + cx).checked_sub(PADDING).filter(|px| *px < side) else { continue };
                    let mut d = [zero; POINTS];
                    for (cy, d) in d.iter_mut().enumerate() {
                        let Some(py) = (y0 + cy).checked_sub(PADDING).filter(|py| *py < side) else { continue };
                        let at = ((image * side + py) * side + px) * channels + first;
                        *d = Lanes::load(simd, &x[at..at + count]);
                    }
                    *column = matrices::input(d);
                }
                for r in 0..POINTS {
                    let row = matrices::input(std::array::from_fn(|cx| columns[cx][r]));
                    for (c, value) in row.into_iter().enumerate() {
                        let at = (r * POINTS + c) * group.stride + tile * channels + first;
                        value.store(&mut v[at..at + count]);
                    }
                }
            });
        });
    }
}

/// The adjoint of [`Input`]: `dx += B dv Bᵀ` over the tiles' overlapping 8×8 inputs.
pub(super) struct InputAdjoint<'a> {
    pub(super) group: Group,
    pub(super) dv: &'a [f32],
    pub(super) dx: &'a mut [f32],
}

impl WithSimd for InputAdjoint<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let InputAdjoint { group, dv, dx } = self;
        let (side, channels) = (group.side, group.channels);
        let zero = Lanes::zero(simd);
        dx.fill(0.0);
        group.for_tiles(dx.len() / group.image(), |image, tile, y0, x0| {
            group.for_registers::<S>(|first, count| {
                let mut columns = [[zero; POINTS]; POINTS];
                for (c, column) in columns.iter_mut().enumerate() {
                    let mut points = [zero; POINTS];
                    for (r, point) in points.iter_mut().enumerate() {
                        let at = (r * POINTS + c) * group.stride + tile * channels + first;
                        *point = Lanes::load(simd, &dv[at..at + count]);
                    }
                    *column = matrices::input_adjoint(points);
                }
                for cy in 0..POINTS {
                    let Some(py) = (y0 + cy).checked_sub(PADDING).filter(|py| *py < side) else { continue };
                    let row = matrices::input_adjoint(std::array::from_fn(|c| columns[c][cy]));
                    for (cx, value) in row.into_iter().enumerate() {
                        let Some(px) = (x0 + cx).checked_sub(PADDING).filter(|px| *px < side) else { continue };
                        let at = ((image * side + py) * side + px) * channels + first;
                        let sum = &mut dx[at..at + count];
                        (Lanes::load(simd, sum) + value).store(sum);
                    }
                }
            });
        });
    }
}

/// `z = Aᵀ m A` for each tile: its 4×4 outputs, as far as they lie in the image.
pub(super) struct Output<'a> {
    pub(super) group: Group,
    pub(super) m: &'a [f32],
    pub(super) z: &'a mut [f32],
}

impl WithSimd for Output<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Output { group, m, z } = self;
        let (side, channels) = (group.side, group.channels);
        let zero = Lanes::zero(simd);
        group.for_tiles(z.len() / group.image(), |image, tile, y0, x0| {
            group.for_registers::<S>(|first, count| {
                let mut columns = [[zero; TILE]; POINTS];
                for (c, column) in columns.iter_mut().enumerate() {
                    let mut points = [zero; POINTS];
                    for (r, point) in points.iter_mut().enumerate() {
                        let at = (r * POINTS + c) * group.stride + tile * channels + first;
                        *point = Lanes::load(simd, &m[at..at + count]);
                    }
                    *column = matrices::output(points);
                }
                for cy in 0..TILE.min(side - y0) {
                    let row = matrices::output(std::array::from_fn(|c| columns[c][cy]));
                    for (cx, value) in row.into_iter().enumerate().take(side - x0) {
                        let at = ((image * side + y0 + cy) * side + x0 + cx) * channels + first;
                        value.store(&mut z[at..at + count]);
                    }
                }
            });
        });
    }
}

/// The adjoint of [`Output`]: `dm = A dz Aᵀ`.
pub(super) struct OutputAdjoint<'a> {
    pub(super) group: Group,
    pub(super) dz: &'a [f32],
    pub(super) dm: &'a mut [f32],
}

impl WithSimd for OutputAdjoint<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let OutputAdjoint { group, dz, dm } = self;
        let (side, channels) = (group.side, group.channels);
        let zero = Lanes::zero(simd);
        group.for_tiles(dz.len() / group.image(), |image, tile, y0, x0| {
            group.for_registers::<S>(|first, count| {
                let mut columns = [[zero; POINTS]; TILE];
                for (cx, column) in columns.iter_mut().enumerate().take(side - x0) {
                    let mut d = [zero; TILE];
                    for (cy, d) in d.iter_mut().enumerate().take(side - y0) {
                        let at = ((image * side + y0 + cy) * side + x0 + cx) * channels + first;
                        *d = Lanes::load(simd, &dz[at..at + count]);
                    }
                    *column = matrices::output_adjoint(d);
                }
                for r in 0..POINTS {
                    let row = matrices::output_adjoint(std::array::from_fn(|cx| columns[cx][r]));
                    for (c, value) in row.into_iter().enumerate() {
                        let at = (r * POINTS + c) * group.stride + tile * channels + first;
                        value.store(&mut dm[at..at + count]);
                    }
                }
            });
        });
    }
}

/// `u = G w Gᵀ` for a run of (in, out) pairs: 25 slices of the weight to 64 of its planes.
pub(super) struct Filter<'a> {
    pub(super) weight: Vec<&'a [f32]>,
    pub(super) u: Vec<&'a mut [f32]>,
}

impl WithSimd for Filter<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Filter { weight, mut u } = self;
        let (len, zero) = (weight[0].len(), Lanes::zero(simd));
        let mut first = 0;
        while first < len {
            let run = first..len.min(first + Lanes::<S>::COUNT);
            let mut columns = [[zero; POINTS]; TAPS];
            for (c, column) in columns.iter_mut().enumerate() {
                let mut taps = [zero; TAPS];
                for (r, tap) in taps.iter_mut().enumerate() {
                    *tap = Lanes::load(simd, &weight[r * TAPS + c][run.clone()]);
                }
                *column = matrices::filter(taps);
            }
            for r in 0..POINTS {
                let row = matrices::filter(std::array::from_fn(|c| columns[c][r]));
                for (c, value) in row.into_iter().enumerate() {
                    value.store(&mut u[r * POINTS + c][run.clone()]);
                }
            }
            first = run.end;
        }
    }
}

/// The adjoint of [`Filter`]: `dw = Gᵀ du G`.
pub(super) struct FilterAdjoint<'a> {
    pub(super) du: Vec<&'a [f32]>,
    pub(super) dw: Vec<&'a mut [f32]>,
}

impl WithSimd for FilterAdjoint<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let FilterAdjoint { du, mut dw } = self;
        let (len, zero) = (du[0].len(), Lanes::zero(simd));
        let mut first = 0;
        while first < len {
            let run = first..len.min(first + Lanes::<S>::COUNT);
            let mut columns = [[zero; TAPS]; POINTS];
            for (c, column) in columns.iter_mut().enumerate() {
                let mut points = [zero; POINTS];
                for (r, point) in points.iter_mut().enumerate() {
                    *point = Lanes::load(simd, &du[r * POINTS + c][run.clone()]);
                }
                *column = matrices::filter_adjoint(points);
            }
            for r in 0..TAPS {
                let row = matrices::filter_adjoint(std::array::from_fn(|c| columns[c][r]));
                for (c, value) in row.into_iter().enumerate() {
                    value.store(&mut dw[r * TAPS + c][run.clone()]);
                }
            }
            first = run.end;
        }
    }
}

/// Runs a transform with the widest vectors of this machine.
pub(super) fn run(transform: impl WithSimd<Output = ()>) {
    Arch::new().dispatch(transform);
}
