//! The kernels under a C++ compiler, against the CPU's ops. The launches are those of [`super::passes`], so operands, geometry and
//! scratch are tested with the arithmetic. What is left untested without a GPU is the driver and cuDNN.

use super::passes::{
    self, Address, BackwardAt, BlockPasses, GatherAt, Geometry, LossAt, Machine, PooledAt, Word, partial_len,
};
use crate::event::CLASSES;
use crate::loss::CenterLoss;
use crate::network::Output;
use crate::ops::activation::{self, Normalise, Pooled, activate, activate_and_pool, moments};
use crate::ops::conv2d::{self, ConvShape, KERNEL};
use crate::ops::sgd::{Gradient, momentum_step};
use crate::spec::Distance;
use candle_core::{Device, Result, Tensor, Var};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock};

/// A process that runs the kernels: see `host/machine.cpp`.
struct Host {
    process: Child,
    pipes: Mutex<(BufWriter<ChildStdin>, BufReader<ChildStdout>)>,
}

impl Host {
    /// `None`, and says so, where there is no C++ compiler.
    fn start() -> Option<Host> {
        static BUILT: OnceLock<bool> = OnceLock::new();
        let program = Path::new(env!("OUT_DIR")).join("kernels-on-host");
        let built = BUILT.get_or_init(|| {
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ops/cuda/host/machine.cpp");
            // Without the contraction of a·b + c, which is up to the compiler, the arithmetic is the CPU's own.
            let arguments = ["-std=c++17", "-O1", "-ffp-contract=off", "-o"];
            match Command::new("c++").args(arguments).arg(&program).arg(source).output() {
                Ok(out) => assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr)),
                Err(_) => return false,
            }
            true
        });
        if !built {
            eprintln!("SKIPPED: the CUDA kernels can't be tested without a C++ compiler (c++)");
            return None;
        }
        let mut process = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let pipes = (BufWriter::new(process.stdin.take().unwrap()), BufReader::new(process.stdout.take().unwrap()));
        Some(Host { process, pipes: Mutex::new(pipes) })
    }

    /// Memory for `len` bytes, filled with what nobody may read.
    fn bytes(&self, len: usize) -> Address {
        let mut pipes = self.pipes.lock().unwrap();
        pipes.0.write_all(b"A").unwrap();
        pipes.0.write_all(&(len as u64).to_le_bytes()).unwrap();
        pipes.0.flush().unwrap();
        let mut address = [0; 8];
        pipes.1.read_exact(&mut address).unwrap();
        Address(u64::from_le_bytes(address))
    }

    fn upload(&self, bytes: &[u8]) -> Address {
        let address = self.bytes(bytes.len());
        let mut pipes = self.pipes.lock().unwrap();
        pipes.0.write_all(b"W").unwrap();
        pipes.0.write_all(&address.0.to_le_bytes()).unwrap();
        pipes.0.write_all(&(bytes.len() as u64).to_le_bytes()).unwrap();
        pipes.0.write_all(bytes).unwrap();
        address
    }

    fn download(&self, address: Address, len: usize) -> Vec<u8> {
        let mut pipes = self.pipes.lock().unwrap();
        pipes.0.write_all(b"R").unwrap();
        pipes.0.write_all(&address.0.to_le_bytes()).unwrap();
        pipes.0.write_all(&(len as u64).to_le_bytes()).unwrap();
        pipes.0.flush().unwrap();
        let mut bytes = vec![0; len];
        pipes.1.read_exact(&mut bytes).unwrap();
        bytes
    }

    fn floats(&self, values: &[f32]) -> Address {
        self.upload(&values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>())
    }

    fn read_floats(&self, address: Address, len: usize) -> Vec<f32> {
        self.download(address, 4 * len).chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    }

    fn room(&self, floats: usize) -> Address {
        self.bytes(4 * floats)
    }
}

