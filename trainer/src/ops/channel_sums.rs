//! Sums over pixels, one for each channel, and the helper that compiles a loop for this machine's vectors.

use rayon::prelude::*;

/// A loop over fewer numbers than this is mostly overhead: with fewer channels, several pixels make one row.
const ROW: usize = 64;
/// Numbers whose sums are taken in f32 before they join an f64 total.
const CHUNK: usize = 1 << 15;

/// Runs `f` compiled for the best instruction set of this machine: the loops inside become wide vectors.
#[inline(always)]
pub(super) fn vectorised<R>(f: impl FnOnce() -> R) -> R {
    struct Run<F>(F);
    impl<R, F: FnOnce() -> R> pulp::NullaryFnOnce for Run<F> {
        type Output = R;

        #[inline(always)]
        fn call(self) -> R {
            (self.0)()
        }
    }
    pulp::Arch::new().dispatch(Run(f))
}

/// Numbers of a row: as many whole pixels of `channels` numbers as make a loop worth its while.
pub(super) fn row_len(channels: usize) -> usize {
    channels * ROW.div_ceil(channels)
}

/// `per_channel` again and again until it fills a row.
pub(super) fn repeated(per_channel: &[f32]) -> Vec<f32> {
    per_channel.iter().copied().cycle().take(row_len(per_channel.len())).collect()
}

/// Two sums for each channel over an array (pixels, channels) of `len` numbers. `add(first, sums)` adds the terms of
/// the row that starts at number `first`; it ends where the sums end, or with the array. The order of additions depends on the
/// sizes alone.
pub(super) fn channel_sums(
    len: usize,
    channels: usize,
    add: impl Fn(usize, &mut [f32], &mut [f32]) + Sync,
) -> [Vec<f64>; 2] {
    let row = row_len(channels);
    let chunk = CHUNK.next_multiple_of(row);
    let parts: Vec<[Vec<f32>; 2]> = (0..len.div_ceil(chunk))
        .into_par_iter()
        .map(|part| {
            let mut sums = [vec![0.0; row], vec![0.0; row]];
            let [first_sums, second_sums] = &mut sums;
            vectorised(
                #[inline(always)]
                || {
                    for first in (part * chunk..len.min((part + 1) * chunk)).step_by(row) {
                        let count = row.min(len - first);
                        add(first, &mut first_sums[..count], &mut second_sums[..count]);
                    }
                },
            );
            sums
        })
        .collect();
    let mut totals = [vec![0.0; channels], vec![0.0; channels]];
    for part in &parts {
        for (total, part) in totals.iter_mut().zip(part) {
            for pixel in part.chunks_exact(channels) {
                total.iter_mut().zip(pixel).for_each(|(t, p)| *t += *p as f64);
            }
        }
    }
    totals
}
