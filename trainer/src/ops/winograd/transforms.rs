//! From images to the 64 planes of Winograd's domain and back, for a group of images at a time.
//!
//! A plane holds one number per (tile, channel), channels last; plane `POINTS·r + c` belongs to the pair of points (r, c).
//! Each map is two one-dimensional ones, over the columns of a tile and then over its rows.

#![expect(clippy::needless_range_loop, reason = "the loops index several arrays in step")]

use super::super::conv2d::PADDING;
use super::lanes::{EachRegister, Lanes, Part, for_registers};
use super::matrices::{self, POINTS, TAPS, TILE};
use pulp::{Arch, Simd, WithSimd};

/// `[f(0), f(1), …]`, written out: a call of `std::array::from_fn` would be compiled without this machine's vectors, and
/// an array that is first filled with zeros costs as much as the map.
macro_rules! each {
    (POINTS, $i:ident => $value:expr) => { each!(@ $i $value; 0 1 2 3 4 5 6 7) };
    (TAPS, $i:ident => $value:expr) => { each!(@ $i $value; 0 1 2 3 4) };
    (TILE, $i:ident => $value:expr) => { each!(@ $i $value; 0 1 2 3) };
    (@ $i:ident $value:expr; $($n:literal)+) => { [$({ let $i: usize = $n; $value }),+] };
}

/// How many planes there are.
pub(crate) const PLANES: usize = POINTS * POINTS;

/// Sizes of a group of images and of its planes.
#[derive(Clone, Copy)]
pub(super) struct Group {
    /// Pixels along one side.
    pub(super) side: usize,
    /// Channels.
    pub(super) channels: usize,
    /// Distance from one plane to the next, where they are read.
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

    /// Calls `f` for each tile of `images` images.
    #[inline(always)]
    fn for_tiles(self, images: usize, mut f: impl FnMut(Tile)) {
        let tiles = self.tiles();
        for image in 0..images {
            for ty in 0..tiles {
                for tx in 0..tiles {
                    let index = (image * tiles + ty) * tiles + tx;
                    f(Tile { group: self, image, index, y: ty * TILE, x: tx * TILE });
                }
            }
        }
    }
}

/// One tile of a group.
#[derive(Clone, Copy)]
struct Tile {
    group: Group,
    image: usize,
    /// Counted through the group.
    index: usize,
    /// Row of its first output.
    y: usize,
    /// Column of its first output.
    x: usize,
}

impl Tile {
    /// Where pixel (`row`, `column`) of the tile's 8×8 inputs begins in the group's images; `None` beyond the border.
    #[inline(always)]
    fn input(self, row: usize, column: usize) -> Option<usize> {
        let (y, x) = ((self.y + row).wrapping_sub(PADDING), (self.x + column).wrapping_sub(PADDING));
        (y < self.group.side && x < self.group.side).then(|| self.pixel(y, x))
    }

    /// Where pixel (`row`, `column`) of the tile's 4×4 outputs begins in the group's images; `None` beyond the border.
    #[inline(always)]
    fn output(self, row: usize, column: usize) -> Option<usize> {
        let (y, x) = (self.y + row, self.x + column);
        (y < self.group.side && x < self.group.side).then(|| self.pixel(y, x))
    }

    #[inline(always)]
    fn pixel(self, y: usize, x: usize) -> usize {
        ((self.image * self.group.side + y) * self.group.side + x) * self.group.channels
    }

    /// Where the tile's numbers in the plane of the points (r, c) begin, counted from the first plane.
    #[inline(always)]
    fn plane(self, r: usize, c: usize) -> usize {
        (r * POINTS + c) * self.group.stride + self.in_plane()
    }

    /// Where the tile's numbers in any plane begin.
    #[inline(always)]
    fn in_plane(self) -> usize {
        self.index * self.group.channels
    }
}

/// `v = Bᵀ d B` for each tile's 8×8 inputs d, zeros beyond the border; `v` holds each plane's numbers for these images.
pub(super) struct Input<'a> {
    pub(super) group: Group,
    pub(super) x: &'a [f32],
    pub(super) v: Vec<&'a mut [f32]>,
}

