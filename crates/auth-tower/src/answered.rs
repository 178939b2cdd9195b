use std::fmt;

use auth_core::Origins;
use http::{Method, Request, Response, Uri};

/// Says which request a response answers, in the response's extensions: a client or a layer below
/// [`AuthLayer`](crate::AuthLayer) that follows redirects puts it there.
///
/// A refusal (401) at the end of a redirect is about the last request only. The API may have applied
/// the first one: a `POST` that was answered with 303 is an order that was taken. So `AuthLayer`
/// renews the token, and sends the request again only if its method is safe
/// ([`Method::is_safe`]).
///
/// [`OriginGuardLayer`](crate::OriginGuardLayer) below a follower sets it. With the Cargo feature
/// `follow-redirect`, `AuthLayer` also reads the mark of tower-http's follower. Set it yourself if
/// you write a client that follows redirects; the first one to set it is the closest to the network,
/// and wins ([`Extensions::get_or_insert`](http::Extensions::get_or_insert)).
///
/// # Example
///
/// ```
/// use auth_tower::AnsweredRequest;
/// use http::{Method, Response, Uri};
///
/// fn mark<B>(response: &mut Response<B>, last_method: Method, last_uri: Uri) {
///     let answered = AnsweredRequest::new(last_uri).method(last_method);
///     response.extensions_mut().get_or_insert(answered);
/// }
/// ```
#[derive(Clone)]
pub struct AnsweredRequest {
    /// `None` if the `Host` header named another host than the URI.
    uri: Option<Uri>,
    method: Option<Method>,
}

impl AnsweredRequest {
    /// Takes the URI of the request that was answered. Until the [`method`](Self::method) is set, it
    /// counts as unknown: then a request with an unsafe method counts as redirected.
    #[must_use]
    pub const fn new(uri: Uri) -> Self {
        Self {
            uri: Some(uri),
            method: None,
        }
    }

    /// Sets the method of the request that was answered.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.method = Some(method);
        self
    }

    /// Describes a request that is about to be sent.
    pub(crate) fn by<B>(request: &Request<B>) -> Self {
        let uri = request.uri().clone();
        Self {
            uri: (!Origins::host_differs(&uri, request.headers())).then_some(uri),
            method: Some(request.method().clone()),
        }
    }

    /// Reads the mark off a response, or the one that tower-http's follower leaves.
    pub(crate) fn of<B>(response: &Response<B>) -> Option<Self> {
        let extensions = response.extensions();
        let own = extensions.get().cloned();
        #[cfg(feature = "follow-redirect")]
        let own = own.or_else(|| {
            let followed: Option<&tower_http::follow_redirect::RequestUri> = extensions.get();
            followed.map(|followed| Self::new(followed.0.clone()))
        });
        own
    }

    /// Tells whether the response came from outside these origins: another authenticator's may
    /// include it.
    pub(crate) fn is_outside(&self, origins: &Origins) -> bool {
        self.uri.as_ref().is_none_or(|uri| !origins.permits(uri))
    }

    /// Tells whether the response answers, or may answer, another request than this one.
    pub(crate) fn is_another_than(&self, method: &Method, uri: &Uri) -> bool {
        let other_method = match &self.method {
            Some(answered) => answered != method,
            None => !method.is_safe(),
        };
        other_method || self.uri.as_ref() != Some(uri)
    }
}

impl fmt::Debug for AnsweredRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URI's path and query may hold more than a log should.
        f.debug_struct("AnsweredRequest")
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}