impl Machine for Host {
    fn launch(&self, kernel: &str, geometry: Geometry, operands: &[Word]) -> Result<()> {
        let mut command = vec![b'L'];
        command.extend((kernel.len() as u32).to_le_bytes());
        command.extend(kernel.as_bytes());
        let [gx, gy] = geometry.grid;
        let [bx, by] = geometry.block;
        command.extend([gx, gy, bx, by, operands.len()].iter().flat_map(|&n| (n as u32).to_le_bytes()));
        command.extend(operands.iter().flat_map(|word| word.0.to_le_bytes()));
        self.pipes.lock().unwrap().0.write_all(&command).unwrap();
        Ok(())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A type of activations: how it lies in memory, and how exactly it can be held.
#[derive(Clone, Copy)]
enum Real {
    F32,
    Bf16,
}

impl Real {
    const BOTH: [Real; 2] = [Real::F32, Real::Bf16];

    fn name(self) -> &'static str {
        match self {
            Real::F32 => "f32",
            Real::Bf16 => "bf16",
        }
    }

    fn size(self) -> usize {
        match self {
            Real::F32 => 4,
            Real::Bf16 => 2,
        }
    }

    /// Largest difference to allow, relative to the largest number of an array.
    fn tolerance(self) -> f32 {
        match self {
            Real::F32 => 2e-6,
            Real::Bf16 => 1.0 / 256.0,
        }
    }

    fn put(self, host: &Host, values: &[f32]) -> Address {
        match self {
            Real::F32 => host.floats(values),
            Real::Bf16 => host.upload(&values.iter().flat_map(|&v| to_bf16(v).to_le_bytes()).collect::<Vec<_>>()),
        }
    }

    fn get(self, host: &Host, address: Address, len: usize) -> Vec<f32> {
        match self {
            Real::F32 => host.read_floats(address, len),
            Real::Bf16 => {
                let bytes = host.download(address, 2 * len);
                bytes.chunks_exact(2).map(|b| from_bf16(u16::from_le_bytes(b.try_into().unwrap()))).collect()
            }
        }
    }

    /// `value` as this type holds it.
    fn rounded(self, value: f32) -> f32 {
        match self {
            Real::F32 => value,
            Real::Bf16 => from_bf16(to_bf16(value)),
        }
    }
}

fn from_bf16(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// By searching the two neighbours: nothing in common with the kernels' bit arithmetic.
fn to_bf16(value: f32) -> u16 {
    let below = (value.to_bits() >> 16) as u16;
    let above = below.wrapping_add(1);
    let distance = |bits: u16| (f64::from(from_bf16(bits)) - f64::from(value)).abs();
    match distance(below).total_cmp(&distance(above)) {
        std::cmp::Ordering::Less => below,
        std::cmp::Ordering::Greater => above,
        std::cmp::Ordering::Equal => below + (below & 1),
    }
}

fn near(what: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(1e-6f32, |m, v| m.max(v.abs()));
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() <= tolerance * largest, "{what}: number {i} is {f}, expected {e} (largest {largest})");
    }
}

/// The images' sides of the networks, odd and even; channels that fill no warp and more than one; a batch of one.
const SHAPES: [(usize, usize, usize, usize); 8] = [
    (2, 28, 1, 8),
    (1, 28, 3, 33),
    (3, 14, 8, 5),
    (1, 14, 1, 1),
    (5, 7, 9, 40),
    (1, 7, 16, 70),
    (7, 3, 6, 17),
    (1, 3, 2, 2),
];

fn shapes() -> impl Iterator<Item = ConvShape> {
    SHAPES.into_iter().map(|(batch, side, in_channels, out_channels)| ConvShape {
        batch,
        side,
        in_channels,
        out_channels,
    })
}

/// Numbers of few values in half of the channels, so that windows have ties; in the others a mean that is large against the spread.
fn activations(rng: &mut ChaCha8Rng, real: Real, len: usize, channels: usize) -> Vec<f32> {
    let value = |i: usize| match i % channels % 2 {
        0 => rng.random_range(-2..=2) as f32 / 2.0,
        _ => rng.random_range(-1.0..1.0) + 8.0,
    };
    (0..len).map(value).map(|v| real.rounded(v)).collect()
}

