use std::fmt;

mod name;

pub use name::RegionName;

/// One of Kaizen's two servers, as a type: [`Central`] or [`East`].
///
/// The constants are what the vendor documents, and the defaults. The trait is sealed: which
/// servers there are is the vendor's business.
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
    /// Which of the two it is, as a value.
    const NAME: RegionName;
    /// The token endpoint.
    const TOKEN_URL: &'static str;
    /// The API's origin, the only place that a token goes to.
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
    /// Keeps [`Region`](super::Region) to the servers that there are.
    #[allow(
        unnameable_types,
        reason = "that nobody can name it is what seals the trait"
    )]
    pub trait Sealed {}

    impl Sealed for super::Central {}
    impl Sealed for super::East {}
}
