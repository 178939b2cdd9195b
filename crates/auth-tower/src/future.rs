use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use auth_core::{Acquire, Generation, Local, Moment, Refusal, Token};
use http::{Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{
    AuthOutcome, Error, NotReplayed, Replay, WithoutToken, layer::Settings, replay::sealed::Kept,
    verdict::Verdict,
};

pin_project! {
    /// The future of [`Auth`](crate::Auth): a response, after at most two sends.
    #[must_use = "futures do nothing unless awaited"]
    pub struct ResponseFuture<S, B, R>
    where
        S: Service<Request<B>>,
        R: Replay<B>,
    {
        #[pin]
        state: State<S, B, R>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, B, R>
    where
        S: Service<Request<B>>,
        R: Replay<B>,
    {
        // The request is out.
        Calling {
            #[pin]
            call: S::Future,
            settings: Local<Settings>,
            // The token that signed it.
            signed: Option<Generation>,
            // For a second send.
            kept: R::Kept<S>,
            // None for a first send that did not wait.
            notes: Option<Box<AuthOutcome>>,
        },
        // The request waits for a token, or for readiness with a token in hand.
        Waiting { pending: Option<Box<Pending<S, B, R>>> },
        // The request was not sent.
        Failed { error: Option<auth_core::Error> },
    }
}

/// A request that is not out: everything that a request with a token at hand does not need.
pub(crate) struct Pending<S: Service<Request<B>>, B, R> {
    settings: Local<Settings>,
    phase: Phase,
    inner: S,
    request: Option<Request<B>>,
    /// Only before the first send: there is no third.
    replay: Option<R>,
    notes: Box<AuthOutcome>,
    /// The response to the first send, returned if no second one follows.
    refused: Option<S::Response>,
    since: Moment,
    /// Readiness took its time, so that the token in hand may be an old one.
    stale: bool,
    rounds: u8,
}

enum Phase {
    Acquiring(Acquire),
    Readying(Token),
    /// Without a token, because the layer was told to.
    ReadyingUnsigned,
}

/// What a pending request came to.
enum Next<S: Service<Request<B>>, B, K> {
    Call {
        call: S::Future,
        signed: Option<Generation>,
        kept: K,
        notes: Box<AuthOutcome>,
    },
    Response(S::Response),
}

impl<S, B, ResB, R> ResponseFuture<S, B, R>
where
    S: Service<Request<B>, Response = Response<ResB>>,
    R: Replay<B>,
{
    #[inline]
    pub(crate) fn signed(
        call: S::Future,
        settings: Local<Settings>,
        generation: Generation,
        kept: R::Kept<S>,
    ) -> Self {
        let signed = Some(generation);
        Self {
            state: State::Calling {
                call,
                settings,
                signed,
                kept,
                notes: None,
            },
        }
    }

    pub(crate) fn unsigned(call: S::Future, settings: Local<Settings>, kept: R::Kept<S>) -> Self {
        Self {
            state: State::Calling {
                call,
                settings,
                signed: None,
                kept,
                notes: None,
            },
        }
    }

    pub(crate) fn waiting(pending: Pending<S, B, R>) -> Self {
        Self {
            state: State::Waiting {
                pending: Some(Box::new(pending)),
            },
        }
    }

    pub(crate) fn failed(error: auth_core::Error) -> Self {
        Self {
            state: State::Failed { error: Some(error) },
        }
    }
}

impl<S, B, ResB, R> Future for ResponseFuture<S, B, R>
where
    S: Service<Request<B>, Response = Response<ResB>> + Clone,
    R: Replay<B>,
{
    type Output = Result<Response<ResB>, Error<S::Error>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let state = self.as_mut().project().state.project();
        let mut answer = None;
        if let StateProj::Calling {
            call,
            settings,
            notes,
            ..
        } = state
        {
            let result = ready!(call.poll(cx));
            // Looked at in place: a response is large, and each move copies it.
            let is_plain = match &result {
                Ok(response) => notes.is_none() && says_nothing(settings, response),
                Err(_) => true,
            };
            if is_plain {
                return Poll::Ready(result.map_err(Error::Inner));
            }
            answer = Some(result);
        }
        self.poll_on(answer, cx)
    }
}

impl<S, B, ResB, R> ResponseFuture<S, B, R>
where
    S: Service<Request<B>, Response = Response<ResB>> + Clone,
    R: Replay<B>,
{
    /// Everything that a request does not need that was signed, sent and accepted at once.
    #[cold]
    fn poll_on(
        self: Pin<&mut Self>,
        mut answer: Option<Result<Response<ResB>, S::Error>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<ResB>, Error<S::Error>>> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProj::Calling {
                    call,
                    settings,
                    signed,
                    kept,
                    notes,
                } => {
                    let result = match answer.take() {
                        Some(answer) => answer,
                        None => ready!(call.poll(cx)),
                    };
                    let response = result.map_err(Error::Inner)?;
                    let Some(generation) = *signed else {
                        let response = match notes.take() {
                            Some(mut notes) => {
                                notes.count_below(&response);
                                noted(response, *notes)
                            }
                            None => response,
                        };
                        return Poll::Ready(Ok(response));
                    };
                    let kept = mem::replace(kept, R::Kept::nothing());
                    match judge(settings, response, generation, kept, notes.take()) {
                        Ok(response) => return Poll::Ready(Ok(response)),
                        Err(pending) => State::Waiting {
                            pending: Some(pending),
                        },
                    }
                }
                StateProj::Waiting { pending } => {
                    let waiting = pending.as_mut().expect("polled after it was ready");
                    let next = ready!(waiting.poll(cx));
                    let settings = waiting.settings.clone();
                    *pending = None;
                    match next {
                        Ok(Next::Response(response)) => return Poll::Ready(Ok(response)),
                        Ok(Next::Call {
                            call,
                            signed,
                            kept,
                            notes,
                        }) => State::Calling {
                            call,
                            settings,
                            signed,
                            kept,
                            notes: Some(notes),
                        },
                        Err(error) => return Poll::Ready(Err(error)),
                    }
                }
                StateProj::Failed { error } => {
                    let error = error.take().expect("polled after it was ready");
                    return Poll::Ready(Err(Error::Auth(error)));
                }
            };
            this.state.set(next);
        }
    }
}

