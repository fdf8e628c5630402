// The kernels of the CUDA half, all of them. Activations are NHWC (channels last), of type T: float, or bf16 with sums in float.
// Weights are (out, 5, 5, in). Every sum has an order that depends on sizes alone, so a run repeats to the bit on one GPU.
//
// The same file compiles as C++ with host/shim.h, and the test suite compares it there with the CPU's block op.

struct bf16 {
    unsigned short bits;
};

__device__ inline float widen(float value) { return value; }
__device__ inline float widen(bf16 value) { return __uint_as_float((unsigned)value.bits << 16); }

template <class T> __device__ inline T narrow(float value);
template <> __device__ inline float narrow<float>(float value) { return value; }
// To the nearest, ties to even; NaN stays NaN.
template <> __device__ inline bf16 narrow<bf16>(float value) {
    unsigned bits = __float_as_uint(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return bf16{(unsigned short)(bits >> 16 | 0x40u)};
    return bf16{(unsigned short)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16)};
}

// ---- Images -------------------------------------------------------------------------------------------------------------

// Images and labels by index, from the data set that stays on the device: out (count, 28, 28, 1) in [0, 1].
template <class T>
__device__ void gather(const unsigned char *images, const unsigned char *labels, const unsigned *order, T *out,
                       unsigned *labels_out, int count, int pixels) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count * pixels) return;
    int row = i / pixels, pixel = i % pixels;
    out[i] = narrow<T>(images[(size_t)order[row] * pixels + pixel] / 255.0f);
    if (pixel == 0) labels_out[row] = labels[order[row]];
}

// ---- Batch-norm, ReLU, max-pool -------------------------------------------------------------------------------------------
//
// Per channel, with mean μ and variance σ² over all n = N·H·W pixels: x̂ = (z − μ)/√(σ² + ε), t = γ·x̂ + β, y = max(t, 0), then
// the maximum of each 2×2 window, without the last odd row or column. What these need of a channel stands in `norm`, (4, C):
// μ, 1/√(σ² + ε), scale = γ/√(σ² + ε), and shift = β − scale·(what μ lost in rounding), so that t = scale·(z − μ) + shift.

const int MEAN = 0, INVERSE_STD = 1, SCALE = 2, SHIFT = 3;
// Threads of a block that sums over pixels: one channel each along x, pixels along y.
const int CHANNELS = 32, LANES = 8;

__device__ inline float normalised(const float *norm, int channels, int c, float z) {
    return fmaf(norm[SCALE * channels + c], z - norm[MEAN * channels + c], norm[SHIFT * channels + c]);
}

// Two sums for each channel over `pixels`, in gridDim.y parts: partial (parts, 2, C).
template <class Terms> __device__ void partial_sums(Terms terms, float *partial, int pixels, int channels) {
    __shared__ float first[LANES][CHANNELS], second[LANES][CHANNELS];
    int c = blockIdx.x * CHANNELS + threadIdx.x;
    float a = 0, b = 0;
    if (c < channels)
        for (int pixel = blockIdx.y * LANES + threadIdx.y; pixel < pixels; pixel += LANES * gridDim.y) terms(pixel, c, a, b);
    first[threadIdx.y][threadIdx.x] = a;
    second[threadIdx.y][threadIdx.x] = b;
    __syncthreads();
    if (threadIdx.y > 0 || c >= channels) return;
    for (int lane = 1; lane < LANES; lane++) {
        a += first[lane][threadIdx.x];
        b += second[lane][threadIdx.x];
    }
    partial[(2 * blockIdx.y) * channels + c] = a;
    partial[(2 * blockIdx.y + 1) * channels + c] = b;
}

// The parts together; true for the one thread of each channel that then holds both sums.
__device__ inline bool total_sums(const float *partial, int parts, int channels, double &a, double &b) {
    __shared__ double first[LANES][CHANNELS], second[LANES][CHANNELS];
    int c = blockIdx.x * CHANNELS + threadIdx.x;
    a = b = 0;
    if (c < channels)
        for (int part = threadIdx.y; part < parts; part += LANES) {
            a += partial[(2 * part) * channels + c];
            b += partial[(2 * part + 1) * channels + c];
        }
    first[threadIdx.y][threadIdx.x] = a;
    second[threadIdx.y][threadIdx.x] = b;
    __syncthreads();
    if (threadIdx.y > 0 || c >= channels) return false;
    for (int lane = 1; lane < LANES; lane++) {
        a += first[lane][threadIdx.x];
        b += second[lane][threadIdx.x];
    }
    return true;
}

