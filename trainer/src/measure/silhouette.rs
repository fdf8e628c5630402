//! The silhouette of an embedding.

use crate::event::CLASSES;

/// Images that are measured, from the first on: each is compared with each, and these few say it to two digits.
const SAMPLE: usize = 1000;

/// The silhouette of the first 1000 points of `embedding` (N, 2) by `labels` (N), from −1 to 1: the mean of
/// (b − a) / max(a, b), where a is a point's mean distance to the others of its class and b that to the points of the
/// nearest other class; 0 for a point that is alone in its class. `None` where fewer than two classes are seen.
///
/// Rousseeuw, "Silhouettes: a graphical aid to the interpretation and validation of cluster analysis", 1987,
/// <https://doi.org/10.1016/0377-0427(87)90125-7>.
pub fn silhouette(embedding: &[[f32; 2]], labels: &[u8]) -> Option<f64> {
    let n = embedding.len().min(labels.len()).min(SAMPLE);
    let points: Vec<([f64; 2], usize)> = (0..n).map(|i| (embedding[i].map(f64::from), labels[i] as usize)).collect();
    let mut counts = [0usize; CLASSES];
    points.iter().for_each(|&(_, class)| counts[class] += 1);
    if counts.iter().filter(|&&count| count > 0).count() < 2 {
        return None;
    }
    let of_one = |&(p, class): &([f64; 2], usize)| {
        let mut sums = [0.0; CLASSES];
        for &(q, other) in &points {
            let (dx, dy) = (p[0] - q[0], p[1] - q[1]);
            sums[other] += (dx * dx + dy * dy).sqrt();
        }
        if counts[class] == 1 {
            return 0.0;
        }
        let own = sums[class] / (counts[class] - 1) as f64;
        let others = (0..CLASSES).filter(|&k| k != class && counts[k] > 0).map(|k| sums[k] / counts[k] as f64);
        let next = others.fold(f64::INFINITY, f64::min);
        // Where all points are one, own and next are zero and nobody is nearer to anything.
        if own.max(next) > 0.0 { (next - own) / own.max(next) } else { 0.0 }
    };
    Some(points.iter().map(of_one).sum::<f64>() / n as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ```python
    /// import numpy as np; from sklearn.metrics import silhouette_score   # scikit-learn 1.9.1
    /// i = np.arange(60); y = i % 4
    /// X = np.c_[3 * np.cos(y) + np.sin(7 * i), 2 * np.sin(2 * y) + np.cos(5 * i)].astype("f4").astype("f8")
    /// silhouette_score(X, y)   # 0.37803754
    /// ```
    #[test]
    fn it_is_what_scikit_learn_says() {
        let (embedding, labels) = waves(60);
        let silhouette = silhouette(&embedding, &labels).unwrap();
        assert!((silhouette - 0.378_037_540).abs() < 1e-6, "{silhouette}");
    }

    #[test]
    fn only_the_first_thousand_count() {
        let (mut embedding, mut labels) = waves(SAMPLE);
        let alone = silhouette(&embedding, &labels);
        embedding.extend([[f32::NAN; 2]; 10]);
        labels.extend([5; 10]);
        assert_eq!(silhouette(&embedding, &labels), alone);
    }

    #[test]
    fn one_class_has_none_and_a_lone_point_counts_zero() {
        assert_eq!(silhouette(&[[0.0, 0.0], [1.0, 0.0]], &[3, 3]), None);
        assert_eq!(silhouette(&[], &[]), None);
        // The two of class 0: a = 1, b = 9 or 10.
        let silhouette = silhouette(&[[0.0, 0.0], [1.0, 0.0], [10.0, 0.0]], &[0, 0, 1]).unwrap();
        assert!((silhouette - (0.9 + 8.0 / 9.0) / 3.0).abs() < 1e-12);
        assert_eq!(super::silhouette(&[[2.0, 2.0]; 4], &[0, 0, 1, 1]), Some(0.0));
    }

    fn waves(n: usize) -> (Vec<[f32; 2]>, Vec<u8>) {
        let place = |i: usize| {
            let (i, y) = (i as f64, (i % 4) as f64);
            [(3.0 * y.cos() + (7.0 * i).sin()) as f32, (2.0 * (2.0 * y).sin() + (5.0 * i).cos()) as f32]
        };
        ((0..n).map(place).collect(), (0..n).map(|i| (i % 4) as u8).collect())
    }
}