/// What nearly every response is: no 401, no mark, no rule to ask.
#[inline]
fn says_nothing<ResB>(settings: &Settings, response: &Response<ResB>) -> bool {
    response.status() != StatusCode::UNAUTHORIZED
        && response.extensions().is_empty()
        && settings.rules.refused_when.is_none()
        && !settings.rules.grpc
}

/// Reads a response to a signed request: it is what the caller gets, or the reason to send the
/// request once more.
#[cold]
fn judge<S, B, ResB, R>(
    settings: &Local<Settings>,
    response: Response<ResB>,
    generation: Generation,
    kept: R::Kept<S>,
    notes: Option<Box<AuthOutcome>>,
) -> Result<Response<ResB>, Box<Pending<S, B, R>>>
where
    S: Service<Request<B>, Response = Response<ResB>>,
    R: Replay<B>,
{
    let verdict = settings.rules.read(&response);
    if notes.is_none() && matches!(verdict, Verdict::Accepted | Verdict::Unclear) {
        return Ok(response);
    }
    let mut notes = notes.unwrap_or_default();
    let resent = notes.sends > 1;
    notes.generation = Some(generation);
    notes.count_below(&response);
    match verdict {
        Verdict::Refused => {}
        Verdict::Accepted => {
            if resent {
                settings.authenticator.accepted(generation);
            }
            return Ok(noted(response, *notes));
        }
        Verdict::StepUp(step_up) => {
            let mut response = noted(response, *notes);
            response.extensions_mut().insert(step_up);
            return Ok(response);
        }
        Verdict::Unclear => return Ok(noted(response, *notes)),
    }
    notes.refused = Some(generation);
    if resent {
        return Ok(let_stand(response, *notes, NotReplayed::Twice));
    }
    // Reported whether or not it can be sent again: the next request needs a good token.
    let phase = match settings.authenticator.refuse(generation) {
        Refusal::Superseded(token) => Phase::Readying(token),
        Refusal::Renewing => Phase::Acquiring(settings.authenticator.token()),
        Refusal::Failed(error) => {
            return Ok(let_stand(response, *notes, NotReplayed::NoToken(error)));
        }
        _ => return Ok(let_stand(response, *notes, NotReplayed::Damped)),
    };
    // A layer like this one below has used the second send up.
    if notes.sends > 1 {
        return Ok(let_stand(response, *notes, NotReplayed::Twice));
    }
    match kept.restore() {
        Err(why) => Ok(let_stand(response, *notes, why)),
        Ok((inner, request)) => Err(Box::new(Pending {
            since: settings.authenticator.clock().now(),
            settings: settings.clone(),
            phase,
            inner,
            request: Some(request),
            replay: None,
            notes,
            refused: Some(response),
            stale: false,
            rounds: 0,
        })),
    }
}