// Sums of d and d², d being the difference to the first pixel: E[z²] − E[z]² would cancel where the mean is large.
template <class T> struct MomentTerms {
    const T *z;
    int channels;
    __device__ void operator()(int pixel, int c, float &sum, float &squares) const {
        float d = widen(z[(size_t)pixel * channels + c]) - widen(z[c]);
        sum += d;
        squares += d * d;
    }
};

__device__ inline void write_norm(double mean, double var, double epsilon, const float *gamma_beta, float *norm, int channels,
                                  int c) {
    float rounded = (float)mean, inverse_std = (float)(1.0 / sqrt(var + epsilon)), scale = gamma_beta[c] * inverse_std;
    norm[MEAN * channels + c] = rounded;
    norm[INVERSE_STD * channels + c] = inverse_std;
    norm[SCALE * channels + c] = scale;
    norm[SHIFT * channels + c] = (float)(gamma_beta[channels + c] - scale * (mean - rounded));
}

// From the sums of MomentTerms to `norm`; the batch joins the running statistics (2, C), the variance unbiased (PyTorch's rule).
template <class T>
__device__ void moments(const float *partial, const T *z, const float *gamma_beta, float *stats, float *norm, int parts, int pixels,
                        int channels, float epsilon, float momentum) {
    double sum, squares;
    if (!total_sums(partial, parts, channels, sum, squares)) return;
    int c = blockIdx.x * CHANNELS + threadIdx.x;
    double n = pixels, mean = widen(z[c]) + sum / n, var = squares / n - (sum / n) * (sum / n);
    if (var < 0) var = 0;
    double unbiased = n > 1 ? var * n / (n - 1) : var, keep = 1.0 - momentum;
    stats[c] = (float)(keep * stats[c] + momentum * mean);
    stats[channels + c] = (float)(keep * stats[channels + c] + momentum * unbiased);
    write_norm(mean, var, epsilon, gamma_beta, norm, channels, c);
}

// y = max(t, 0), over `len` numbers.
template <class T> __device__ void activate(const T *z, const float *norm, T *y, int len, int channels) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < len) y[i] = narrow<T>(fmaxf(normalised(norm, channels, i % channels, widen(z[i])), 0.0f));
}

// The same and the maximum of each window. The maximum is looked for among the z (the least z where t falls with z): one pixel of
// four has to be normalised, and pixels that only rounding makes equal are told apart. The first of equals wins, as in PyTorch.
// `argmax` (0 to 3, in reading order) and `top` (that pixel's z) are for the way back; null where there is none.
template <class T>
__device__ void activate_and_pool(const T *z, const float *norm, T *y, unsigned char *argmax, T *top, int side, int len,
                                  int channels) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= len) return;
    int half = side / 2, c = i % channels, window = i / channels, x = window % half, row = window / half;
    size_t first = ((size_t)(row / half * side + row % half * 2) * side + 2 * x) * channels + c;
    float scale = norm[SCALE * channels + c], sign = scale > 0 ? 1.0f : scale < 0 ? -1.0f : 0.0f;
    float best = widen(z[first]);
    unsigned char at = 0;
    for (int p = 1; p < 4; p++) {
        float candidate = widen(z[first + (size_t)(p / 2 * side + p % 2) * channels]);
        if (candidate * sign > best * sign) {
            best = candidate;
            at = (unsigned char)p;
        }
    }
    y[i] = narrow<T>(fmaxf(normalised(norm, channels, c, best), 0.0f));
    if (argmax) {
        argmax[i] = at;
        top[i] = narrow<T>(best);
    }
}

// Sums of δ and δ·(z − μ), δ being the gradient of t: dy where t > 0. With pooling, over the windows' maxima.
template <class T> struct GradientTerms {
    const T *z, *dy;
    const float *norm;
    int channels;
    __device__ void operator()(int pixel, int c, float &delta, float &moment) const {
        size_t i = (size_t)pixel * channels + c;
        float value = widen(z[i]);
        if (normalised(norm, channels, c, value) > 0) {
            delta += widen(dy[i]);
            moment += widen(dy[i]) * (value - norm[MEAN * channels + c]);
        }
    }
};

