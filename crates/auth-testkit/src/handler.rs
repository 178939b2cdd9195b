use std::sync::Arc;

use axum::{Router, body::Body, extract::Request, response::Response};
use bytes::Bytes;
use http::Method;
use serde_json::json;

use crate::{
    Answer, Side, VendorRequest, body::ScriptedBody, delivery::Cut, incoming::Incoming,
    place::Place, queue::lock, reply::Kind, state::State, upload::Upload, vendor::SharedRules,
};

/// Answers a server's requests: by the script, or by the vendor's rules if the script has no
/// answer.
#[derive(Clone, Debug)]
pub(crate) struct Handler {
    pub(crate) state: Arc<State>,
    pub(crate) rules: SharedRules,
}

impl Handler {
    /// Creates a router that answers every request to a place.
    pub(crate) fn router(self, place: Arc<Place>) -> Router {
        Router::new().fallback(move |request: Request| self.handle(place, request))
    }

    /// Answers one request, as the script says.
    async fn handle(self, place: Arc<Place>, request: Request) -> Response {
        let Self { state, rules } = self;
        let side = place.side(&rules.token_paths(), rules.api_path(), request.uri());
        let in_flight = state.tally.arrive(side);
        let at = state.now();
        let mut quota = Ok(None);
        let reply = match side {
            Side::Token => {
                quota = state.take_slot(at);
                state.token.next()
            }
            Side::Api => state.api.next(),
            Side::Stray => state.stray.next(),
        };
        let (parts, body) = request.into_parts();
        let upload = state.record.push(side, at, &parts, place);
        if !reply.early {
            Upload::read(&upload, body, state.settings.keep_body).await;
        }
        let upload = lock(&upload).clone();
        if let Some(gate) = &reply.process_after {
            gate.pass().await;
        }
        let answer = match reply.kind {
            Kind::Cut(cut) => Err(cut),
            Kind::Silence => std::future::pending().await,
            Kind::Fixed(status, body) => Ok(Answer::new(status, body)),
            Kind::Normal => {
                let request = VendorRequest::new(Incoming {
                    state: &state,
                    parts: &parts,
                    upload: &upload,
                    mint: &reply.mint,
                    edits: &reply.edits,
                    slot: quota.ok().flatten(),
                    api_path: rules.api_path(),
                });
                Ok(match (side, quota) {
                    (Side::Token, Err(wait)) => state.over_quota(wait),
                    (Side::Token, Ok(_)) => rules.token(&request),
                    (Side::Api, _) => rules.api(&request),
                    (Side::Stray, _) => Answer::json(state.settings.stray_status, &json!({})),
                })
            }
        };
        if let Some(delay) = reply.delay {
            tokio::time::sleep(delay).await;
        }
        if let Some(gate) = &reply.answer_after {
            gate.pass().await;
        }
        let mut answer = match answer {
            Ok(answer) => answer,
            Err(cut) => return no_response(cut),
        };
        state.tally.answer(side, answer.status);
        answer.headers.extend(state.date());
        answer.headers.extend(reply.headers);
        if parts.method == Method::HEAD {
            answer.body = Bytes::new();
        }
        let body = ScriptedBody::new(answer.body, reply.delivery, in_flight);
        let mut response = Response::new(Body::new(body));
        *response.status_mut() = answer.status;
        for (name, value) in answer.headers {
            response.headers_mut().append(name, value);
        }
        response
    }
}

/// Marks a response that is not sent: the connection ends instead.
fn no_response(cut: Cut) -> Response {
    let mut response = Response::default();
    response.extensions_mut().insert(cut);
    response
}
