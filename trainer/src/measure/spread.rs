//! Distances within and between classes.

use crate::event::CLASSES;

/// How the classes of an embedding lie to each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Spread {
    /// Mean embedding of each class, (C, 2); the origin for a class without images.
    pub means: [[f32; 2]; CLASSES],
    /// How many embeddings each class has.
    pub counts: [usize; CLASSES],
    /// Mean distance of an embedding to its class's mean.
    pub intra: f64,
    /// Distance from each class mean to its nearest other, averaged over the classes that have images.
    pub inter: f64,
}

/// Measures `embedding` (N, 2) by `labels` (N).
pub fn spread(embedding: &[[f32; 2]], labels: &[u8]) -> Spread {
    let mut sums = [[0.0f64; 2]; CLASSES];
    let mut counts = [0usize; CLASSES];
    for (e, &y) in embedding.iter().zip(labels) {
        sums[y as usize][0] += e[0] as f64;
        sums[y as usize][1] += e[1] as f64;
        counts[y as usize] += 1;
    }
    let means: [[f64; 2]; CLASSES] = std::array::from_fn(|k| sums[k].map(|s| s / counts[k].max(1) as f64));
    let distance = |a: [f64; 2], b: [f64; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);

    let intra = embedding.iter().zip(labels).map(|(e, &y)| distance(e.map(f64::from), means[y as usize])).sum::<f64>()
        / embedding.len().max(1) as f64;
    let present: Vec<usize> = (0..CLASSES).filter(|&k| counts[k] > 0).collect();
    let nearest = |k: usize| {
        let others = present.iter().filter(|&&other| other != k);
        others.map(|&other| distance(means[k], means[other])).fold(f64::INFINITY, f64::min)
    };
    let inter =
        if present.len() < 2 { 0.0 } else { present.iter().map(|&k| nearest(k)).sum::<f64>() / present.len() as f64 };
    Spread { means: means.map(|m| m.map(|v| v as f32)), counts, intra, inter }
}

impl Spread {
    /// Distance from each of `centers` (C, 2) to the mean of its class, averaged over the classes that have images.
    pub fn center_gap(&self, centers: &[[f32; 2]; CLASSES]) -> f64 {
        let present: Vec<usize> = (0..CLASSES).filter(|&k| self.counts[k] > 0).collect();
        let gap = |&k: &usize| {
            let [x, y] = [0, 1].map(|axis| f64::from(centers[k][axis]) - f64::from(self.means[k][axis]));
            x.hypot(y)
        };
        present.iter().map(gap).sum::<f64>() / present.len().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_of_two_known_classes() {
        let embedding = [[0.0, 1.0], [0.0, -1.0], [3.0, 0.0], [5.0, 0.0]];
        let spread = spread(&embedding, &[1, 1, 7, 7]);
        assert_eq!((spread.means[1], spread.means[7]), ([0.0, 0.0], [4.0, 0.0]));
        assert_eq!((spread.intra, spread.inter), (1.0, 4.0));
        let mut centers = [[9.0; 2]; CLASSES];
        (centers[1], centers[7]) = ([0.0, 2.0], [1.0, 4.0]);
        assert_eq!(spread.center_gap(&centers), 3.5, "classes without images don't count");
    }
}
