//! Lends the heads of reqwest's requests and responses to the layer, which knows those of the
//! `http` crate. What they stand on stays as it is: a conversion there and back would lose the URL
//! of a response, for one.

use std::mem;

/// Moves the head off a request.
pub(super) fn of_request(mut request: reqwest::Request) -> http::Request<reqwest::Request> {
    let mut head = http::Request::new(());
    head.method_mut().clone_from(request.method());
    // The client reads its URL in the same way. What cannot be read has no origin, so it is not
    // signed, and the client says what is wrong.
    *head.uri_mut() = request.url().as_str().parse().unwrap_or_default();
    *head.headers_mut() = mem::take(request.headers_mut());
    head.map(|()| request)
}

/// Moves the headers back.
pub(super) fn onto_request(request: http::Request<reqwest::Request>) -> reqwest::Request {
    let (head, mut request) = request.into_parts();
    *request.headers_mut() = head.headers;
    request
}

/// Moves the head off a response.
pub(super) fn of_response(mut response: reqwest::Response) -> http::Response<reqwest::Response> {
    let mut head = http::Response::new(());
    *head.status_mut() = response.status();
    *head.headers_mut() = mem::take(response.headers_mut());
    *head.extensions_mut() = mem::take(response.extensions_mut());
    head.map(|()| response)
}

/// Moves headers and extensions back.
pub(super) fn onto_response(response: http::Response<reqwest::Response>) -> reqwest::Response {
    let (head, mut response) = response.into_parts();
    *response.headers_mut() = head.headers;
    *response.extensions_mut() = head.extensions;
    response
}
