//! The objective: cross entropy of the logits plus center loss of the embedding (Wen et al., ECCV 2016).

use crate::event::CLASSES;
use crate::network::{EMBEDDING, Output};
use crate::rng;
use crate::spec::Distance;
use candle_core::{DType, Device, Result, Tensor, Var};

/// Losses of a batch, each a scalar tensor.
pub struct Losses {
    /// `cross_entropy + center`
    pub total: Tensor,
    /// Mean over the batch, in nats.
    pub cross_entropy: Tensor,
    /// λ included.
    pub center: Tensor,
}

/// Learned class centers and the loss that pulls embeddings towards them.
pub struct CenterLoss {
    /// (10, 2)
    pub centers: Var,
    distance: Distance,
    lambda: f64,
}

impl CenterLoss {
    /// Centers drawn from N(0, 1) by `seed`.
    ///
    /// # Errors
    /// If the device has no memory left.
    pub fn new(distance: Distance, lambda: f64, seed: u64, device: &Device) -> Result<CenterLoss> {
        let centers = Tensor::from_vec(rng::initial_centers(seed, CLASSES), (CLASSES, EMBEDDING), device)?;
        Ok(CenterLoss { centers: Var::from_tensor(&centers)?, distance, lambda })
    }

    /// Cross entropy plus `λ/2 · mean_i(d_i / n_{y_i})`, with d_i the squared or plain distance of embedding i to the
    /// center of its class and n_k how many images of class k the batch holds.
    ///
    /// # Errors
    /// If `labels` (N, of u32) has another length than the batch.
    pub fn forward(&self, output: &Output, labels: &Tensor) -> Result<Losses> {
        let device = output.embedding.device();
        #[cfg(feature = "cuda")]
        if device.is_cuda() {
            // One kernel, whose reports are there to be read: only the total is differentiable.
            let arguments = [&output.embedding, &output.logits, self.centers.as_tensor(), labels];
            let root = self.distance == Distance::Root;
            let losses = crate::ops::cuda::objective::losses(arguments, root, self.lambda)?;
            let (cross_entropy, center) = (losses.get(1)?.detach(), losses.get(2)?.detach());
            return Ok(Losses { total: losses.get(0)?, cross_entropy, center });
        }
        let classes = labels.to_vec1::<u32>()?;
        let counts = class_counts(classes.iter().map(|&y| y as usize));
        let weight = |&y: &u32| (self.lambda / (2.0 * classes.len() as f64 * counts[y as usize])) as f32;
        let weights = Tensor::from_iter(classes.iter().map(weight), device)?;

        let cross_entropy = candle_nn::loss::cross_entropy(&output.logits, labels)?;
        let to_center = output.embedding.sub(&self.centers.index_select(labels, 0)?)?;
        let squared = to_center.sqr()?.sum(1)?;
        let distance = match self.distance {
            Distance::Squared => squared,
            Distance::Root => {
                // √ has an infinite slope at 0: an embedding that sits on its center takes the root of 1 instead, whose
                // gradient with respect to the embedding is 0, and gives the 1 back.
                let on_center = squared.eq(0.0)?.to_dtype(DType::F32)?;
                squared.add(&on_center)?.sqrt()?.sub(&on_center)?
            }
        };
        let center = distance.mul(&weights)?.sum_all()?;
        Ok(Losses { total: (&cross_entropy + &center)?, cross_entropy, center })
    }
}

/// How many of `labels` each class has.
fn class_counts(labels: impl Iterator<Item = usize>) -> [f64; CLASSES] {
    let mut counts = [0.0; CLASSES];
    labels.for_each(|label| counts[label] += 1.0);
    counts
}