// dγ = Σ δ·x̂ and dβ = Σ δ to `dparams` (2, C); and dz = scale·(δ − dβ/n − x̂·dγ/n) = scale·δ + slope·(z − μ) + offset: its
// slope and offset to `line` (2, C) (Ioffe & Szegedy, 2015).
__device__ inline void gradient_sums(const float *partial, const float *norm, float *dparams, float *line, int parts, int pixels,
                                     int channels) {
    double delta, moment;
    if (!total_sums(partial, parts, channels, delta, moment)) return;
    int c = blockIdx.x * CHANNELS + threadIdx.x;
    double inverse_std = norm[INVERSE_STD * channels + c], scale = norm[SCALE * channels + c], dgamma = moment * inverse_std;
    dparams[c] = (float)dgamma;
    dparams[channels + c] = (float)delta;
    line[c] = (float)(-scale * dgamma / pixels * inverse_std);
    line[channels + c] = (float)(-scale * delta / pixels);
}

template <class T>
__device__ inline void write_dz(T *z, const float *norm, const float *line, float gradient, int i, int channels) {
    int c = i % channels;
    float value = widen(z[i]), delta = normalised(norm, channels, c, value) > 0 ? gradient : 0.0f;
    z[i] = narrow<T>(norm[SCALE * channels + c] * delta +
                     (line[c] * (value - norm[MEAN * channels + c]) + line[channels + c]));
}

// The gradient of z, in z's own place.
template <class T> __device__ void to_dz(T *z, const float *norm, const float *line, const T *dy, int len, int channels) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < len) write_dz(z, norm, line, widen(dy[i]), i, channels);
}

// The same through the windows: dy goes to the window's maximum, whole; a dropped row or column gets none.
template <class T>
__device__ void to_dz_through_windows(T *z, const float *norm, const float *line, const T *dy, const unsigned char *argmax, int side,
                                      int len, int channels) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= len) return;
    int half = side / 2, c = i % channels, pixel = i / channels, x = pixel % side, row = pixel / side, y = row % side;
    float gradient = 0;
    if (y / 2 < half && x / 2 < half) {
        size_t window = ((size_t)(row / side * half + y / 2) * half + x / 2) * channels + c;
        if (argmax[window] == (y & 1) * 2 + (x & 1)) gradient = widen(dy[window]);
    }
    write_dz(z, norm, line, gradient, i, channels);
}

// ---- Convolution 5×5, padding 2, as a plain sum ---------------------------------------------------------------------------
//
// For shapes that cuDNN refuses: one thread a number, right and slow.

const int KERNEL = 5, PADDING = 2;

// z[n, y, x, o] = Σ x[n, y + ky − 2, x + kx − 2, i] · w[o, ky, kx, i]
template <class T> __device__ void conv_forward(const T *input, const T *weight, T *z, int batch, int side, int in, int out) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= batch * side * side * out) return;
    int o = i % out, x = i / out % side, y = i / out / side % side, n = i / out / side / side;
    float sum = 0;
    for (int tap = 0; tap < KERNEL * KERNEL; tap++) {
        int iy = y + tap / KERNEL - PADDING, ix = x + tap % KERNEL - PADDING;
        if (iy < 0 || ix < 0 || iy >= side || ix >= side) continue;
        const T *from = input + ((size_t)(n * side + iy) * side + ix) * in, *by = weight + ((size_t)o * KERNEL * KERNEL + tap) * in;
        for (int c = 0; c < in; c++) sum += widen(from[c]) * widen(by[c]);
    }
    z[i] = narrow<T>(sum);
}

// dx[n, y, x, i] = Σ dz[n, y − ky + 2, x − kx + 2, o] · w[o, ky, kx, i]
template <class T> __device__ void conv_backward_data(const T *dz, const T *weight, T *dx, int batch, int side, int in, int out) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= batch * side * side * in) return;
    int c = i % in, x = i / in % side, y = i / in / side % side, n = i / in / side / side;
    float sum = 0;
    for (int tap = 0; tap < KERNEL * KERNEL; tap++) {
        int oy = y - tap / KERNEL + PADDING, ox = x - tap % KERNEL + PADDING;
        if (oy < 0 || ox < 0 || oy >= side || ox >= side) continue;
        const T *from = dz + ((size_t)(n * side + oy) * side + ox) * out;
        for (int o = 0; o < out; o++) sum += widen(from[o]) * widen(weight[((size_t)o * KERNEL * KERNEL + tap) * in + c]);
    }
    dx[i] = narrow<T>(sum);
}

