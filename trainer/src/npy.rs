//! NumPy's `.npy` format, version 1.0: what every tool that draws opens.

/// `rows` as a little-endian f32 array of shape (N, 2), ready for `numpy.load`.
pub fn from_pairs(rows: &[[f32; 2]]) -> Vec<u8> {
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, 2), }}", rows.len());
    // The format wants magic, version, length and header together to fill a multiple of 64 bytes, the last a line feed.
    let padded = (10 + header.len() + 1).next_multiple_of(64) - 10;
    let mut bytes = Vec::with_capacity(10 + padded + rows.len() * 8);
    bytes.extend_from_slice(b"\x93NUMPY\x01\x00");
    bytes.extend_from_slice(&(padded as u16).to_le_bytes());
    bytes.extend_from_slice(header.as_bytes());
    bytes.resize(10 + padded - 1, b' ');
    bytes.push(b'\n');
    bytes.extend(rows.iter().flatten().flat_map(|v| v.to_le_bytes()));
    bytes
}

/// Reads back what [`from_pairs`] wrote; `None` for anything else.
pub fn to_pairs(bytes: &[u8]) -> Option<Vec<[f32; 2]>> {
    let rest = bytes.strip_prefix(b"\x93NUMPY\x01\x00")?;
    let length = u16::from_le_bytes([*rest.first()?, *rest.get(1)?]) as usize;
    let (header, data) = rest.get(2..)?.split_at_checked(length)?;
    let header = std::str::from_utf8(header).ok()?;
    let rows: usize =
        header.strip_prefix("{'descr': '<f4', 'fortran_order': False, 'shape': (")?.split(',').next()?.parse().ok()?;
    if data.len() != rows.checked_mul(8)? {
        return None;
    }
    let number = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
    Some(data.chunks_exact(8).map(|pair| [number(&pair[..4]), number(&pair[4..])]).collect())
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
        assert_eq!(to_pairs(b"\x93NUMPY"), None);
    }
}
