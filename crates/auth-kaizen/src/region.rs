use std::fmt;

mod name;

pub use name::RegionName;

/// One of Kaizen's two servers, as a type: [`Central`] or [`East`].
///
/// The constants are the values that the vendor documents, and the defaults. The trait is
/// sealed: only the vendor adds servers.
///
/// # Example
///
/// A function for either server:
///
/// ```
/// use auth_kaizen::{East, Region};
///
/// fn buildings_url<R: Region>() -> String {
///     format!("{}/api/v3/buildings?page_size=100&page=1", R::BASE_URL)
/// }
///
/// assert!(buildings_url::<East>().starts_with("https://kaizen-east.coppertreeanalytics.com/"));
/// ```
pub trait Region: sealed::Sealed + Copy + fmt::Debug + Send + Sync + 'static {
    /// The server as a value.
    const NAME: RegionName;
    /// The token endpoint.
    const TOKEN_URL: &'static str;
    /// The API's origin. A token is sent to no other origin.
    const BASE_URL: &'static str;
}

/// Kaizen's Central server, in Canada.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Central;

impl Region for Central {
    const NAME: RegionName = RegionName::Central;
    const TOKEN_URL: &'static str =
        "https://login-ca-central-prod.coppertreeanalytics.com/oauth2/token";
    const BASE_URL: &'static str = "https://kaizen.coppertreeanalytics.com";
}

/// Kaizen's East server, in the United States.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct East;

impl Region for East {
    const NAME: RegionName = RegionName::East;
    const TOKEN_URL: &'static str =
        "https://login-us-east-prod.coppertreeanalytics.com/oauth2/token";
    const BASE_URL: &'static str = "https://kaizen-east.coppertreeanalytics.com";
}

mod sealed {
    /// Limits [`Region`](super::Region) to the vendor's servers.
    #[allow(
        unnameable_types,
        reason = "the trait is sealed because other crates cannot name this one"
    )]
    pub trait Sealed {}

    impl Sealed for super::Central {}
    impl Sealed for super::East {}
}
