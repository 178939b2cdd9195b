//! auth-tower.
mod challenge;
mod error;
mod future;
mod head;
mod layer;
mod outcome;
mod replay;
mod service;
mod transport;
mod verdict;

pub use challenge::StepUp;
pub use error::Error;
pub use future::ResponseFuture;
pub use layer::{AuthLayer, Existing, WithoutToken};
pub use outcome::{AuthOutcome, NotReplayed};
pub use replay::{Replay, ReplayCheap, ReplayOff, ReplayWith};
pub use service::Auth;
pub use transport::ServiceTransport;
pub use verdict::ResponseHead;
