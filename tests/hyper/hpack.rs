//! With HTTP/2, credentials are sent so that no intermediary keeps them in a table (RFC 7541
//! section 7.1.3).

use http::Request;
use tower::ServiceExt;

use crate::{
    client::{Body, signed},
    front::{Front, Wire},
};

/// The representation of a field in a header block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Representation {
    Indexed,
    AddedToTable,
    NotIndexed,
    NeverIndexed,
}

#[tokio::test]
async fn credentials_are_sent_as_never_indexed_fields() {
    for wire in [Wire::Http2, Wire::Https2] {
        let front = Front::start(wire).await;
        let client = signed(&front);
        for _ in 0..3 {
            let request = Request::get(front.api_url()).body(Body::default());
            let response = client.clone().oneshot(request.unwrap()).await.unwrap();
            assert_eq!(response.status(), 200);
        }
        front.server.revoke_all();
        let request = Request::get(front.api_url()).body(Body::default());
        let response = client.oneshot(request.unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);

        let credentials: Vec<_> = front
            .connections()
            .iter()
            .flat_map(|connection| header_blocks(connection))
            .map(|block| {
                let fields = fields(&block).into_iter();
                let mut credentials = fields.filter(|(name, _)| *name == AUTHORIZATION);
                let credential = credentials.next().map(|(_, representation)| representation);
                assert_eq!(credentials.next(), None);
                credential
            })
            .collect();
        // Two token requests, and five sends to the API.
        assert_eq!(
            credentials,
            [Some(Representation::NeverIndexed); 7],
            "{wire:?}"
        );
    }
}

/// Returns the header blocks that a client sent, one per request (RFC 9113 section 4.1).
fn header_blocks(connection: &[u8]) -> Vec<Vec<u8>> {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const HEADERS: u8 = 1;
    const END_HEADERS: u8 = 4;
    const PADDED_OR_PRIORITY: u8 = 0x28;
    let mut rest = connection.strip_prefix(PREFACE).unwrap();
    let mut blocks = Vec::new();
    while let [a, b, c, kind, flags, _, _, _, _, frames @ ..] = rest {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let (payload, next) = frames.split_at(length);
        if *kind == HEADERS {
            assert_eq!(flags & (END_HEADERS | PADDED_OR_PRIORITY), END_HEADERS);
            blocks.push(payload.to_vec());
        }
        rest = next;
    }
    blocks
}

/// Returns the fields of a block: the index of the name (0 for a literal name), and the
/// representation (RFC 7541 section 6).
fn fields(mut block: &[u8]) -> Vec<(usize, Representation)> {
    let mut fields = Vec::new();
    while let Some(&first) = block.first() {
        let (representation, bits) = match first {
            0x80.. => (Representation::Indexed, 7),
            0x40.. => (Representation::AddedToTable, 6),
            // A change of the table size is not a field.
            0x20.. => {
                integer(&mut block, 5);
                continue;
            }
            0x10.. => (Representation::NeverIndexed, 4),
            _ => (Representation::NotIndexed, 4),
        };
        let name = integer(&mut block, bits);
        if representation != Representation::Indexed {
            if name == 0 {
                skip_text(&mut block);
            }
            skip_text(&mut block);
        }
        fields.push((name, representation));
    }
    fields
}

/// Reads a number that uses this number of bits of its first byte (RFC 7541 section 5.1).
fn integer(block: &mut &[u8], bits: u32) -> usize {
    let mut next = || {
        let (first, rest) = block.split_first().unwrap();
        *block = rest;
        usize::from(*first)
    };
    let full = (1 << bits) - 1;
    let mut value = next() & full;
    if value == full {
        for shift in (0..).step_by(7) {
            let byte = next();
            value += (byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
    }
    value
}

fn skip_text(block: &mut &[u8]) {
    let length = integer(block, 7);
    *block = &block[length..];
}

/// The index of `authorization` in the static table (RFC 7541 appendix A).
const AUTHORIZATION: usize = 23;
