//! The token machine.
mod clock;
mod error;
mod origin;
mod scheme;
mod secret;
mod shard;
mod source;
mod token;
mod transport;

pub use clock::{Clock, Moment, SystemClock};
pub use error::{Error, ErrorKind};
pub use origin::Origins;
pub use scheme::Scheme;
pub use secret::Secret;
pub use source::{Exchange, Reason, TokenSource};
pub use token::{AccessToken, Generation, Token};
pub use transport::{SharedTransport, Transport};
