use crate::NotReplayed;

/// Why a request cannot be sent again. One byte large, unlike [`NotReplayed`].
#[derive(Clone, Copy)]
pub(crate) enum Missing {
    Off,
    Body,
    TooLarge,
    Twice,
}

impl From<Missing> for NotReplayed {
    fn from(missing: Missing) -> Self {
        match missing {
            Missing::Off => Self::Off,
            Missing::Body => Self::Body,
            Missing::TooLarge => Self::TooLarge,
            Missing::Twice => Self::Twice,
        }
    }
}
