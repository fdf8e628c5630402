//! NumPy's `.npy` format, version 1.0: what every tool that draws opens.

/// `rows` as a little-endian f32 array of shape (N, 2), ready for `numpy.load`.
pub fn from_pairs(rows: &[[f32; 2]]) -> Vec<u8> {
    let mut bytes = header("'<f4'", &format!("({}, 2)", rows.len()));
    bytes.extend(rows.iter().flatten().flat_map(|v| v.to_le_bytes()));
    bytes
}

/// How a file begins whose elements are of type `descr` and whose array has this `shape`, both as Python writes them; its
/// elements follow, little-endian, row by row.
pub fn header(descr: &str, shape: &str) -> Vec<u8> {
    let header = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}");
    // The format wants magic, version, length and header together to fill a multiple of 64 bytes, the last a line feed.
    let padded = (10 + header.len() + 1).next_multiple_of(64) - 10;
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend_from_slice(&(padded as u16).to_le_bytes());
    bytes.extend_from_slice(header.as_bytes());
    bytes.resize(10 + padded - 1, b' ');
    bytes.push(b'\n');
    bytes
}

/// Reads back what [`from_pairs`] wrote; `None` for anything else.
pub fn to_pairs(bytes: &[u8]) -> Option<Vec<[f32; 2]>> {
    let (header, data) = parts(bytes)?;
    let rows: usize =
        header.strip_prefix("{'descr': '<f4', 'fortran_order': False, 'shape': (")?.split(',').next()?.parse().ok()?;
    if data.len() != rows.checked_mul(8)? {
        return None;
    }
    let number = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
    Some(data.chunks_exact(8).map(|pair| [number(&pair[..4]), number(&pair[4..])]).collect())
}

/// The header of a file of version 1.0 and its elements; `None` for anything else.
pub fn parts(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let rest = bytes.strip_prefix(b"\x93NUMPY\x01\x00")?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (header, data) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
    Some((std::str::from_utf8(header).ok()?, data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_survive_the_round_trip_and_damage_is_noticed() {
        let rows = [[1.5, -2.0], [f32::MIN_POSITIVE, 1e30], [0.0, 7.0]];
        let bytes = from_pairs(&rows);
        assert_eq!((bytes.len() - 3 * 8) % 64, 0);
        assert_eq!(to_pairs(&bytes).unwrap(), rows);
        assert_eq!(to_pairs(&bytes[..bytes.len() - 1]), None);
        let other_type = bytes.iter().map(|byte| if *byte == b'4' { b'8' } else { *byte }).collect::<Vec<_>>();
        assert_eq!(to_pairs(&other_type), None);
        for cut in [&b"\x93NUMPY"[..], b"\x93NUMPY\x01\x00\xff\xff"] {
            assert_eq!(to_pairs(cut), None);
        }
    }
}
