//! Angles between classes, as seen from the origin.

use super::Spread;
use crate::event::CLASSES;

/// The angular margin in degrees: for each pair of classes, the angle between their means less the mean angle between
/// an image's embedding and the mean of its class, for both classes; the smallest over all pairs. Directions are taken
/// from the origin. `None` where fewer than two classes have a direction.
///
/// The idea is SphereFace's, whose criterion of a good embedding is that angles within a class stay below those between
/// classes: Liu et al., 2017, <https://doi.org/10.1109/CVPR.2017.713>. There it is the largest angle within; here it is
/// the mean, so that one image in ten thousand does not decide the number.
pub fn angular_margin(embedding: &[[f32; 2]], labels: &[u8], spread: &Spread) -> Option<f64> {
    let directions = spread.means.map(direction);
    let mut sums = [(0.0f64, 0usize); CLASSES];
    for (&e, &label) in embedding.iter().zip(labels) {
        if let (Some(own), Some(mean)) = (direction(e), directions[label as usize]) {
            let (sum, count) = &mut sums[label as usize];
            *sum += between(own, mean);
            *count += 1;
        }
    }
    let classes: Vec<(f64, f64)> = (0..CLASSES)
        .filter(|&k| sums[k].1 > 0)
        .filter_map(|k| Some((directions[k]?, sums[k].0 / sums[k].1 as f64)))
        .collect();
    let pairs = classes.iter().enumerate().flat_map(|(i, a)| classes[i + 1..].iter().map(move |b| (a, b)));
    let margins = pairs.map(|((a, a_spread), (b, b_spread))| between(*a, *b) - a_spread - b_spread);
    margins.reduce(f64::min).map(f64::to_degrees)
}

/// The direction of a point in radians; the origin has none.
fn direction([x, y]: [f32; 2]) -> Option<f64> {
    (x != 0.0 || y != 0.0).then(|| f64::from(y).atan2(f64::from(x)))
}

/// The angle between two directions, 0 to π.
fn between(a: f64, b: f64) -> f64 {
    let turn = (a - b).abs();
    turn.min(std::f64::consts::TAU - turn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::spread;

    fn margin(embedding: &[[f32; 2]], labels: &[u8]) -> Option<f64> {
        angular_margin(embedding, labels, &spread(embedding, labels))
    }

    /// A point at `degrees`, `length` from the origin.
    fn at(degrees: f32, length: f32) -> [f32; 2] {
        let (sin, cos) = degrees.to_radians().sin_cos();
        [length * cos, length * sin]
    }

    #[test]
    fn the_nearest_pair_decides_and_spread_takes_from_the_room_between() {
        // Means at 0°, 90° and 170°, images 10°, 20° and 5° off: 90 − 30, 80 − 25, 170 − 15.
        let embedding = [at(-10.0, 5.0), at(10.0, 5.0), at(70.0, 1.0), at(110.0, 1.0), at(165.0, 2.0), at(175.0, 2.0)];
        let margin = margin(&embedding, &[0, 0, 1, 1, 2, 2]).unwrap();
        assert!((margin - 55.0).abs() < 1e-4, "{margin}");
    }

    #[test]
    fn angles_are_taken_the_short_way_around() {
        let margin = margin(&[at(175.0, 1.0), at(-175.0, 1.0)], &[4, 5]).unwrap();
        assert!((margin - 10.0).abs() < 1e-4, "{margin}");
    }

    #[test]
    fn a_class_without_a_direction_is_left_out() {
        assert_eq!(margin(&[[0.0, 0.0], [1.0, 0.0]], &[0, 1]), None);
        assert_eq!(margin(&[], &[]), None);
    }
}