// dw[o, ky, kx, i] = Σ dz[n, y, x, o] · x[n, y + ky − 2, x + kx − 2, i], image by image
template <class T> __device__ void conv_backward_filter(const T *input, const T *dz, T *dw, int batch, int side, int in, int out) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= out * KERNEL * KERNEL * in) return;
    int c = i % in, tap = i / in % (KERNEL * KERNEL), o = i / in / (KERNEL * KERNEL);
    float sum = 0;
    for (int n = 0; n < batch; n++) {
        float image = 0;
        for (int y = 0; y < side; y++)
            for (int x = 0; x < side; x++) {
                int iy = y + tap / KERNEL - PADDING, ix = x + tap % KERNEL - PADDING;
                if (iy < 0 || ix < 0 || iy >= side || ix >= side) continue;
                image += widen(dz[((size_t)(n * side + y) * side + x) * out + o]) *
                         widen(input[((size_t)(n * side + iy) * side + ix) * in + c]);
            }
        sum += image;
    }
    dw[i] = narrow<T>(sum);
}

// ---- Objective ------------------------------------------------------------------------------------------------------------

const int CLASSES = 10, LOSS_THREADS = 256, LOSS_SUMS = 2 + 2 * CLASSES;

// One block of LOSS_THREADS threads for the batch. With p the softmax of image i's logits, y its label, v = x − c_y the way from
// the center of its class to its embedding, n_y how many images of the class the batch holds, and w = λ/(2·N·n_y):
//   cross entropy: mean of −log p_y          d logits_k = (p_k − [k = y])/N
//   center loss:   Σ w·‖v‖² or Σ w·‖v‖        d x = 2·w·v or w·v/‖v‖ (0 where v = 0),  d c_k = −Σ d x over the images of class k
// losses (3): total, cross entropy, center loss.
extern "C" __global__ void loss(const float *embedding, const float *logits, const float *centers, const unsigned *labels,
                                float *losses, float *dembedding, float *dlogits, float *dcenters, int batch, int root, float lambda) {
    __shared__ int counts[CLASSES];
    __shared__ float parts[LOSS_THREADS][LOSS_SUMS];
    __shared__ float totals[LOSS_SUMS];
    int thread = threadIdx.x;
    if (thread < CLASSES) counts[thread] = 0;
    __syncthreads();
    for (int i = thread; i < batch; i += LOSS_THREADS) atomicAdd(&counts[labels[i]], 1);
    for (int j = 0; j < LOSS_SUMS; j++) parts[thread][j] = 0;
    __syncthreads();
    for (int i = thread; i < batch; i += LOSS_THREADS) {
        int label = labels[i];
        const float *z = logits + i * CLASSES;
        float largest = z[0], sum = 0;
        for (int k = 1; k < CLASSES; k++) largest = fmaxf(largest, z[k]);
        for (int k = 0; k < CLASSES; k++) sum += expf(z[k] - largest);
        parts[thread][0] += logf(sum) + largest - z[label];
        for (int k = 0; k < CLASSES; k++)
            dlogits[i * CLASSES + k] = (expf(z[k] - largest) / sum - (k == label ? 1.0f : 0.0f)) / batch;

        float dx = embedding[2 * i] - centers[2 * label], dy = embedding[2 * i + 1] - centers[2 * label + 1];
        float squared = dx * dx + dy * dy, distance = sqrtf(squared), weight = lambda / (2.0f * batch * counts[label]);
        parts[thread][1] += weight * (root ? distance : squared);
        float slope = root ? (distance > 0 ? weight / distance : 0.0f) : 2 * weight;
        dembedding[2 * i] = slope * dx;
        dembedding[2 * i + 1] = slope * dy;
        parts[thread][2 + 2 * label] -= slope * dx;
        parts[thread][3 + 2 * label] -= slope * dy;
    }
    __syncthreads();
    if (thread < LOSS_SUMS) {
        float sum = 0;
        for (int j = 0; j < LOSS_THREADS; j++) sum += parts[j][thread];
        totals[thread] = sum;
        if (thread >= 2) dcenters[thread - 2] = sum;
    }
    __syncthreads();
    if (thread > 0) return;
    losses[0] = totals[0] / batch + totals[1];
    losses[1] = totals[0] / batch;
    losses[2] = totals[1];
}

