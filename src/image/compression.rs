//! gzip and zstd, told by their first bytes: the media types of layers in the wild cannot be relied on, and a
//! layer is checked against its digest after decompression anyway.

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::io::{self, BufRead, BufReader, Read};

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

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
        Box::new(Zstd {
            source: whole,
            decoder: FrameDecoder::new(),
            in_frame: false,
        })
    } else {
        Box::new(whole)
    })
}

/// All frames of a zstd stream one after another, skippable ones left out (zstd:chunked layers have both).
struct Zstd<R> {
    source: R,
    decoder: FrameDecoder,
    in_frame: bool,
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.in_frame && self.decoder.can_collect() > 0 {
                return self.decoder.read(buffer);
            }
            if self.in_frame && !self.decoder.is_finished() {
                self.decoder
                    .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(io::Error::other)?;
                continue;
            }
            if self.source.fill_buf()?.is_empty() {
                return Ok(0);
            }
            match self.decoder.init(&mut self.source) {
                Ok(()) => self.in_frame = true,
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    self.in_frame = false;
                    io::copy(&mut self.source.by_ref().take(length.into()), &mut io::sink())?;
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};
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
        let frame = |bytes: &[u8]| compress_to_vec(bytes, CompressionLevel::Fastest);
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"xyz"].concat();
        let long = vec![7; 1 << 20];
        let stream = [frame(&long), skippable.clone(), frame(b"b"), skippable].concat();
        assert_eq!(all(&stream).unwrap(), [&long[..], b"b"].concat());
    }

    #[test]
    fn truncated_streams_are_errors() {
        let (gzip, zstd) = (
            gzip(&[1; 5000]),
            compress_to_vec(&[1; 5000][..], CompressionLevel::Fastest),
        );
        for cut in [5, 10] {
            assert!(all(&gzip[..gzip.len() - cut]).is_err());
            assert!(all(&zstd[..zstd.len() - cut]).is_err());
        }
    }
}