/// Sums over one batch of the cross entropy and of the center loss (the batch mean times its length), in f64 from
/// plain numbers: what evaluation reports. `centers`: (10, 2).
pub fn batch_sums(
    (distance, lambda): (Distance, f64),
    embedding: &[[f32; 2]],
    logits: &[[f32; CLASSES]],
    labels: &[u8],
    centers: &[[f32; 2]; CLASSES],
) -> (f64, f64) {
    let counts = class_counts(labels.iter().map(|&y| y as usize));
    let mut sums = (0.0, 0.0);
    for ((e, z), &y) in embedding.iter().zip(logits).zip(labels) {
        let y = y as usize;
        let largest = z.iter().fold(f64::NEG_INFINITY, |m, &v| m.max(v as f64));
        let log_sum = z.iter().map(|&v| (v as f64 - largest).exp()).sum::<f64>().ln() + largest;
        sums.0 += log_sum - z[y] as f64;
        let (dx, dy) = (e[0] as f64 - centers[y][0] as f64, e[1] as f64 - centers[y][1] as f64);
        let squared = dx * dx + dy * dy;
        let d = if distance == Distance::Squared { squared } else { squared.sqrt() };
        sums.1 += lambda / 2.0 * d / counts[y];
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(embedding: &[[f32; 2]]) -> (Var, Output) {
        let rows = Tensor::from_slice(embedding.as_flattened(), (embedding.len(), 2), &Device::Cpu).unwrap();
        let embedding = Var::from_tensor(&rows).unwrap();
        let logits = Tensor::zeros((embedding.dim(0).unwrap(), CLASSES), DType::F32, &Device::Cpu).unwrap();
        (embedding.clone(), Output { embedding: embedding.as_tensor().clone(), logits })
    }

    fn labels<const N: usize>(classes: [u32; N]) -> Tensor {
        Tensor::new(&classes, &Device::Cpu).unwrap()
    }

    /// ```python
    /// f = torch.tensor([[1., 2.], [3., -1.], [0., 0.5]], requires_grad=True)
    /// c = torch.tensor([[0., 0.]] * 10); y = torch.tensor([0, 0, 1])
    /// d = (f - c[y]).pow(2).sum(1); n = torch.bincount(y, minlength=10)[y]
    /// (0.5 * (d / n).mean()).backward()         # 1.2917; with d.sqrt(): 0.5331
    /// ```
    #[test]
    fn center_loss_divides_by_the_count_of_the_class() {
        for (distance, expected) in [
            (Distance::Squared, (2.5 + 5.0 + 0.25) / 6.0),
            (Distance::Root, (5f64.sqrt() / 2.0 + 10f64.sqrt() / 2.0 + 0.5) / 6.0),
        ] {
            let loss = CenterLoss::new(distance, 1.0, 0, &Device::Cpu).unwrap();
            loss.centers.set(&Tensor::zeros((CLASSES, 2), DType::F32, &Device::Cpu).unwrap()).unwrap();
            let (_, out) = output(&[[1.0, 2.0], [3.0, -1.0], [0.0, 0.5]]);
            let center = loss.forward(&out, &labels([0, 0, 1])).unwrap().center.to_scalar::<f32>().unwrap();
            assert!((center as f64 - expected).abs() < 1e-6, "{distance}: {center} against {expected}");
        }
    }

    #[test]
    fn an_embedding_on_its_center_gets_gradient_zero_not_nan() {
        let loss = CenterLoss::new(Distance::Root, 1.0, 0, &Device::Cpu).unwrap();
        let centers = loss.centers.to_vec2::<f32>().unwrap();
        let (embedding, out) = output(&[[centers[3][0], centers[3][1]], [5.0, 5.0]]);
        let losses = loss.forward(&out, &labels([3, 4])).unwrap();
        let gradient = losses.center.backward().unwrap().get(&embedding).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(gradient[0], [0.0, 0.0]);
        assert!(gradient[1].iter().all(|g| g.is_finite() && *g != 0.0));
    }

    #[test]
    fn host_sums_agree_with_the_tensors() {
        let embedding = [[1.0, 2.0], [3.0, -1.0], [0.0, 0.5]];
        let loss = CenterLoss::new(Distance::Root, 0.7, 5, &Device::Cpu).unwrap();
        let centers = loss.centers.to_vec2::<f32>().unwrap();
        let centers = std::array::from_fn(|k| [centers[k][0], centers[k][1]]);
        let (_, out) = output(&embedding);
        let losses = loss.forward(&out, &labels([0, 0, 1])).unwrap();
        let sums = batch_sums((Distance::Root, 0.7), &embedding, &[[0.0; CLASSES]; 3], &[0, 0, 1], &centers);
        assert!((sums.0 / 3.0 - losses.cross_entropy.to_scalar::<f32>().unwrap() as f64).abs() < 1e-6);
        assert!((sums.1 / 3.0 - losses.center.to_scalar::<f32>().unwrap() as f64).abs() < 1e-6);
    }
}