impl WithSimd for Input<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        struct Work<'a, 'b, S>(S, Tile, &'a [f32], &'a mut [&'b mut [f32]]);
        impl<S: Simd> EachRegister<S> for Work<'_, '_, S> {
            #[inline(always)]
            fn register(&mut self, first: usize, part: impl Part<S>) {
                let Work(simd, tile, x, v) = self;
                let columns = each!(POINTS, cx => {
                    matrices::input(each!(POINTS, cy => match tile.input(cy, cx) {
                        Some(pixel) => part.load(*simd, x, pixel + first),
                        None => Lanes::zero(*simd),
                    }))
                });
                for r in 0..POINTS {
                    let row = matrices::input(each!(POINTS, cx => columns[cx][r]));
                    for c in 0..POINTS {
                        part.store(row[c], v[r * POINTS + c], tile.in_plane() + first);
                    }
                }
            }
        }
        let Input { group, x, mut v } = self;
        group.for_tiles(
            x.len() / group.image(),
            #[inline(always)]
            |tile| for_registers(group.channels, &mut Work(simd, tile, x, &mut v)),
        );
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
        struct Work<'a, S>(S, Tile, &'a [f32], &'a mut [f32]);
        impl<S: Simd> EachRegister<S> for Work<'_, S> {
            #[inline(always)]
            fn register(&mut self, first: usize, part: impl Part<S>) {
                let Work(simd, tile, dv, dx) = self;
                let columns = each!(POINTS, c => matrices::input_adjoint(each!(POINTS, r => part.load(*simd, dv, tile.plane(r, c) + first))));
                for cy in 0..POINTS {
                    let row = matrices::input_adjoint(each!(POINTS, c => columns[c][cy]));
                    for cx in 0..POINTS {
                        if let Some(pixel) = tile.input(cy, cx) {
                            let sum = part.load(*simd, dx, pixel + first) + row[cx];
                            part.store(sum, dx, pixel + first);
                        }
                    }
                }
            }
        }
        let InputAdjoint { group, dv, dx } = self;
        dx.fill(0.0);
        group.for_tiles(
            dx.len() / group.image(),
            #[inline(always)]
            |tile| for_registers(group.channels, &mut Work(simd, tile, dv, dx)),
        );
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
        struct Work<'a, S>(S, Tile, &'a [f32], &'a mut [f32]);
        impl<S: Simd> EachRegister<S> for Work<'_, S> {
            #[inline(always)]
            fn register(&mut self, first: usize, part: impl Part<S>) {
                let Work(simd, tile, m, z) = self;
                let columns = each!(POINTS, c => matrices::output(each!(POINTS, r => part.load(*simd, m, tile.plane(r, c) + first))));
                for cy in 0..TILE {
                    let row = matrices::output(each!(POINTS, c => columns[c][cy]));
                    for cx in 0..TILE {
                        if let Some(pixel) = tile.output(cy, cx) {
                            part.store(row[cx], z, pixel + first);
                        }
                    }
                }
            }
        }
        let Output { group, m, z } = self;
        group.for_tiles(
            z.len() / group.image(),
            #[inline(always)]
            |tile| for_registers(group.channels, &mut Work(simd, tile, m, z)),
        );
    }
}

/// The adjoint of [`Output`]: `dm = A dz Aᵀ`; `dm` holds each plane's numbers for these images.
pub(super) struct OutputAdjoint<'a> {
    pub(super) group: Group,
    pub(super) dz: &'a [f32],
    pub(super) dm: Vec<&'a mut [f32]>,
}

impl WithSimd for OutputAdjoint<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        struct Work<'a, 'b, S>(S, Tile, &'a [f32], &'a mut [&'b mut [f32]]);
        impl<S: Simd> EachRegister<S> for Work<'_, '_, S> {
            #[inline(always)]
            fn register(&mut self, first: usize, part: impl Part<S>) {
                let Work(simd, tile, dz, dm) = self;
                let columns = each!(TILE, cx => {
                    matrices::output_adjoint(each!(TILE, cy => match tile.output(cy, cx) {
                        Some(pixel) => part.load(*simd, dz, pixel + first),
                        None => Lanes::zero(*simd),
                    }))
                });
                for r in 0..POINTS {
                    let row = matrices::output_adjoint(each!(TILE, cx => columns[cx][r]));
                    for c in 0..POINTS {
                        part.store(row[c], dm[r * POINTS + c], tile.in_plane() + first);
                    }
                }
            }
        }
        let OutputAdjoint { group, dz, mut dm } = self;
        group.for_tiles(
            dz.len() / group.image(),
            #[inline(always)]
            |tile| for_registers(group.channels, &mut Work(simd, tile, dz, &mut dm)),
        );
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
        struct Work<'a, 'b, S>(S, &'a [&'b [f32]], &'a mut [&'b mut [f32]]);
        impl<S: Simd> EachRegister<S> for Work<'_, '_, S> {
            #[inline(always)]
            fn register(&mut self, first: usize, part: impl Part<S>) {
                let Work(simd, weight, u) = self;
                let columns =
                    each!(TAPS, c => matrices::filter(each!(TAPS, r => part.load(*simd, weight[r * TAPS + c], first))));
                for r in 0..POINTS {
                    let row = matrices::filter(each!(TAPS, c => columns[c][r]));
                    for c in 0..POINTS {
                        part.store(row[c], u[r * POINTS + c], first);
                    }
                }
            }
        }
        let Filter { weight, mut u } = self;
        for_registers(weight[0].len(), &mut Work(simd, &weight, &mut u));
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
        struct Work<'a, 'b, S>(S, &'a [&'b [f32]], &'a mut [&'b mut [f32]]);
        impl<S: Simd> EachRegister<S> for Work<'_, '_, S> {
            #[inline(always)]
            fn register(&mut self, first: usize, part: impl Part<S>) {
                let Work(simd, du, dw) = self;
                let columns = each!(POINTS, c => matrices::filter_adjoint(each!(POINTS, r => part.load(*simd, du[r * POINTS + c], first))));
                for r in 0..TAPS {
                    let row = matrices::filter_adjoint(each!(POINTS, c => columns[c][r]));
                    for c in 0..TAPS {
                        part.store(row[c], dw[r * TAPS + c], first);
                    }
                }
            }
        }
        let FilterAdjoint { du, mut dw } = self;
        for_registers(du[0].len(), &mut Work(simd, &du, &mut dw));
    }
}