#[test]
fn forward_and_backward_of_the_block_agree_with_the_cpu() {
    let Some(host) = Host::start() else { return };
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    for (real, shape, pool) in Real::BOTH
        .into_iter()
        .flat_map(|real| shapes().flat_map(move |shape| [false, true].map(|pool| (real, shape, pool))))
    {
        let what = |part: &str| format!("{part} of {shape:?}, {}, pool {pool}", real.name());
        let (channels, pixels) = (shape.out_channels, shape.pixels());
        let z = activations(&mut rng, real, shape.output_len(), channels);
        // Every third channel falls with z, every seventh is flat: γ < 0 and γ = 0.
        let gamma: Vec<f32> = (0..channels).map(|c| [1.1, 0.7, -0.9, 1.0, 0.8, -1.2, 0.0][c % 7]).collect();
        let beta: Vec<f32> = (0..channels).map(|_| rng.random_range(-0.5..0.5)).collect();

        // The CPU's way.
        let (mean, var) = moments(&z, channels);
        let norm = Normalise::new(&mean, &var, &gamma, &beta);
        let passes = BlockPasses { machine: &host, shape, real: real.name(), pool };
        let mut y = vec![0.0; passes.output_len()];
        let mut kept = pool.then(|| Pooled::with_len(y.len()));
        match &mut kept {
            Some(kept) => activate_and_pool(shape, &z, &norm, &mut y, Some(kept)),
            None => activate(&z, &norm, &mut y),
        }
        let dy: Vec<f32> = (0..y.len()).map(|_| real.rounded(rng.random_range(-1.0..1.0))).collect();
        let mut dz = z.clone();
        let dparams = activation::backward(shape, &mut dz, &norm, kept.as_ref(), &dy);

        // The kernels' way.
        let stats_before: Vec<f32> = (0..2 * channels).map(|i| i as f32 * 0.1).collect();
        let (z_at, stats) = (real.put(&host, &z), host.floats(&stats_before));
        let gamma_beta = host.floats(&[gamma.clone(), beta.clone()].concat());
        let norm_at = host.room(4 * channels);
        passes.batch_norm(z_at, gamma_beta, stats, norm_at, host.room(partial_len(pixels, channels))).unwrap();
        let y_at = host.bytes(real.size() * y.len());
        let pooled = pool.then(|| PooledAt { argmax: host.bytes(y.len()), top: host.bytes(real.size() * y.len()) });
        passes.activate(z_at, norm_at, y_at, pooled).unwrap();

        let blended = |before: f32, new: f64| (0.9 * f64::from(before) + 0.1 * new) as f32;
        let unbiased = pixels as f64 / (pixels as f64 - 1.0).max(1.0);
        let expected: Vec<f32> = (0..2 * channels)
            .map(|i| blended(stats_before[i], if i < channels { mean[i] } else { var[i - channels] * unbiased }))
            .collect();
        near(&what("running statistics"), &host.read_floats(stats, 2 * channels), &expected, 2e-6);
        near(&what("y"), &real.get(&host, y_at, y.len()), &y, real.tolerance());
        if let (Some(kept), Some(pooled)) = (&kept, pooled) {
            assert_eq!(host.download(pooled.argmax, y.len()), kept.argmax(), "{}", what("argmax"));
        }

        let (dparams_at, line) = (host.room(2 * channels), host.room(2 * channels));
        let output_pixels = y.len() / channels;
        let at = BackwardAt {
            z: z_at,
            norm: norm_at,
            dy: real.put(&host, &dy),
            pooled,
            partial: host.room(partial_len(output_pixels, channels)),
            dparams: dparams_at,
            line,
        };
        passes.backward(&at).unwrap();
        near(&what("gradients of γ and β"), &host.read_floats(dparams_at, 2 * channels), &dparams, 1e-5);
        near(&what("dz"), &real.get(&host, z_at, dz.len()), &dz, real.tolerance().max(1e-5));

        // In evaluation mode: the running statistics instead of the batch's, and nothing kept.
        passes::norm_from_stats(&host, stats, gamma_beta, norm_at, channels).unwrap();
        passes.activate(real.put(&host, &z), norm_at, y_at, None).unwrap();
        let wide = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
        let norm = Normalise::new(&wide(&expected[..channels]), &wide(&expected[channels..]), &gamma, &beta);
        match pool {
            true => activate_and_pool(shape, &z, &norm, &mut y, None),
            false => activate(&z, &norm, &mut y),
        }
        near(&what("y in evaluation"), &real.get(&host, y_at, y.len()), &y, real.tolerance().max(5e-6));
    }
}

/// PyTorch: `max_pool2d(torch.tensor([[[[1., 1., 0.], [1., 1., 9.], [9., 9., 9.]]]]), 2, return_indices=True)` gives index 0: the
/// first of equals, and neither the last row nor the last column.
#[test]
fn the_first_maximum_of_a_window_wins_and_odd_borders_are_dropped() {
    let Some(host) = Host::start() else { return };
    let shape = ConvShape { batch: 1, side: 3, in_channels: 1, out_channels: 1 };
    let passes = BlockPasses { machine: &host, shape, real: "f32", pool: true };
    let z = host.floats(&[1.0, 1.0, 0.0, 1.0, 1.0, 9.0, 9.0, 9.0, 9.0]);
    let norm = host.floats(&[0.0, 1.0, 1.0, 0.0]);
    let (y, argmax, top) = (host.room(1), host.bytes(1), host.room(1));
    passes.activate(z, norm, y, Some(PooledAt { argmax, top })).unwrap();
    assert_eq!(
        (host.read_floats(y, 1), host.download(argmax, 1), host.read_floats(top, 1)),
        (vec![1.0], vec![0], vec![1.0])
    );
}

