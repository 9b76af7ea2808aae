//! Decodes answers that are compressed although the request accepts no compression.
//!
//! Some servers compress whatever the request accepts, and some gateways do not announce it. An unreadable answer costs
//! the sign-in, because its refresh token has replaced the one that was sent.

use std::io::{self, Read};

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use zeroize::Zeroizing;

/// Why a compressed body cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Undecodable {
    /// The body is damaged, or ends too early.
    Damaged,
    /// The body is larger than the limit.
    TooLarge,
    /// The compression is of a kind that this program does not read.
    Unknown(String),
}

impl Undecodable {
    pub(super) fn words(&self) -> String {
        match self {
            Self::Damaged => "its compressed body is damaged or ends too early".to_owned(),
            Self::TooLarge => "the answer is larger than 1 MiB".to_owned(),
            Self::Unknown(coding) => format!("it is compressed as {coding:?}, which was not accepted"),
        }
    }
}

/// The body without its compression. The first bytes show the compression if they can, else `Content-Encoding` does. At
/// most `limit` bytes are decoded.
pub(super) fn decompressed(
    body: Zeroizing<Vec<u8>>,
    encoding: Option<&str>,
    limit: usize,
) -> Result<Zeroizing<Vec<u8>>, Undecodable> {
    let mut body = body;
    let mut codings =
        encoding.unwrap_or_default().rsplit(',').map(|coding| coding.trim().to_ascii_lowercase());
    // A gateway may compress a compressed body again without announcing it.
    for _ in 0..4 {
        let coding = codings.next().unwrap_or_default();
        body = match coding.as_str() {
            _ if body.starts_with(&[0x1f, 0x8b]) => read(MultiGzDecoder::new(&body[..]), limit)?,
            "deflate" if is_zlib(&body) => read(ZlibDecoder::new(&body[..]), limit)?,
            "deflate" if !is_text(&body) => read(DeflateDecoder::new(&body[..]), limit)?,
            // A gateway has decoded the body and left the header as it was.
            _ if is_text(&body) || body.is_empty() => return Ok(body),
            "" | "identity" => return Ok(body),
            _ => return Err(Undecodable::Unknown(coding)),
        };
    }
    Ok(body)
}

/// Whether the body is in the zlib format (RFC 1950 2.2): the first byte names deflate, and both bytes pass a check
/// sum.
fn is_zlib(body: &[u8]) -> bool {
    matches!(body, [first, second, ..] if first & 15 == 8
        && (u16::from(*first) << 8 | u16::from(*second)).is_multiple_of(31))
}

/// Whether the body begins like an answer: tokens and errors are ASCII.
fn is_text(body: &[u8]) -> bool {
    let start = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    !start.is_empty() && start.iter().take(16).all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n'))
}

fn read(stream: impl Read, limit: usize) -> Result<Zeroizing<Vec<u8>>, Undecodable> {
    // With room for the largest answer: a buffer that grows leaves copies of tokens behind.
    let mut decoded = Zeroizing::new(Vec::with_capacity(limit + 1));
    match stream.take(limit as u64 + 1).read_to_end(&mut decoded) {
        Ok(length) if length > limit => Err(Undecodable::TooLarge),
        Ok(_) => Ok(decoded),
        Err(error) if error.kind() == io::ErrorKind::OutOfMemory => Err(Undecodable::TooLarge),
        Err(_) => Err(Undecodable::Damaged),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = r#"{"access_token":"a","refresh_token":"r"}"#;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn decoded(body: &[u8], encoding: Option<&str>) -> Result<String, Undecodable> {
        let body = decompressed(Zeroizing::new(body.to_vec()), encoding, 1000)?;
        Ok(String::from_utf8(body.to_vec()).unwrap())
    }

    #[test]
    fn every_way_in_which_a_body_is_compressed() {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(TEXT.as_bytes()).unwrap();
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::default());
        raw.write_all(TEXT.as_bytes()).unwrap();
        let twice = gzip(&gzip(TEXT.as_bytes()));
        for (body, encoding) in [
            (TEXT.as_bytes().to_vec(), None),
            (gzip(TEXT.as_bytes()), Some("gzip")),
            (gzip(TEXT.as_bytes()), Some("X-GZIP")),
            (gzip(TEXT.as_bytes()), None),
            (twice.clone(), Some("gzip, gzip")),
            (twice, Some("gzip")),
            (zlib.finish().unwrap(), Some("deflate")),
            (raw.finish().unwrap(), Some(" Deflate ")),
            (TEXT.as_bytes().to_vec(), Some("gzip")),
            (TEXT.as_bytes().to_vec(), Some("br")),
            (TEXT.as_bytes().to_vec(), Some("identity")),
        ] {
            assert_eq!(decoded(&body, encoding).as_deref(), Ok(TEXT), "{encoding:?}");
        }
        assert_eq!(decoded(b"", Some("gzip")).as_deref(), Ok(""));
    }

    #[test]
    fn what_cannot_be_decoded() {
        let whole = gzip(TEXT.as_bytes());
        assert_eq!(decoded(&whole[..whole.len() - 1], None), Err(Undecodable::Damaged));
        assert_eq!(decoded(&whole[..12], Some("gzip")), Err(Undecodable::Damaged));
        // A million zeros in a kilobyte.
        assert_eq!(decoded(&gzip(&vec![b'0'; 1_000_000]), None), Err(Undecodable::TooLarge));
        assert_eq!(decoded(&[0x0b, 0x02, 0x80], Some("br")), Err(Undecodable::Unknown("br".to_owned())));
    }

    proptest! {
        #[test]
        fn no_body_panics(body in any::<Vec<u8>>(), encoding in "gzip|deflate|br|,|[ -~]{0,10}") {
            let _ = decompressed(Zeroizing::new(body), Some(&encoding), 100);
        }
    }
}
