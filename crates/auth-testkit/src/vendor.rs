use std::{any::Any, fmt, sync::Arc};

use crate::Answer;

mod request;

pub use request::VendorRequest;

/// The behaviour of a vendor's servers: their paths, what they accept and how they answer.
///
/// A [`TestServer`](crate::TestServer) calls its rules for every request that no script answers.
/// Counters, records, quota, gates and faults work with all rules. Each method has a default;
/// together the defaults are the standards: RFC 6749 at `/token` and RFC 6750 below `/api`. The
/// vendor crates of this workspace have their rules behind their feature `fake`.
///
/// # Example
///
/// A vendor with its own path, `{"key": ...}` in place of a token reply, and the key in a header:
///
/// ```
/// use auth_testkit::{Answer, TestServer, VendorRequest, VendorRules};
/// use http::StatusCode;
/// use serde_json::json;
///
/// struct Example;
///
/// impl VendorRules for Example {
///     fn token_paths(&self) -> Vec<String> {
///         vec!["/v2/login".into()]
///     }
///
///     fn api_path(&self) -> &str {
///         "/"
///     }
///
///     fn token(&self, request: &VendorRequest<'_>) -> Answer {
///         match request.check_oauth() {
///             Ok(_) => request.token_reply([("key", json!(request.issue().token()))]),
///             Err(refusal) => Answer::json(StatusCode::FORBIDDEN, &json!({ "why": refusal.why() })),
///         }
///     }
///
///     fn api(&self, request: &VendorRequest<'_>) -> Answer {
///         match request.header("x-key").and_then(|key| request.accept(key)) {
///             Some(number) => request.ok(number),
///             None => Answer::json(StatusCode::UNAUTHORIZED, &json!({})),
///         }
///     }
/// }
///
/// let server = TestServer::builder().vendor(Example).name("example").in_memory();
/// assert_eq!(server.token_url(), "https://example.test/v2/login");
/// assert_eq!(server.api_url(), "https://example.test");
/// ```
pub trait VendorRules: Send + Sync + 'static {
    /// Returns the paths of the token side; the first is the one of
    /// [`token_url`](crate::TestServer::token_url).
    fn token_paths(&self) -> Vec<String> {
        vec!["/token".into()]
    }

    /// Returns the path below which the API is; `/` if the API has all paths except the token
    /// side's.
    fn api_path(&self) -> &str {
        "/api"
    }

    /// Answers a request to one of the token side's paths.
    fn token(&self, request: &VendorRequest<'_>) -> Answer {
        request.standard_token()
    }

    /// Answers a request to the API.
    fn api(&self, request: &VendorRequest<'_>) -> Answer {
        request.standard_api()
    }
}

/// The standards only.
#[derive(Clone, Copy, Debug)]
struct Standard;

impl VendorRules for Standard {}

/// Rules behind a shared pointer, with their type.
#[derive(Clone)]
pub(crate) struct SharedRules(Arc<dyn AnyRules>);

trait AnyRules: VendorRules {
    fn as_any(&self) -> &dyn Any;
}

impl<R: VendorRules> AnyRules for R {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl SharedRules {
    pub(crate) fn new(rules: impl VendorRules) -> Self {
        Self(Arc::new(rules))
    }

    /// The standards only.
    pub(crate) fn standard() -> Self {
        Self::new(Standard)
    }

    pub(crate) fn downcast<R: VendorRules>(&self) -> Option<&R> {
        self.0.as_any().downcast_ref()
    }

    pub(crate) fn token_paths(&self) -> Vec<String> {
        self.0.token_paths()
    }

    /// The API's path without a slash at its end, so that `/` is the empty text.
    pub(crate) fn api_path(&self) -> &str {
        self.0.api_path().trim_end_matches('/')
    }

    pub(crate) fn token(&self, request: &VendorRequest<'_>) -> Answer {
        self.0.token(request)
    }

    pub(crate) fn api(&self, request: &VendorRequest<'_>) -> Answer {
        self.0.api(request)
    }
}

impl fmt::Debug for SharedRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VendorRules").finish_non_exhaustive()
    }
}
