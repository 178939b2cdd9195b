use std::{fmt, str::FromStr};

use auth_core::Error;
use http::Uri;

use crate::{Central, East, LegacyEndpoint, Region as _};

/// The name of a server, for programs that read it from their configuration.
///
/// A type cannot be chosen at run time, so such a program matches on the name once, and then uses
/// an [`Authenticator`](auth_core::Authenticator). Upper and lower case are equal.
///
/// # Example
///
/// ```
/// # use auth_core::Transport;
/// use auth_core::{Authenticator, Error, Secret};
/// use auth_kaizen::{Central, East, Kaizen, Region, RegionName};
///
/// # fn start(transport: impl Transport) -> Result<Authenticator, Error> {
/// fn connect<R: Region>(transport: impl Transport) -> Result<Authenticator, Error> {
///     let secret = Secret::new("fake-client-secret");
///     let kaizen = Kaizen::<R>::builder("my-client-id", secret, transport).build()?;
///     Ok(kaizen.into())
/// }
///
/// let configured = "East";
/// let authenticator = match configured.parse()? {
///     RegionName::Central => connect::<Central>(transport)?,
///     RegionName::East => connect::<East>(transport)?,
///     _ => return Err(Error::config("region", "is unknown to this program")),
/// };
/// # Ok(authenticator)
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RegionName {
    /// [`Central`].
    Central,
    /// [`East`].
    East,
}

impl RegionName {
    /// All servers.
    const ALL: [Self; 2] = [Self::Central, Self::East];

    /// Returns the name in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Central => "central",
            Self::East => "east",
        }
    }

    /// The vendor's name in errors and logs.
    pub(crate) const fn vendor(self) -> &'static str {
        match self {
            Self::Central => "kaizen central",
            Self::East => "kaizen east",
        }
    }

    /// The server that a URL's host belongs to; `None` for hosts that are not the vendor's.
    pub(crate) fn owner(url: &str) -> Option<Self> {
        let host = host(url)?;
        Self::ALL.into_iter().find(|region| {
            let mut urls = region.urls().iter();
            urls.any(|url| self::host(url).as_deref() == Some(&*host))
        })
    }

    fn urls(self) -> &'static [&'static str] {
        match self {
            Self::Central => {
                const {
                    &[
                        Central::TOKEN_URL,
                        Central::BASE_URL,
                        LegacyEndpoint::ApiHost.url(),
                        LegacyEndpoint::LoginGlobal.url(),
                    ]
                }
            }
            Self::East => &[East::TOKEN_URL, East::BASE_URL],
        }
    }
}

impl fmt::Display for RegionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RegionName {
    type Err = Error;

    /// Reads a name. Upper and lower case are equal.
    ///
    /// # Errors
    ///
    /// [`Config`](auth_core::ErrorKind::Config) on field `region`. The error names the allowed
    /// values and does not repeat the text.
    fn from_str(text: &str) -> Result<Self, Error> {
        let mut regions = Self::ALL.into_iter();
        regions
            .find(|region| region.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| Error::config("region", "must be `central` or `east`"))
    }
}

/// The host in lower case and without the dot of the DNS root, for comparisons.
fn host(url: &str) -> Option<String> {
    let url: Uri = url.parse().ok()?;
    Some(url.host()?.trim_end_matches('.').to_ascii_lowercase())
}
