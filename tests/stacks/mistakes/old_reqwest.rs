//! says: mismatched types
//! hints: different versions of crate `reqwest`

use std::time::Duration;

use auth_reqwest::ReqwestTransport;

fn main() {
    let _transport =
        ReqwestTransport::danger_from_client(reqwest_old::Client, Duration::from_secs(10));
}