#[test]
fn the_plain_convolution_and_its_gradients_agree_with_the_cpu() {
    let Some(host) = Host::start() else { return };
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    for (real, shape) in Real::BOTH.into_iter().flat_map(|real| shapes().map(move |shape| (real, shape))) {
        let mut random = |len: usize| (0..len).map(|_| real.rounded(rng.random_range(-1.0..1.0))).collect::<Vec<f32>>();
        let (x, weight, dz) = (random(shape.input_len()), random(shape.weight_len()), random(shape.output_len()));
        let (mut z, mut dx, mut dw) = (vec![0.0; dz.len()], vec![0.0; x.len()], vec![0.0; weight.len()]);
        conv2d::forward(shape, &x, &weight, &mut z);
        conv2d::backward(shape, &x, &weight, &dz, Some(&mut dx), &mut dw);

        let passes = BlockPasses { machine: &host, shape, real: real.name(), pool: false };
        let put = |values: &[f32]| real.put(&host, values);
        let (x_at, w_at, dz_at) = (put(&x), put(&out_first(shape, &weight)), put(&dz));
        let [z_at, dx_at, dw_at] = [z.len(), x.len(), weight.len()].map(|len| host.bytes(real.size() * len));
        passes.conv_forward(x_at, w_at, z_at).unwrap();
        passes.conv_backward_data(dz_at, w_at, dx_at).unwrap();
        passes.conv_backward_filter(x_at, dz_at, dw_at).unwrap();
        let tolerance = real.tolerance().max(2e-5);
        let what = |part: &str| format!("{part} of {shape:?}, {}", real.name());
        near(&what("z"), &real.get(&host, z_at, z.len()), &z, tolerance);
        near(&what("dx"), &real.get(&host, dx_at, dx.len()), &dx, tolerance);
        near(&what("dw"), &real.get(&host, dw_at, dw.len()), &out_first(shape, &dw), tolerance);
    }
}

/// (5, 5, in, out) to (out, 5, 5, in).
fn out_first(shape: ConvShape, weight: &[f32]) -> Vec<f32> {
    let taps_in = KERNEL * KERNEL * shape.in_channels;
    (0..shape.out_channels).flat_map(|o| (0..taps_in).map(move |i| weight[i * shape.out_channels + o])).collect()
}

#[test]
fn the_loss_and_its_gradients_agree_with_the_cpu() {
    let Some(host) = Host::start() else { return };
    let mut rng = ChaCha8Rng::seed_from_u64(13);
    for (batch, distance) in [1, 2, 64, 257, 600].into_iter().flat_map(|n| Distance::ALL.iter().map(move |&d| (n, d))) {
        let objective = CenterLoss::new(distance, 0.7, 3, &Device::Cpu).unwrap();
        let centers = objective.centers.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        // Not every class is there; one embedding sits on its center, where the root has no slope; one logit is far ahead.
        let labels: Vec<u32> = (0..batch).map(|i| [3, 1, 4, 1, 5, 9, 2, 6][i % 8]).collect();
        let mut embedding: Vec<f32> = (0..2 * batch).map(|_| rng.random_range(-5.0..5.0)).collect();
        embedding[..2].copy_from_slice(&centers[6..8]);
        let mut logits: Vec<f32> = (0..CLASSES * batch).map(|_| rng.random_range(-9.0..9.0)).collect();
        logits[7] = 120.0;

        let var = |values: &[f32], width: usize| {
            Var::from_tensor(&Tensor::from_slice(values, (batch, width), &Device::Cpu).unwrap()).unwrap()
        };
        let (e, z) = (var(&embedding, 2), var(&logits, CLASSES));
        let output = Output { embedding: e.as_tensor().clone(), logits: z.as_tensor().clone() };
        let losses = objective.forward(&output, &Tensor::from_slice(&labels, batch, &Device::Cpu).unwrap()).unwrap();
        let gradients = losses.total.backward().unwrap();
        let numbers = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let gradient = |v: &Var| numbers(gradients.get(v).unwrap());

        let words: Vec<u8> = labels.iter().flat_map(|y| y.to_le_bytes()).collect();
        let at = LossAt {
            embedding: host.floats(&embedding),
            logits: host.floats(&logits),
            centers: host.floats(&centers),
            labels: host.upload(&words),
            losses: host.room(3),
            dembedding: host.room(2 * batch),
            dlogits: host.room(CLASSES * batch),
            dcenters: host.room(2 * CLASSES),
        };
        passes::loss(&host, &at, batch, distance == Distance::Root, 0.7).unwrap();
        let what = |part: &str| format!("{part}, batch {batch}, {distance}");
        let expected =
            [&losses.total, &losses.cross_entropy, &losses.center].map(|loss| loss.to_scalar::<f32>().unwrap());
        near(&what("losses"), &host.read_floats(at.losses, 3), &expected, 2e-6);
        near(&what("gradient of the embedding"), &host.read_floats(at.dembedding, 2 * batch), &gradient(&e), 2e-6);
        near(&what("gradient of the logits"), &host.read_floats(at.dlogits, CLASSES * batch), &gradient(&z), 2e-6);
        let dcenters = host.read_floats(at.dcenters, 2 * CLASSES);
        near(&what("gradient of the centers"), &dcenters, &gradient(&objective.centers), 5e-6);
        assert!(host.read_floats(at.dembedding, 2).iter().all(|g| g.is_finite()));
    }
}

