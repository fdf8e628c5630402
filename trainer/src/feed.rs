//! Batches of images, wherever the network is. On a GPU the whole set stays there, and a batch is gathered by one kernel.

use crate::data::{Images, PIXELS, SIDE};
use candle_core::{Device, Result, Tensor};

/// A set of images, ready to be taken by index.
pub(crate) struct Feed<'a> {
    images: &'a Images,
    device: &'a Device,
    /// Pixels (N, 28, 28) and labels (N), bytes both.
    #[cfg(feature = "cuda")]
    on_gpu: Option<(Tensor, Tensor)>,
}

impl<'a> Feed<'a> {
    /// A feed of `images` for a network on `device`.
    ///
    /// # Errors
    /// If the device has no memory left.
    pub(crate) fn new(images: &'a Images, device: &'a Device) -> Result<Feed<'a>> {
        Ok(Feed {
            images,
            device,
            #[cfg(feature = "cuda")]
            on_gpu: if device.is_cuda() {
                let pixels = Tensor::from_slice(images.pixels(), (images.len(), SIDE, SIDE), device)?;
                Some((pixels, Tensor::from_slice(images.labels(), images.len(), device)?))
            } else {
                None
            },
        })
    }

    /// Indices of images as a tensor (N) of u32 beside the images.
    ///
    /// # Errors
    /// If the device has no memory left.
    pub(crate) fn order(&self, indices: &[u32]) -> Result<Tensor> {
        Tensor::from_slice(indices, indices.len(), self.device)
    }

    /// The images that `indices` (N) name: (N, 28, 28, 1) in [0, 1], and their labels, (N) of u32.
    ///
    /// # Errors
    /// If the device fails.
    pub(crate) fn batch(&self, indices: &Tensor) -> Result<(Tensor, Tensor)> {
        #[cfg(feature = "cuda")]
        if let Some((pixels, labels)) = &self.on_gpu {
            return crate::ops::cuda::images::gather(pixels, labels, indices);
        }
        let indices = indices.to_vec1::<u32>()?;
        let mut pixels = Vec::with_capacity(indices.len() * PIXELS);
        for &i in &indices {
            pixels.extend(self.images.image(i as usize).iter().map(|&p| p as f32 / 255.0));
        }
        let labels = indices.iter().map(|&i| self.images.labels()[i as usize].into()).collect::<Vec<u32>>();
        let images = Tensor::from_vec(pixels, (indices.len(), SIDE, SIDE, 1), self.device)?;
        Ok((images, Tensor::from_vec(labels, indices.len(), self.device)?))
    }
}
