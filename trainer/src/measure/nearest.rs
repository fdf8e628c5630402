//! The points next to a place of the plane.

/// The `count` points of `embedding` (N, 2) nearest to `place`, nearest first: index and distance. Points that are not
/// finite are near nothing.
pub fn nearest(embedding: &[[f32; 2]], place: [f32; 2], count: usize) -> Vec<(usize, f64)> {
    let distance = |e: &[f32; 2]| {
        let [x, y] = [0, 1].map(|k| f64::from(e[k]) - f64::from(place[k]));
        x.hypot(y)
    };
    let mut all: Vec<(usize, f64)> =
        embedding.iter().map(distance).enumerate().filter(|(_, d)| d.is_finite()).collect();
    let by_distance = |a: &(usize, f64), b: &(usize, f64)| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0));
    if count < all.len() {
        all.select_nth_unstable_by(count, by_distance);
        all.truncate(count);
    }
    all.sort_unstable_by(by_distance);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_come_first_and_lost_points_never() {
        let embedding = [[3.0, 4.0], [0.0, 0.0], [f32::NAN, 0.0], [1.0, 0.0], [0.0, -1.0]];
        assert_eq!(nearest(&embedding, [0.0, 0.0], 3), [(1, 0.0), (3, 1.0), (4, 1.0)]);
        assert_eq!(nearest(&embedding, [0.0, 0.0], 9).len(), 4);
        assert!(nearest(&embedding, [f32::NAN, 0.0], 2).is_empty());
        assert!(nearest(&[], [0.0, 0.0], 2).is_empty());
    }
}