// ---- Optimiser ------------------------------------------------------------------------------------------------------------

// v ← μ·v + g, p ← p − lr·v (PyTorch's momentum SGD).
extern "C" __global__ void momentum_step(float *parameter, float *velocity, const float *gradient, int len, float lr, float momentum) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= len) return;
    float v = momentum * velocity[i] + gradient[i];
    velocity[i] = v;
    parameter[i] -= lr * v;
}

// `norm` of the running statistics (2, C): batch-norm in evaluation mode.
extern "C" __global__ void norm_from_stats(const float *stats, const float *gamma_beta, float *norm, int channels, float epsilon) {
    int c = blockIdx.x * blockDim.x + threadIdx.x;
    if (c < channels) write_norm(stats[c], stats[channels + c], epsilon, gamma_beta, norm, channels, c);
}

extern "C" __global__ void gradient_totals(const float *partial, const float *norm, float *dparams, float *line, int parts, int pixels,
                                           int channels) {
    gradient_sums(partial, norm, dparams, line, parts, pixels, channels);
}

// ---- The kernels that come for float and for bf16 -------------------------------------------------------------------------

#define KERNELS_FOR(T, S)                                                                                                         \
    extern "C" __global__ void gather_##S(const unsigned char *images, const unsigned char *labels, const unsigned *order, T *out, \
                                          unsigned *labels_out, int count, int pixels) {                                          \
        gather(images, labels, order, out, labels_out, count, pixels);                                                            \
    }                                                                                                                             \
    extern "C" __global__ void moment_sums_##S(const T *z, float *partial, int pixels, int channels) {                             \
        partial_sums(MomentTerms<T>{z, channels}, partial, pixels, channels);                                                     \
    }                                                                                                                             \
    extern "C" __global__ void moments_##S(const float *partial, const T *z, const float *gamma_beta, float *stats, float *norm,   \
                                           int parts, int pixels, int channels, float epsilon, float momentum) {                  \
        moments(partial, z, gamma_beta, stats, norm, parts, pixels, channels, epsilon, momentum);                                 \
    }                                                                                                                             \
    extern "C" __global__ void activate_##S(const T *z, const float *norm, T *y, int len, int channels) {                          \
        activate(z, norm, y, len, channels);                                                                                      \
    }                                                                                                                             \
    extern "C" __global__ void activate_and_pool_##S(const T *z, const float *norm, T *y, unsigned char *argmax, T *top, int side, \
                                                     int len, int channels) {                                                     \
        activate_and_pool(z, norm, y, argmax, top, side, len, channels);                                                          \
    }                                                                                                                             \
    extern "C" __global__ void gradient_sums_##S(const T *z, const T *dy, const float *norm, float *partial, int pixels,           \
                                                 int channels) {                                                                  \
        partial_sums(GradientTerms<T>{z, dy, norm, channels}, partial, pixels, channels);                                         \
    }                                                                                                                             \
    extern "C" __global__ void to_dz_##S(T *z, const float *norm, const float *line, const T *dy, int len, int channels) {         \
        to_dz(z, norm, line, dy, len, channels);                                                                                  \
    }                                                                                                                             \
    extern "C" __global__ void to_dz_through_windows_##S(T *z, const float *norm, const float *line, const T *dy,                  \
                                                         const unsigned char *argmax, int side, int len, int channels) {          \
        to_dz_through_windows(z, norm, line, dy, argmax, side, len, channels);                                                    \
    }                                                                                                                             \
    extern "C" __global__ void conv_forward_##S(const T *input, const T *weight, T *z, int batch, int side, int in, int out) {     \
        conv_forward(input, weight, z, batch, side, in, out);                                                                     \
    }                                                                                                                             \
    extern "C" __global__ void conv_backward_data_##S(const T *dz, const T *weight, T *dx, int batch, int side, int in, int out) { \
        conv_backward_data(dz, weight, dx, batch, side, in, out);                                                                 \
    }                                                                                                                             \
    extern "C" __global__ void conv_backward_filter_##S(const T *input, const T *dz, T *dw, int batch, int side, int in,           \
                                                        int out) {                                                                \
        conv_backward_filter(input, dz, dw, batch, side, in, out);                                                                \
    }

KERNELS_FOR(float, f32)
KERNELS_FOR(bf16, bf16)
