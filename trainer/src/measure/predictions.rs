//! What a network says of images, and how often it is right.

use crate::event::CLASSES;

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

    /// Images by true label (row) and predicted label (column).
    pub fn confusion(&self, labels: &[u8]) -> [[u32; CLASSES]; CLASSES] {
        let mut table = [[0; CLASSES]; CLASSES];
        for (logits, &label) in self.logits.iter().zip(labels) {
            table[label as usize][argmax(logits)] += 1;
        }
        table
    }
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
        assert_eq!(predictions.confusion(&[8])[8][3], 1);
    }
}
