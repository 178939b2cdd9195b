use std::{any, fmt};

use auth_core::{Origins, Redirected, RedirectsUnseen};
use http::{Method, Request, Response, Uri};

use crate::NotReplayed;

/// Says which request a response answers. A client or a layer below [`AuthLayer`](crate::AuthLayer)
/// that follows redirects puts this mark into the response's extensions.
///
/// A refusal (401) at the end of a redirect is about the last request only. The API may have
/// carried out the first one, for example an order that it answered with 303. `AuthLayer` therefore
/// renews the token, and sends the request again only if its method is safe ([`Method::is_safe`]).
///
/// [`OriginGuardLayer`](crate::OriginGuardLayer) below a follower sets the mark. With the Cargo
/// feature `follow-redirect`, `AuthLayer` also reads the mark of tower-http's follower. Set the
/// mark yourself if you write a client that follows redirects. The mark that was set first is the
/// closest to the network and is kept
/// ([`Extensions::get_or_insert`](http::Extensions::get_or_insert)).
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
    /// Makes a mark with the URI of the request that was answered. The method is unknown until
    /// [`method`](Self::method) sets it. With an unknown method, a request with an unsafe method
    /// counts as redirected.
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

    /// Makes a mark for a request that is about to be sent.
    pub(crate) fn by<B>(request: &Request<B>) -> Self {
        let uri = request.uri().clone();
        Self {
            uri: (!Origins::host_differs(&uri, request.headers())).then_some(uri),
            method: Some(request.method().clone()),
        }
    }

    /// Reads the mark of a response, or the mark of tower-http's follower.
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

    /// Returns whether the response came from outside these origins. The origins of another
    /// authenticator may include it.
    pub(crate) fn is_outside(&self, origins: &Origins) -> bool {
        self.uri.as_ref().is_none_or(|uri| !origins.permits(uri))
    }

    /// Returns whether the response answers, or may answer, another request than this one.
    fn is_another_than(&self, method: &Method, uri: &Uri) -> bool {
        let other_method = match &self.method {
            Some(answered) => answered != method,
            None => !method.is_safe(),
        };
        other_method || self.uri.as_ref() != Some(uri)
    }
}

/// Returns why a request must not be sent again after a refusal: the refusal answers, or may
/// answer, the request after a redirect. `S` is the service below.
pub(crate) fn redirected<S, B>(
    response: &Response<B>,
    answered: Option<&AnsweredRequest>,
    method: &Method,
    uri: &Uri,
) -> Option<NotReplayed> {
    if method.is_safe() {
        return None;
    }
    let marked = response.extensions().get::<Redirected>().is_some();
    if marked || answered.is_some_and(|answered| answered.is_another_than(method, uri)) {
        return Some(NotReplayed::Redirected);
    }
    let unseen = response.extensions().get::<RedirectsUnseen>().is_some()
        || (answered.is_none() && names_follower::<S>());
    (unseen && !method.is_idempotent()).then_some(NotReplayed::RedirectsUnseen)
}

/// Returns whether the type of a service contains tower-http's follower, of any version. A boxed
/// service hides its type, so `false` proves nothing.
fn names_follower<S>() -> bool {
    any::type_name::<S>().contains("::FollowRedirect<")
}

impl fmt::Debug for AnsweredRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Only the host: path and query may contain a secret.
        f.debug_struct("AnsweredRequest")
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}