/// Runs a transform over `channels` channels with this machine's widest vectors, or with narrower ones where those fit
/// the channels and the widest don't.
#[cfg_attr(not(target_arch = "x86_64"), expect(unused_variables, reason = "there is one width"))]
pub(super) fn run(channels: usize, transform: impl WithSimd<Output = ()>) {
    #[cfg(target_arch = "x86_64")]
    if channels % 16 == 8
        && let Some(simd) = pulp::x86::V3::try_new()
    {
        return Simd::vectorize(simd, transform);
    }
    Arch::new().dispatch(transform);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Channels that fill no register of any width, and tiles that reach over the border.
    const GROUP: Group = Group { side: 7, channels: 11, stride: 2 * 4 * 11 + 3 };
    const IMAGES: usize = 2;

    /// The results of all six maps on one device's registers. `dispatch` runs a map.
    macro_rules! all_maps {
        ($dispatch:expr) => {{
            let wave = |len: usize| (0..len).map(|i| (i as f32 * 0.7).sin()).collect::<Vec<_>>();
            let (pixels, planes) = (wave(GROUP.image() * IMAGES), wave(GROUP.stride * PLANES));
            let (mut v, mut dx) = (vec![0.0; planes.len()], vec![0.0; pixels.len()]);
            let (mut dm, mut z) = (v.clone(), dx.clone());
            $dispatch(Input { group: GROUP, x: &pixels, v: v.chunks_mut(GROUP.stride).collect() });
            $dispatch(InputAdjoint { group: GROUP, dv: &planes, dx: &mut dx });
            $dispatch(Output { group: GROUP, m: &planes, z: &mut z });
            $dispatch(OutputAdjoint { group: GROUP, dz: &pixels, dm: dm.chunks_mut(GROUP.stride).collect() });
            let (weight, du) = (wave(TAPS * TAPS * 13), wave(PLANES * 13));
            let (mut u, mut dw) = (vec![0.0; du.len()], vec![0.0; weight.len()]);
            $dispatch(Filter { weight: weight.chunks(13).collect(), u: u.chunks_mut(13).collect() });
            $dispatch(FilterAdjoint { du: du.chunks(13).collect(), dw: dw.chunks_mut(13).collect() });
            [v, dx, z, dm, u, dw]
        }};
    }

    /// What a machine without vector instructions of its own runs gives what this machine's give.
    #[test]
    fn every_register_width_gives_the_same_maps() {
        let here = all_maps!(|map| run(GROUP.channels, map));
        let portable = [
            all_maps!(|map| pulp::Scalar.vectorize(map)),
            all_maps!(|map| pulp::Scalar128b.vectorize(map)),
            all_maps!(|map| pulp::Scalar256b.vectorize(map)),
        ];
        for (width, maps) in portable.iter().enumerate() {
            for (map, (found, expected)) in maps.iter().zip(&here).enumerate() {
                let apart = found.iter().zip(expected).map(|(f, e)| (f - e).abs()).fold(0.0, f32::max);
                let size = expected.iter().map(|e| e.abs()).fold(0.0, f32::max);
                assert!(size > 0.1 && apart < 1e-5 * size, "map {map}, width {width}: apart by {apart} of {size}");
            }
        }
    }
}
