use auth_reqwest::{ReqwestService, client_builder};
use auth_testkit::ForeignServer;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use reqwest::{ClientBuilder, redirect::Policy};
use tower::ServiceExt;

/// A vendor's own name of a credential header, which no client treats as one.
pub(crate) const NAME: &str = "clientsecret";
pub(crate) const SECRET: &str = "fake-secret-1";

/// Does not read the system's certificates, which a test machine may lack.
pub(crate) fn settings() -> ClientBuilder {
    client_builder().tls_certs_only([])
}

pub(crate) fn service() -> ReqwestService {
    following(settings())
}

/// Follows the same number of redirects as a default service.
pub(crate) fn following(builder: ClientBuilder) -> ReqwestService {
    ReqwestService::from_builder(builder, Policy::limited(10)).unwrap()
}

pub(crate) fn get(url: &str) -> Request<Full<Bytes>> {
    let request = Request::get(url).header(NAME, SECRET);
    request.body(Full::default()).unwrap()
}

pub(crate) async fn send(
    service: &ReqwestService,
    request: Request<Full<Bytes>>,
) -> Result<Response<reqwest::Body>, reqwest::Error> {
    service.clone().oneshot(request).await
}

/// Returns the paths of the requests that arrived, and how many of them carried the secret.
pub(crate) fn seen(server: &ForeignServer) -> (Vec<String>, usize) {
    let recorded = server.recorded();
    let paths = recorded.iter().map(|request| request.path().to_owned());
    let signed = recorded
        .iter()
        .filter(|request| request.expose_header(NAME) == Some(SECRET));
    (paths.collect(), signed.count())
}
