use std::{fmt, time::Duration};

use bytes::Bytes;

use crate::Gate;

/// How the body is sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Delivery {
    pub(crate) after: Option<Gate>,
    pub(crate) shape: Shape,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Shape {
    #[default]
    Whole,
    /// The number of bytes, and whether a reset follows.
    CutAfter(usize, bool),
    Trickle(Duration),
    Endless(Duration),
}

/// How a connection ends early.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Cut {
    /// In order: all sent bytes arrive.
    Close,
    /// With a reset, which may overtake sent bytes.
    Reset,
    /// With these bytes in place of an answer.
    Raw(Bytes),
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the test server cut the connection")
    }
}

/// Shows only the number of raw bytes, because they may contain a token.
impl fmt::Debug for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Close => f.write_str("Close"),
            Self::Reset => f.write_str("Reset"),
            Self::Raw(bytes) => write!(f, "Raw({} bytes)", bytes.len()),
        }
    }
}

impl std::error::Error for Cut {}
