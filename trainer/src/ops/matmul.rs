//! Single-threaded matrix products on slices, by the `gemm` crate, which picks its kernel at run time (AVX-512, AVX2,
//! NEON, portable). Threads work on different products, so the order of every sum is fixed.

/// A read-only matrix in a slice: element (i, j) lies at `i * row_stride + j * col_stride`.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a> Matrix<'a> {
    /// A row-major matrix of (rows, cols).
    ///
    /// # Panics
    /// If the slice is too short.
    pub fn new(data: &'a [f32], rows: usize, cols: usize) -> Matrix<'a> {
        assert!(data.len() >= rows * cols, "{rows}×{cols} matrix in {} numbers", data.len());
        Matrix { data, rows, cols, row_stride: cols, col_stride: 1 }
    }

    /// The transpose, without moving anything.
    pub fn t(self) -> Matrix<'a> {
        Matrix { rows: self.cols, cols: self.rows, row_stride: self.col_stride, col_stride: self.row_stride, ..self }
    }
}

/// What happens to the numbers that the destination holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Into {
    /// They are replaced.
    Replace,
    /// The product is added to them.
    Add,
}

/// `dst (+)= a · b` with `dst` row-major of (a.rows, b.cols).
///
/// # Panics
/// If the shapes don't agree or `dst` is too short.
pub fn matmul(dst: &mut [f32], into: Into, a: Matrix<'_>, b: Matrix<'_>) {
    let (m, n, k) = (a.rows, b.cols, a.cols);
    assert_eq!(k, b.rows, "inner dimensions");
    assert!(dst.len() >= m * n, "{m}×{n} product in {} numbers", dst.len());
    // SAFETY: `Matrix` guarantees that both operands lie inside their slices under the given strides, the assertion
    // above that the destination does; `dst` is borrowed mutably, so it overlaps neither.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            dst.as_mut_ptr(),
            1,
            n as isize,
            into == Into::Add,
            a.data.as_ptr(),
            a.col_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.col_stride as isize,
            b.row_stride as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
