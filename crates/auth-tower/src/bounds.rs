//! The bounds on the service below, as traits of this crate, so that the compiler's message names
//! the cause and the fix.

use std::error::Error as StdError;

use http::{Request, Response};
use tower_service::Service;

/// A service below [`AuthLayer`](crate::AuthLayer): any service that is [`Clone`].
#[diagnostic::on_unimplemented(
    message = "`AuthLayer` cannot stand above `{Self}`, which is not `Clone`",
    label = "not `Clone`: a refused request could not be sent again",
    note = "implement `Clone` for `{Self}`, or put a `tower::buffer::BufferLayer` between `AuthLayer` and the service",
    note = "instead of a `BoxService`, use a `BoxCloneService`: `.boxed_clone()`"
)]
#[allow(
    unnameable_types,
    reason = "implemented for every service that is `Clone`"
)]
pub trait CloneService: Clone {}

#[diagnostic::do_not_recommend]
impl<S: Clone> CloneService for S {}

/// A service for requests of the crate `http` that [`AuthLayer`](crate::AuthLayer) can call.
#[diagnostic::on_unimplemented(
    message = "`AuthLayer` cannot send `http::Request<{B}>` with `{Self}`",
    label = "not a `Clone` and `tower::Service` for `http::Request<{B}>`",
    note = "instead of a `reqwest::Client`, use `auth_reqwest::ReqwestService::new()?`",
    note = "`ReqwestService` sends bodies that are `Sync`: for an `axum::body::Body`, put `auth_tower::ReplayBodyLayer` above `AuthLayer`, which also sends such bodies again"
)]
#[allow(
    unnameable_types,
    reason = "implemented for every service for these requests"
)]
pub trait HttpService<B>:
    Service<Request<B>, Response = Response<Self::ResponseBody>> + CloneService
{
    /// The body of the service's responses.
    type ResponseBody;
}

#[diagnostic::do_not_recommend]
impl<S, B, ResB> HttpService<B> for S
where
    S: Service<Request<B>, Response = Response<ResB>> + CloneService,
{
    type ResponseBody = ResB;
}

/// An error of the service below for which [`Error`](crate::Error) implements
/// [`std::error::Error`]: any error that implements it itself.
#[diagnostic::on_unimplemented(
    message = "`auth_tower::Error<{Self}>` is not a `std::error::Error`, because the service below has boxed errors",
    label = "add `.map_err(auth_tower::Error::into_boxed)` directly above `AuthLayer`",
    note = "a layer below `AuthLayer`, for example a timeout, boxes errors: add `.map_err(auth_tower::Error::into_boxed)` directly above `AuthLayer`"
)]
#[allow(unnameable_types, reason = "implemented for every error")]
pub trait InnerError: StdError + 'static {}

#[diagnostic::do_not_recommend]
impl<E: StdError + 'static> InnerError for E {}
