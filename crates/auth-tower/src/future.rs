use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use auth_core::{Generation, Local, Refusal, ScopeAnswer, TokenRefused};
use http::{Extensions, Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{
    AnsweredRequest, AuthOutcome, Error, InsufficientScope, NotReplayed, Replay,
    answered::redirected,
    marks::{BareRequest, Marked},
    notice,
    pending::{Next, Pending, Phase, Resent},
    replay::sealed::Kept,
    shared::{Handle, Shared},
    verdict::Verdict,
};

pin_project! {
    /// The future of [`Auth`](crate::Auth): a response, after at most two sends.
    #[must_use = "futures do nothing unless awaited"]
    pub struct ResponseFuture<S, B, R, H = Local<Shared<S>>>
    where
        S: Service<Request<B>>,
        R: Replay<B>,
    {
        #[pin]
        state: State<S, B, R, H>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, B, R, H>
    where
        S: Service<Request<B>>,
        R: Replay<B>,
    {
        // The request is sent and not answered.
        Calling {
            #[pin]
            call: S::Future,
            // With neither a token nor notes, the request goes to another origin.
            signed: Option<Signed<H>>,
            // For a second send.
            kept: R::Kept,
            // `None` for a first send that did not wait and is signed, or goes to another origin.
            notes: Option<Box<AuthOutcome>>,
        },
        // The request is not sent. One variant only, so that one comparison suffices to recognize
        // `Calling`.
        NotOut { why: Option<NotOut<S, B, R, H>> },
    }
}

/// What a signed request needs for its response.
struct Signed<H> {
    handle: H,
    generation: Generation,
}

enum NotOut<S, B, R, H>
where
    S: Service<Request<B>>,
    R: Replay<B>,
{
    /// The request waits for a token, or for readiness with a token.
    Waiting(Again<S, B, R, H>),
    /// The request was not sent, and will not be sent.
    Failed(auth_core::Error),
}

impl<S, B, ResB, R, H> ResponseFuture<S, B, R, H>
where
    S: Service<Request<B>, Response = Response<ResB>>,
    R: Replay<B>,
    H: Handle<S>,
{
    #[inline]
    pub(crate) fn signed(
        call: S::Future,
        handle: H,
        generation: Generation,
        kept: R::Kept,
    ) -> Self {
        let signed = Some(Signed { handle, generation });
        Self {
            state: State::Calling {
                call,
                signed,
                kept,
                notes: None,
            },
        }
    }

    pub(crate) fn unsigned(call: S::Future, notes: Option<Box<AuthOutcome>>) -> Self {
        Self {
            state: State::Calling {
                call,
                signed: None,
                kept: R::Kept::nothing(),
                notes,
            },
        }
    }

    pub(crate) fn waiting(pending: Pending<S, B, R, H>) -> Self {
        Self {
            state: State::NotOut {
                why: Some(NotOut::Waiting(Box::new(pending))),
            },
        }
    }

    pub(crate) fn failed(error: auth_core::Error) -> Self {
        Self {
            state: State::NotOut {
                why: Some(NotOut::Failed(error)),
            },
        }
    }
}

impl<S, B, ResB, R, H> Future for ResponseFuture<S, B, R, H>
where
    S: Service<Request<B>, Response = Response<ResB>> + Clone,
    R: Replay<B>,
    H: Handle<S>,
{
    type Output = Result<Response<ResB>, Error<S::Error>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let state = self.as_mut().project().state.project();
        let mut answer = None;
        if let StateProj::Calling {
            call,
            signed,
            notes,
            ..
        } = state
        {
            let mut result = ready!(call.poll(cx));
            // Judged in place, because each move copies the large response.
            let is_plain = match (&mut result, signed) {
                (Ok(_), _) if notes.is_some() => false,
                (Ok(response), Some(Signed { handle, .. })) => {
                    let heads_matter = handle.settings().heads_matter;
                    says_nothing(heads_matter, response.status(), response.extensions())
                }
                (Ok(response), None) => {
                    AuthOutcome::leave_elsewhere(response.extensions_mut());
                    true
                }
                (Err(_), _) => true,
            };
            if is_plain {
                return Poll::Ready(result.map_err(Error::Inner));
            }
            answer = Some(result);
        }
        self.poll_on(answer, cx)
    }
}

impl<S, B, ResB, R, H> ResponseFuture<S, B, R, H>
where
    S: Service<Request<B>, Response = Response<ResB>> + Clone,
    R: Replay<B>,
    H: Handle<S>,
{
    /// The slow path: everything except a request that is signed, sent and accepted at once.
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
                    signed,
                    kept,
                    notes,
                } => {
                    let result = match answer.take() {
                        Some(answer) => answer,
                        None => ready!(call.poll(cx)),
                    };
                    let mut response = result.map_err(Error::Inner)?;
                    let Some(Signed { handle, generation }) = signed else {
                        match notes.take() {
                            Some(notes) => response = notes.attach_unsigned(response),
                            None => AuthOutcome::leave_elsewhere(response.extensions_mut()),
                        }
                        return Poll::Ready(Ok(response));
                    };
                    let kept = mem::replace(kept, R::Kept::nothing());
                    match judge(&*handle, response, *generation, kept, notes.take()) {
                        Ok(response) => return Poll::Ready(Ok(response)),
                        Err(pending) => State::NotOut {
                            why: Some(NotOut::Waiting(pending)),
                        },
                    }
                }
                StateProj::NotOut { why } => {
                    let waiting = match why {
                        Some(NotOut::Waiting(waiting)) => waiting,
                        Some(NotOut::Failed(_)) | None => {
                            let Some(NotOut::Failed(error)) = why.take() else {
                                panic!("polled after it was ready");
                            };
                            return Poll::Ready(Err(Error::Auth(error)));
                        }
                    };
                    let next = ready!(waiting.poll(cx));
                    let handle = waiting.handle().clone();
                    *why = None;
                    match next {
                        Ok(Next::Response(response)) => return Poll::Ready(Ok(response)),
                        Ok(Next::Call {
                            call,
                            signed,
                            kept,
                            notes,
                        }) => State::Calling {
                            call,
                            signed: signed.map(|generation| Signed { handle, generation }),
                            kept,
                            notes: Some(notes),
                        },
                        Err(error) => return Poll::Ready(Err(error)),
                    }
                }
            };
            this.state.set(next);
        }
    }
}

