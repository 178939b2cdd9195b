//! A request that waits for a token, or for readiness with a token.

use std::{
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use auth_core::{Acquire, Generation, Moment, Token};
use http::{Request, Response};
use tower_service::Service;

use crate::{
    AuthOutcome, Error, MissingToken, NotReplayed, Replay, Unsigned, notice, replay::sealed::Kept,
    shared::Handle,
};

/// A request that is not sent yet. Contains all that a request with a cached token does not need.
pub(crate) struct Pending<S: Service<Request<B>>, B, R, H> {
    handle: H,
    phase: Phase,
    inner: S,
    request: Option<Request<B>>,
    /// Only before the first send, because there is no third send.
    replay: Option<R>,
    notes: Box<AuthOutcome>,
    /// The response to the first send. Returned if no second send follows.
    refused: Option<S::Response>,
    since: Moment,
    /// Readiness took time, so the token may be outdated.
    stale: bool,
    rounds: u8,
}

/// Marks a second send, for layers of this kind below.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resent;

/// What a pending request waits for.
pub(crate) enum Phase {
    Acquiring(Acquire),
    /// The API may not know the refused token yet, so the same token is sent once more.
    AcquiringSame(Acquire),
    Readying(Token),
    /// Without a token, because the layer is set to send unsigned.
    ReadyingUnsigned,
}

/// The result of waiting.
pub(crate) enum Next<S: Service<Request<B>>, B, K> {
    Call {
        call: S::Future,
        signed: Option<Generation>,
        kept: K,
        notes: Box<AuthOutcome>,
    },
    Response(S::Response),
}

impl<S, B, ResB, R, H> Pending<S, B, R, H>
where
    S: Service<Request<B>, Response = Response<ResB>> + Clone,
    R: Replay<B>,
    H: Handle<S>,
{
    /// Makes a waiting request that arrived while no valid token was cached.
    pub(crate) fn start(handle: H, inner: S, request: Request<B>, replay: R) -> Self {
        let notes = AuthOutcome {
            sends: 0,
            ..AuthOutcome::default()
        };
        Self {
            since: handle.settings().authenticator.clock().now(),
            phase: Phase::Acquiring(handle.settings().authenticator.token()),
            handle,
            inner,
            request: Some(request),
            replay: Some(replay),
            notes: Box::new(notes),
            refused: None,
            stale: false,
            rounds: 0,
        }
    }

    /// Makes a waiting request for the second send, after this response.
    pub(crate) fn again(
        handle: H,
        phase: Phase,
        inner: S,
        request: Request<B>,
        refused: S::Response,
        notes: Box<AuthOutcome>,
    ) -> Self {
        Self {
            since: handle.settings().authenticator.clock().now(),
            handle,
            phase,
            inner,
            request: Some(request),
            replay: None,
            notes,
            refused: Some(refused),
            stale: false,
            rounds: 0,
        }
    }

    pub(crate) fn handle(&self) -> &H {
        &self.handle
    }

    /// Continues until the request can be sent, or will not be sent.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<PendingResult<S, B, R>> {
        loop {
            match &mut self.phase {
                Phase::Acquiring(acquire) => {
                    let acquired = ready!(Pin::new(acquire).poll(cx));
                    let now = self.handle.settings().authenticator.clock().now();
                    self.notes.waited += now.wait_since(self.since);
                    let refused = self.notes.refused;
                    let again = |token: &Token| refused == Some(token.generation());
                    match (acquired, self.refused.take()) {
                        // A credential that does not expire and was not replaced.
                        (Ok(token), Some(response)) if again(&token) => {
                            return self.stands(response, NotReplayed::Unchanged);
                        }
                        (Ok(token), response) => {
                            self.refused = response;
                            self.phase = Phase::Readying(token);
                        }
                        (Err(error), Some(response)) => {
                            return self.stands(response, NotReplayed::NoToken(error));
                        }
                        (Err(error), None) => {
                            if self.handle.settings().without_token == MissingToken::Fail {
                                return Poll::Ready(Err(Error::Auth(error)));
                            }
                            let why = Unsigned::NoToken(error);
                            if let Some(request) = &self.request {
                                let authenticator = &self.handle.settings().authenticator;
                                notice::unsigned(authenticator, request.uri(), &why);
                            }
                            self.notes.unsigned = Some(why);
                            self.phase = Phase::ReadyingUnsigned;
                        }
                    }
                }
                Phase::AcquiringSame(acquire) => {
                    let acquired = ready!(Pin::new(acquire).poll(cx));
                    let now = self.handle.settings().authenticator.clock().now();
                    self.notes.waited += now.wait_since(self.since);
                    match (acquired, self.refused.take()) {
                        (Ok(token), response) => {
                            self.refused = response;
                            self.phase = Phase::Readying(token);
                        }
                        (Err(error), Some(response)) => {
                            return self.stands(response, NotReplayed::NoToken(error));
                        }
                        (Err(error), None) => return Poll::Ready(Err(Error::Auth(error))),
                    }
                }
                Phase::Readying(token) => {
                    // Dropped before readiness is polled: with a client that has one connection,
                    // the response may occupy it.
                    if self.refused.take().is_some() {
                        if let Some(request) = &mut self.request {
                            R::start_over(request);
                        }
                    }
                    let Poll::Ready(ready) = self.inner.poll_ready(cx) else {
                        self.stale = true;
                        return Poll::Pending;
                    };
                    ready.map_err(Error::Inner)?;
                    if mem::take(&mut self.stale) && self.rounds < MAX_ROUNDS {
                        // Return the ready service before waiting again.
                        self.rounds += 1;
                        let authenticator = &self.handle.settings().authenticator;
                        if authenticator.fresh_token().is_none() {
                            self.inner = self.inner.clone();
                            self.since = authenticator.clock().now();
                            self.phase = Phase::Acquiring(authenticator.token());
                            continue;
                        }
                    }
                    let newest = self.handle.settings().authenticator.try_token();
                    let token = newest.unwrap_or_else(|| token.clone());
                    return Poll::Ready(self.send(Some(token)));
                }
                Phase::ReadyingUnsigned => {
                    ready!(self.inner.poll_ready(cx)).map_err(Error::Inner)?;
                    return Poll::Ready(self.send(None));
                }
            }
        }
    }

    /// Returns the refusal to the caller.
    fn stands(&mut self, response: S::Response, why: NotReplayed) -> Poll<PendingResult<S, B, R>> {
        let uri = self.request.as_ref().map(Request::uri);
        notice::not_replayed(&self.handle.settings().authenticator, uri, &why);
        let notes = mem::take(&mut self.notes);
        Poll::Ready(Ok(Next::Response(notes.let_stand(response, why))))
    }

    fn send(&mut self, token: Option<Token>) -> PendingResult<S, B, R> {
        let mut request = self.request.take().expect("a pending request is sent once");
        if self.replay.is_none() {
            request.extensions_mut().insert(Resent);
        }
        let kept = match &self.replay {
            Some(replay) if token.is_some() => replay.keep(&request),
            _ => R::Kept::nothing(),
        };
        match &token {
            Some(token) => token.try_sign(request.headers_mut()).map_err(Error::Auth)?,
            // With `ExistingCredential::Replace`, the header that was to be replaced is not sent.
            None => self
                .handle
                .settings()
                .authenticator
                .unsign(request.headers_mut()),
        }
        let mut notes = mem::take(&mut self.notes);
        notes.sends += 1;
        let signed = token.map(|token| token.generation());
        notes.generation = signed;
        Ok(Next::Call {
            call: self.inner.call(request),
            signed,
            kept,
            notes,
        })
    }
}

/// The end of waiting.
type PendingResult<S, B, R> =
    Result<Next<S, B, <R as Replay<B>>::Kept>, Error<<S as Service<Request<B>>>::Error>>;

/// How often a token may become outdated while its request waits for readiness.
const MAX_ROUNDS: u8 = 2;