/// Returns a refusal as it is, with the reason why no second send follows.
fn let_stand<ResB>(
    response: Response<ResB>,
    mut notes: AuthOutcome,
    why: NotReplayed,
) -> Response<ResB> {
    notes.not_replayed = Some(why);
    noted(response, notes)
}

fn noted<ResB>(mut response: Response<ResB>, notes: AuthOutcome) -> Response<ResB> {
    response.extensions_mut().insert(notes);
    response
}

impl<S, B, ResB, R> Pending<S, B, R>
where
    S: Service<Request<B>, Response = Response<ResB>> + Clone,
    R: Replay<B>,
{
    /// A request that arrived while no token was at hand.
    pub(crate) fn start(
        settings: Local<Settings>,
        inner: S,
        request: Request<B>,
        replay: R,
    ) -> Self {
        Self {
            since: settings.authenticator.clock().now(),
            phase: Phase::Acquiring(settings.authenticator.token()),
            settings,
            inner,
            request: Some(request),
            replay: Some(replay),
            notes: Box::new(AuthOutcome {
                sends: 0,
                ..AuthOutcome::default()
            }),
            refused: None,
            stale: false,
            rounds: 0,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<PendingResult<S, B, R>> {
        loop {
            match &mut self.phase {
                Phase::Acquiring(acquire) => {
                    let acquired = ready!(Pin::new(acquire).poll(cx));
                    let now = self.settings.authenticator.clock().now();
                    self.notes.waited += now.wait_since(self.since);
                    match acquired {
                        Ok(token) => self.phase = Phase::Readying(token),
                        Err(error) => {
                            if let Some(response) = self.refused.take() {
                                let notes = mem::take(&mut self.notes);
                                let why = NotReplayed::NoToken(error);
                                return Poll::Ready(Ok(Next::Response(let_stand(
                                    response, *notes, why,
                                ))));
                            }
                            if self.settings.without_token == WithoutToken::Fail {
                                return Poll::Ready(Err(Error::Auth(error)));
                            }
                            self.phase = Phase::ReadyingUnsigned;
                        }
                    }
                }
                Phase::Readying(token) => {
                    // Dropped before readiness is asked for: on a client with one connection it
                    // may be what stands in the way.
                    self.refused = None;
                    let Poll::Ready(ready) = self.inner.poll_ready(cx) else {
                        self.stale = true;
                        return Poll::Pending;
                    };
                    ready.map_err(Error::Inner)?;
                    if mem::take(&mut self.stale) && self.rounds < MAX_ROUNDS {
                        // Give the readied service back before waiting once more.
                        self.rounds += 1;
                        let authenticator = &self.settings.authenticator;
                        if authenticator.try_token().is_none() {
                            self.inner = self.inner.clone();
                            self.since = authenticator.clock().now();
                            self.phase = Phase::Acquiring(authenticator.token());
                            continue;
                        }
                    }
                    let newest = self.settings.authenticator.try_token();
                    let token = newest.unwrap_or_else(|| token.clone());
                    return Poll::Ready(Ok(self.send(Some(token))));
                }
                Phase::ReadyingUnsigned => {
                    ready!(self.inner.poll_ready(cx)).map_err(Error::Inner)?;
                    return Poll::Ready(Ok(self.send(None)));
                }
            }
        }
    }

    fn send(&mut self, token: Option<Token>) -> Next<S, B, R::Kept<S>> {
        let mut request = self.request.take().expect("a pending request is sent once");
        let kept = match &self.replay {
            Some(replay) if token.is_some() => replay.keep(&self.inner, &request),
            _ => R::Kept::nothing(),
        };
        match &token {
            Some(token) => token.sign(request.headers_mut()),
            // With `Existing::Replace`, what would have been replaced does not go out either.
            None => self.settings.authenticator.unsign(request.headers_mut()),
        }
        let mut notes = mem::take(&mut self.notes);
        notes.sends += 1;
        let signed = token.map(|token| token.generation());
        notes.generation = signed;
        Next::Call {
            call: self.inner.call(request),
            signed,
            kept,
            notes,
        }
    }
}

type PendingResult<S, B, R> =
    Result<Next<S, B, <R as Replay<B>>::Kept<S>>, Error<<S as Service<Request<B>>>::Error>>;

impl<S, B, R> fmt::Debug for ResponseFuture<S, B, R>
where
    S: Service<Request<B>>,
    R: Replay<B>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

/// How often a token may grow old while its request waits for readiness.
const MAX_ROUNDS: u8 = 2;
