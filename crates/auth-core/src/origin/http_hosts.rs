use http::Uri;

use super::parse::Origin;
use crate::Error;

/// The exact origins to which plain `http` is permitted. The setting `danger_allow_http` of a
/// builder collects them, for token endpoints and base URLs. Default: none.
///
/// # Security
///
/// Anybody who can read the network traffic to one of these hosts can read credentials and tokens.
///
/// # Example
///
/// ```
/// use auth_core::HttpHosts;
///
/// let mut http = HttpHosts::default();
/// http.allow("http://payments:8080")?;
/// assert!(http.check("token_url", "http://payments:8080/oauth/token").is_ok());
/// assert!(http.check("token_url", "http://payments/oauth/token").is_err());
/// assert!(http.check("token_url", "https://login.example.com/oauth/token").is_ok());
/// # Ok::<(), auth_core::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct HttpHosts(Vec<Origin>);

impl HttpHosts {
    /// Permits plain `http` to one origin, for example `http://payments:8080`,
    /// `http://api.mesh.local` or `http://localhost:3000`. A path is ignored.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) on field `danger_allow_http` for a text that is not an
    /// absolute `http` URL, for user information and for a wildcard.
    pub fn allow(&mut self, origin: &str) -> Result<(), Error> {
        let origin = Origin::parse(FIELD, origin)?;
        if origin.is_https() {
            let problem = format!("\"{origin}\" is https, which needs no permission; remove it");
            return Err(Error::config(FIELD, problem));
        }
        self.0.push(origin);
        Ok(())
    }

    /// Parses a URL to which credentials may be sent: `https`, or `http` to a permitted origin.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) on `field`. The text shows scheme, host and port, never
    /// a path or a query.
    pub fn check(&self, field: &'static str, url: &str) -> Result<Uri, Error> {
        let origin = Origin::parse(field, url)?;
        if !origin.is_https() && !self.0.contains(&origin) {
            let problem = format!(
                "\"{origin}\" is not https; write https://, or, if nobody can listen on the way to \
                 this host, danger_allow_http(\"{origin}\")"
            );
            return Err(Error::config(field, problem));
        }
        let uri = url.parse();
        uri.map_err(|_| Error::config(field, "is not a URL"))
    }
}

const FIELD: &str = "danger_allow_http";
