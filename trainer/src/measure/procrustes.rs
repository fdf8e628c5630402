//! Laying one run's plane over another's.

/// A similarity of the plane: a point p goes to `scale` · `matrix` · p + `offset`.
#[derive(Clone, Copy, Debug, PartialEq, schemars::JsonSchema, serde::Serialize)]
pub struct Alignment {
    /// A rotation, or a rotation after a reflection, by rows.
    pub matrix: [[f64; 2]; 2],
    /// Positive.
    pub scale: f64,
    /// Moves after turning and scaling.
    pub offset: [f64; 2],
    /// How far it rotates, in degrees, counter-clockwise, over −180 to 180; where it mirrors, after y became −y.
    pub rotation_degrees: f64,
    /// Whether it mirrors.
    pub mirrored: bool,
    /// What no similarity removes, from 0 (the same shape) to 1 (nothing in common): the sum of squared distances that are
    /// left, once both sets of points are centred and scaled to a sum of squares of 1. SciPy calls it disparity.
    pub residual: f64,
}

/// The similarity that brings `moving` as near to `fixed` as can be, in the sum of squared distances between points of
/// the same index (orthogonal Procrustes with scale and reflection). `None` where the points of either have no extent.
///
/// In the plane the singular value decomposition has a closed form: with both sets centred and read as complex numbers a
/// and b, the best rotation is the argument of Σ āb, the best reflection that of Σ ab, and the larger modulus wins.
/// Schönemann, 1966, <https://doi.org/10.1007/BF02289451>; Gower, 1975, <https://doi.org/10.1007/BF02291478>.
pub fn align(moving: &[[f32; 2]], fixed: &[[f32; 2]]) -> Option<Alignment> {
    let n = moving.len().min(fixed.len());
    let middle = |points: &[[f32; 2]]| {
        [0, 1].map(|k| points[..n].iter().map(|p| f64::from(p[k])).sum::<f64>() / n.max(1) as f64)
    };
    let (from, to) = (middle(moving), middle(fixed));
    let (mut turned, mut mirrored) = ([0.0f64; 2], [0.0f64; 2]);
    let (mut size, mut fixed_size) = (0.0, 0.0);
    for (p, q) in moving.iter().zip(fixed) {
        let a = [f64::from(p[0]) - from[0], f64::from(p[1]) - from[1]];
        let b = [f64::from(q[0]) - to[0], f64::from(q[1]) - to[1]];
        turned = [turned[0] + a[0] * b[0] + a[1] * b[1], turned[1] + a[0] * b[1] - a[1] * b[0]];
        mirrored = [mirrored[0] + a[0] * b[0] - a[1] * b[1], mirrored[1] + a[0] * b[1] + a[1] * b[0]];
        size += a[0] * a[0] + a[1] * a[1];
        fixed_size += b[0] * b[0] + b[1] * b[1];
    }
    let mirrors = mirrored[0].hypot(mirrored[1]) > turned[0].hypot(turned[1]);
    let [re, im] = if mirrors { mirrored } else { turned };
    let fit = re.hypot(im);
    let scale = fit / size;
    let residual = 1.0 - fit * fit / (size * fixed_size);
    if !(scale.is_finite() && scale > 0.0 && residual.is_finite()) {
        return None;
    }
    let (cos, sin) = (re / fit, im / fit);
    let matrix = if mirrors { [[cos, sin], [sin, -cos]] } else { [[cos, -sin], [sin, cos]] };
    let offset = [0, 1].map(|k| to[k] - scale * (matrix[k][0] * from[0] + matrix[k][1] * from[1]));
    let rotation_degrees = im.atan2(re).to_degrees();
    Some(Alignment { matrix, scale, offset, rotation_degrees, mirrored: mirrors, residual: residual.max(0.0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQUARE: [[f32; 2]; 5] = [[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0], [3.0, 0.5]];

    fn apply(a: &Alignment, p: [f32; 2]) -> [f64; 2] {
        let [x, y] = p.map(f64::from);
        [0, 1].map(|k| a.scale * (a.matrix[k][0] * x + a.matrix[k][1] * y) + a.offset[k])
    }

    #[test]
    fn a_similarity_is_found_again() {
        // Turned by 90°, doubled, moved; then the same of the mirror image.
        let turned = SQUARE.map(|[x, y]| [-2.0 * y + 1.0, 2.0 * x - 3.0]);
        let mirrored = SQUARE.map(|[x, y]| [2.0 * y + 1.0, 2.0 * x - 3.0]);
        for (fixed, mirrors) in [(turned, false), (mirrored, true)] {
            let found = align(&SQUARE, &fixed).unwrap();
            assert_eq!(found.mirrored, mirrors);
            assert!((found.scale - 2.0).abs() < 1e-9 && found.residual < 1e-12, "{found:?}");
            assert!((found.rotation_degrees - 90.0).abs() < 1e-9, "{found:?}");
            for (p, q) in SQUARE.iter().zip(&fixed) {
                let [x, y] = apply(&found, *p);
                assert!((x - f64::from(q[0])).hypot(y - f64::from(q[1])) < 1e-9, "{p:?} to {x}, {y}, not {q:?}");
            }
        }
    }

    /// ```python
    /// import numpy as np; from scipy.spatial import procrustes; from scipy.linalg import orthogonal_procrustes  # SciPy 1.17.1
    /// i = np.arange(10.0)
    /// moving = np.c_[3 * np.cos(i), np.sin(2 * i) + i / 4]; fixed = np.c_[np.sin(i + 1) - i / 3, 2 * np.cos(i)]
    /// a, b = moving - moving.mean(0), fixed - fixed.mean(0)
    /// r, s = orthogonal_procrustes(a, b)
    /// procrustes(fixed, moving)[2], s / (a ** 2).sum(), r.T, fixed.mean(0) - s / (a ** 2).sum() * r.T @ moving.mean(0)
    /// ```
    #[test]
    fn it_is_what_scipy_says() {
        let i = |i: usize| i as f64;
        let moving: [[f32; 2]; 10] =
            std::array::from_fn(|n| [(3.0 * i(n).cos()) as f32, ((2.0 * i(n)).sin() + i(n) / 4.0) as f32]);
        let fixed: [[f32; 2]; 10] =
            std::array::from_fn(|n| [((i(n) + 1.0).sin() - i(n) / 3.0) as f32, (2.0 * i(n).cos()) as f32]);
        let found = align(&moving, &fixed).unwrap();
        let numbers = [
            found.residual,
            found.scale,
            found.matrix[0][0],
            found.matrix[0][1],
            found.matrix[1][0],
            found.matrix[1][1],
            found.offset[0],
            found.offset[1],
        ];
        let scipy =
            [0.186447519, 0.742284971, 0.435289070, -0.900290740, 0.900290740, 0.435289070, -0.665749330, -0.355091300];
        for (number, scipy) in numbers.iter().zip(scipy) {
            assert!((number - scipy).abs() < 1e-6, "{numbers:?}");
        }
    }

    #[test]
    fn points_without_extent_have_no_alignment() {
        assert_eq!(align(&[[1.0, 1.0]; 10], &SQUARE), None);
        assert_eq!(align(&SQUARE, &[[1.0, 1.0]; 5]), None);
        assert_eq!(align(&[[f32::NAN, 0.0]; 5], &SQUARE), None);
        assert_eq!(align(&[], &[]), None);
    }
}