/// What a request waits for before its second send.
type Again<S, B, R, H> = Box<Pending<S, B, R, H>>;

/// Returns whether a response is an ordinary one: no 401, no mark, and no rule to check.
#[inline(always)]
pub(crate) fn says_nothing(
    heads_matter: bool,
    status: StatusCode,
    extensions: &Extensions,
) -> bool {
    status != StatusCode::UNAUTHORIZED
        && !heads_matter
        && (extensions.is_empty() || has_no_mark(extensions))
}

/// Returns whether a response that is not a 401 has no mark that [`judge`] needs. Real clients
/// leave their own extensions, so an empty map is not required.
#[cold]
fn has_no_mark(extensions: &Extensions) -> bool {
    extensions.get::<TokenRefused>().is_none() && !Marked::is_on(extensions)
}

/// Judges a response to a signed request: it is returned to the caller, or it is the reason for a
/// second send.
#[cold]
fn judge<S, B, ResB, R, H>(
    handle: &H,
    mut response: Response<ResB>,
    generation: Generation,
    kept: R::Kept,
    notes: Option<Box<AuthOutcome>>,
) -> Result<Response<ResB>, Again<S, B, R, H>>
where
    S: Service<Request<B>, Response = Response<ResB>> + Clone,
    R: Replay<B>,
    H: Handle<S>,
{
    let settings = handle.settings();
    let authenticator = &settings.authenticator;
    if let Some((uri, why)) = BareRequest::of(&response, authenticator) {
        notice::unsigned(authenticator, &uri, &why);
        let mut notes = notes.unwrap_or_default();
        notes.unsigned = Some(why);
        return Ok(notes.attach(response));
    }
    let answered = AnsweredRequest::of(&response);
    let verdict = match &answered {
        // An answer of another origin says nothing about the token.
        Some(answered) if answered.is_outside(authenticator.origins()) => Verdict::Unclear,
        _ => settings.rules.read(&response),
    };
    let wanted = match verdict {
        Verdict::Accepted | Verdict::Unclear if settings.asks_for_scope => {
            InsufficientScope::of(&response)
        }
        _ => None,
    };
    if notes.is_none()
        && wanted.is_none()
        && matches!(verdict, Verdict::Accepted | Verdict::Unclear)
    {
        AuthOutcome::signed_above(&mut response);
        return Ok(response);
    }
    let mut notes = notes.unwrap_or_default();
    let resent = notes.sends > 1;
    notes.generation = Some(generation);
    notes.count_below(&response);
    let sent = kept.target();
    let target = sent.as_ref().map(|(_, uri)| uri);
    let stands = |notes: Box<AuthOutcome>, response, why: NotReplayed| {
        notice::not_replayed(authenticator, target, &why);
        Ok(notes.let_stand(response, why))
    };
    let phase = match (verdict, wanted) {
        (Verdict::Refused, _) => {
            notes.refused = Some(generation);
            // Reported also if the request cannot be sent again: the next request needs a valid
            // token, and the machine must know that another token did not help either.
            let refusal = notice::report_refused(authenticator, target, generation);
            if resent {
                return stands(notes, response, NotReplayed::Twice);
            }
            match refusal {
                Refusal::Superseded(token) => Phase::Readying(token),
                Refusal::Renewing(acquire) => Phase::Acquiring(acquire),
                Refusal::TooYoung(acquire) => Phase::AcquiringSame(acquire),
                Refusal::Failed(error) => {
                    return stands(notes, response, NotReplayed::NoToken(error));
                }
                _ => return stands(notes, response, NotReplayed::RefusalBackOff),
            }
        }
        (_, Some(wanted)) => {
            // The API knows the token: only its scope is too small.
            authenticator.report_accepted(generation);
            if resent {
                return stands(notes, response, NotReplayed::Twice);
            }
            match authenticator.report_insufficient_scope(generation, wanted.scopes()) {
                ScopeAnswer::Granted(token) => Phase::Readying(token),
                ScopeAnswer::Renewing(acquire) => Phase::Acquiring(acquire),
                ScopeAnswer::Failed(error) => {
                    return stands(notes, response, NotReplayed::NoToken(error));
                }
                ScopeAnswer::Declined(why) => {
                    return stands(notes, response, NotReplayed::Scope(why));
                }
                _ => return Ok(notes.attach(response)),
            }
        }
        (Verdict::Accepted, None) => {
            authenticator.report_accepted(generation);
            return Ok(notes.attach(response));
        }
        (Verdict::StepUp(step_up), None) => {
            let mut response = notes.attach(response);
            response.extensions_mut().insert(step_up);
            return Ok(response);
        }
        (Verdict::Unclear, None) => return Ok(notes.attach(response)),
    };
    // An `AuthLayer` below has used the second send.
    if notes.sends > 1 {
        return stands(notes, response, NotReplayed::Twice);
    }
    // The API may have carried out the request: a POST that was answered with a redirect.
    let why = sent
        .as_ref()
        .and_then(|(method, uri)| redirected::<S, _>(&response, answered.as_ref(), method, uri));
    if let Some(why) = why {
        return stands(notes, response, why);
    }
    match kept.restore() {
        Err(why) => stands(notes, response, why),
        // An `AuthLayer` above is at its second send, so this would be the third.
        Ok(request) if request.extensions().get::<Resent>().is_some() => {
            stands(notes, response, NotReplayed::Twice)
        }
        Ok(request) => {
            let Some(inner) = handle.spare() else {
                return stands(notes, response, NotReplayed::Off);
            };
            notice::replayed(authenticator, request.uri(), generation);
            let handle = handle.clone();
            let again = Pending::again(handle, phase, inner, request, response, notes);
            Err(Box::new(again))
        }
    }
}

impl<S, B, R, H> fmt::Debug for ResponseFuture<S, B, R, H>
where
    S: Service<Request<B>>,
    R: Replay<B>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