#[test]
fn images_are_gathered_by_index() {
    let Some(host) = Host::start() else { return };
    let (pixels, order) = (6usize, [4u32, 0, 4, 2]);
    let images: Vec<u8> = (0..5 * pixels).map(|i| (i * 37 % 256) as u8).collect();
    let labels = [7u8, 1, 9, 0, 5];
    for real in Real::BOTH {
        let at = GatherAt {
            images: host.upload(&images),
            labels: host.upload(&labels),
            order: host.upload(&order.iter().flat_map(|i| i.to_le_bytes()).collect::<Vec<_>>()),
            out: host.bytes(real.size() * order.len() * pixels),
            labels_out: host.room(order.len()),
        };
        passes::gather(&host, real.name(), &at, order.len(), pixels).unwrap();
        let image =
            |&i: &u32| images[i as usize * pixels..][..pixels].iter().map(|&p| real.rounded(f32::from(p) / 255.0));
        let expected: Vec<f32> = order.iter().flat_map(image).collect();
        assert_eq!(real.get(&host, at.out, expected.len()), expected);
        let taken = host.download(at.labels_out, 4 * order.len());
        let taken: Vec<u32> = taken.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().unwrap())).collect();
        assert_eq!(taken, [5, 7, 5, 9]);
    }
}

#[test]
fn the_optimiser_takes_the_cpus_step() {
    let Some(host) = Host::start() else { return };
    let mut rng = ChaCha8Rng::seed_from_u64(14);
    let mut random = || (0..1000).map(|_| rng.random_range(-1.0..1.0)).collect::<Vec<f32>>();
    let [parameter, velocity, gradient] = [random(), random(), random()];
    let at = [&parameter, &velocity, &gradient].map(|values| host.floats(values));
    passes::momentum_step(&host, at, 1000, 0.01, 0.9).unwrap();

    let tensors = [&parameter, &velocity].map(|v| Tensor::from_slice(v, 1000, &Device::Cpu).unwrap());
    momentum_step(&tensors[0], &tensors[1], Gradient::Numbers(&gradient), 0.01, 0.9).unwrap();
    for (what, at, tensor) in [("parameter", at[0], &tensors[0]), ("velocity", at[1], &tensors[1])] {
        near(what, &host.read_floats(at, 1000), &tensor.to_vec1::<f32>().unwrap(), 2e-7);
    }
}

/// Through the gathering kernel's neighbour: every bit pattern that matters, by an activation that changes nothing.
#[test]
fn bf16_is_rounded_to_the_nearest_even() {
    let Some(host) = Host::start() else { return };
    // The plain convolution with one pixel, one channel and a weight of one at its middle copies x + rounding of the sum: 1 + e.
    let shape = ConvShape { batch: 1, side: 1, in_channels: 2, out_channels: 1 };
    let passes = BlockPasses { machine: &host, shape, real: "bf16", pool: false };
    let mut weight = vec![0.0; shape.weight_len()];
    weight[12 * 2..12 * 2 + 2].copy_from_slice(&[1.0, 1.0]);
    let weight = Real::Bf16.put(&host, &weight);
    // 1 + k/512: bf16 near 1 has steps of 1/128, so a quarter rounds down, a half to even, three quarters up.
    for k in 0..16 {
        let part = k as f32 / 512.0;
        let z = host.bytes(2);
        passes.conv_forward(Real::Bf16.put(&host, &[1.0, part]), weight, z).unwrap();
        assert_eq!(Real::Bf16.get(&host, z, 1), [from_bf16(to_bf16(1.0 + part))], "1 + {part}");
    }
}
