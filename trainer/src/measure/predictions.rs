//! What a network says of images, and how often it is right.

use crate::event::{CLASSES, Geometry};

/// What the network makes of a set of images, on the host.
#[derive(Clone, Debug, Default)]
pub struct Predictions {
    /// (N, 2)
    pub embedding: Vec<[f32; 2]>,
    /// (N, C)
    pub logits: Vec<[f32; CLASSES]>,
}

impl Predictions {
    /// How many images have their largest logit at their label; the first counts where two are equal.
    pub fn correct(&self, labels: &[u8]) -> usize {
        self.logits.iter().zip(labels).filter(|(z, y)| argmax(z) == **y as usize).count()
    }
}

/// The class that a plane's last layer gives each point: the largest logit, the first where two are equal. In f64, whose rounding
/// doesn't depend on the device, so that whoever has points and layer comes to the same.
pub fn classes(geometry: &Geometry, points: &[[f32; 2]]) -> Vec<u8> {
    let [x, y] = [0, 1].map(|axis| geometry.weight.map(|row| f64::from(row[axis])));
    let bias = geometry.bias.map(f64::from);
    let class = |point: &[f32; 2]| {
        let [px, py] = point.map(f64::from);
        let logits: [f64; CLASSES] = std::array::from_fn(|k| x[k] * px + y[k] * py + bias[k]);
        (1..CLASSES).fold(0, |best, k| if logits[k] > logits[best] { k } else { best }) as u8
    };
    points.iter().map(class).collect()
}

/// Images by true label (row) and the class they are taken for (column).
pub fn confusion(labels: &[u8], classes: &[u8]) -> [[u32; CLASSES]; CLASSES] {
    let mut table = [[0; CLASSES]; CLASSES];
    for (&label, &class) in labels.iter().zip(classes) {
        table[label as usize][class as usize] += 1;
    }
    table
}

/// The class of the largest logit, the first where two are equal.
pub fn argmax(logits: &[f32; CLASSES]) -> usize {
    (1..CLASSES).fold(0, |best, k| if logits[k] > logits[best] { k } else { best })
}

/// The probabilities that logits stand for; they sum to 1.
pub fn softmax(logits: &[f32; CLASSES]) -> [f64; CLASSES] {
    let most = f64::from(logits[argmax(logits)]);
    let powers = logits.map(|z| (f64::from(z) - most).exp());
    let sum: f64 = powers.iter().sum();
    powers.map(|p| p / sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_sum_to_one_however_large_the_logits() {
        let mut logits = [0.0; CLASSES];
        (logits[3], logits[8]) = (1000.0, 1000.0);
        let probabilities = softmax(&logits);
        assert_eq!((probabilities[3], probabilities[8], probabilities[0]), (0.5, 0.5, 0.0));
    }

    #[test]
    fn equal_logits_predict_the_first_class() {
        let mut logits = [0.0; CLASSES];
        (logits[3], logits[8]) = (2.0, 2.0);
        let predictions = Predictions { embedding: vec![[0.0; 2]], logits: vec![logits] };
        assert_eq!((predictions.correct(&[3]), predictions.correct(&[8])), (1, 0));
        let mut geometry = Geometry {
            centers: [[0.0; 2]; CLASSES],
            means: [[0.0; 2]; CLASSES],
            weight: [[0.0; 2]; CLASSES],
            bias: logits,
        };
        assert_eq!(classes(&geometry, &[[1.0, 2.0]]), [3]);
        geometry.weight[8] = [0.0, 1e-20];
        assert_eq!(classes(&geometry, &[[1.0, 2.0]]), [3], "less than an f64 next to 2 can tell");
        geometry.weight[8] = [0.0, 1e-12];
        assert_eq!(confusion(&[8], &classes(&geometry, &[[1.0, 2.0]]))[8][8], 1);
    }
}
