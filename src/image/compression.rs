//! gzip and zstd, told by their first bytes: the media types of layers in the wild cannot be relied on, and a
//! layer is checked against its digest after decompression anyway.

use std::io::{self, BufReader, Read};
use zstd::stream::read::Decoder;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// Most that a zstd stream may ask to be kept in memory (its window), as a power of two: 64 MiB. What makes images stays
/// within 8 MiB.
const WINDOW_LOG_MAX: u32 = 26;

/// Reads `source` uncompressed. What is neither gzip nor zstd comes as it is.
///
/// # Errors
/// Those of reading the first bytes.
pub fn decompress<'a>(mut source: impl Read + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
    let mut magic = Vec::new();
    source.by_ref().take(4).read_to_end(&mut magic)?;
    let is = |expected: &[u8]| magic.starts_with(expected);
    let (is_gzip, is_zstd) = (is(GZIP), is(ZSTD));
    let whole = BufReader::with_capacity(1 << 16, io::Cursor::new(magic).chain(source));
    Ok(if is_gzip {
        Box::new(flate2::bufread::MultiGzDecoder::new(whole))
    } else if is_zstd {
        // All frames one after another, skippable ones left out (zstd:chunked layers have both).
        let mut decoder = Decoder::with_buffer(whole)?;
        decoder.window_log_max(WINDOW_LOG_MAX)?;
        Box::new(decoder)
    } else {
        Box::new(whole)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn all(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        decompress(bytes)?.read_to_end(&mut plain)?;
        Ok(plain)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn streams_of_several_members_are_read_whole() {
        assert_eq!(all(b"").unwrap(), b"");
        assert_eq!(all(b"plain").unwrap(), b"plain");
        assert_eq!(all(&[gzip(b"a"), gzip(b"b")].concat()).unwrap(), b"ab");
        let frame = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"xyz"].concat();
        let long = vec![7; 1 << 20];
        let stream = [frame(&long), skippable.clone(), frame(b"b"), skippable].concat();
        assert_eq!(all(&stream).unwrap(), [&long[..], b"b"].concat());
    }

    #[test]
    fn truncated_streams_are_errors() {
        let (gzip, zstd) = (gzip(&[1; 5000]), zstd::encode_all(&[1; 5000][..], 1).unwrap());
        for cut in [5, 10] {
            assert!(all(&gzip[..gzip.len() - cut]).is_err());
            assert!(all(&zstd[..zstd.len() - cut]).is_err());
        }
    }
}
