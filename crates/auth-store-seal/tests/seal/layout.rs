//! The layout that all releases share.

use auth_core::{Key, MemoryStore, Secret, TokenStore as _};
use auth_store_seal::{SealedStore, SealingKeys};

use crate::support::plant;

/// Computed by another implementation, which was checked with the example of
/// draft-irtf-cfrg-xchacha-03 appendix A.3.1: the key's id, the nonce 40 41 .. 57, `fake-token`
/// encrypted, the tag.
const SEALED: &str = "d8dd64fe83587369404142434445464748494a4b4c4d4e4f5051525354555657\
                      b2586e15fd94167dea9a63b12e952b02d3b35ab73ca50541eec7";

#[tokio::test]
async fn an_entry_of_any_release_opens() {
    let inner = MemoryStore::new();
    let bytes: Vec<u8> = (0..SEALED.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&SEALED[at..at + 2], 16).unwrap())
        .collect();
    let key = Key::builder("example").build();
    let sealed = [&b"auth-store-seal 1\n"[..], &bytes].concat();
    plant(&inner, &key, 1 << 64 | 2, sealed).await;
    let counted: String = (0..32).map(|byte| format!("{byte:02x}")).collect();
    let keys = SealingKeys::new(Secret::new(counted)).danger_plain_names();
    let store = SealedStore::new(inner, keys).unwrap();
    let entry = store.load(&key).await.unwrap().unwrap();
    assert_eq!(&entry.content.unwrap()[..], b"fake-token");
}
