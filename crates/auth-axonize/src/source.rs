use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use auth_core::{
    AccessToken, Credentials, Error, ErrorKind, Moment, RejectedPart, Secret, SecretSource as _,
    SharedClock, SharedSecretSource, TokenRequest, TokenRequestOutcome, TokenSource,
};
use auth_oauth2::{BodyFormat, ReplyRules, Scrubber, TokenEndpoint, parse_reply};
use bytes::Bytes;
use http::{Response, StatusCode};
use zeroize::Zeroize as _;

use crate::{
    MfaAnswer, MfaChallenge, VENDOR,
    mfa::{self, Callback},
    settings::APP_ID,
    wire::SecondFactor,
};

/// Logs in with e-mail address and password, and with a binding code if the vendor requires one.
pub(crate) struct Login {
    pub(crate) login: TokenEndpoint,
    pub(crate) verify: TokenEndpoint,
    pub(crate) resend: TokenEndpoint,
    pub(crate) application: Application,
    pub(crate) email: Secret,
    pub(crate) password: SharedSecretSource,
    pub(crate) mfa: Option<Callback>,
    pub(crate) mfa_deadline: Duration,
    pub(crate) rules: ReplyRules,
    pub(crate) no_callback: NoCallback,
    pub(crate) clock: SharedClock,
}

/// How a login names the application.
pub(crate) enum Application {
    /// In the header `appId`.
    Id(Secret),
    /// In the body's member `url`.
    Url(String),
}

/// Limits logins that require a code when there is no callback: only a change at the vendor, or a
/// program that sets `mfa`, can help.
#[derive(Debug, Default)]
pub(crate) struct NoCallback(Mutex<Option<Blocked>>);

/// Why no login may be sent, and until when.
#[derive(Debug)]
struct Blocked {
    until: Moment,
    error: Error,
}

impl NoCallback {
    /// Returns the error if no login may be sent now.
    fn check(&self, now: Moment) -> Result<(), Error> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Blocked { until, error }) = &*last else {
            return Ok(());
        };
        let wait = now.wait_until(*until);
        if wait.is_zero() {
            Ok(())
        } else {
            Err(error
                .clone()
                .with_outcome(TokenRequestOutcome::NotSent)
                .with_retry_after(wait))
        }
    }

    fn happened(&self, error: &Error, now: Moment) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(Blocked {
            until: now + DAY,
            error: error.clone(),
        });
    }
}

impl Login {
    async fn read_password(&self) -> Result<Secret, Error> {
        let password = self.password.read().await;
        let password =
            password.map_err(|error| error.with_outcome(TokenRequestOutcome::NotSent))?;
        if password.is_empty() {
            Err(Error::config(
                "password",
                "the password that was read is empty",
            ))
        } else {
            Ok(password)
        }
    }

    async fn log_in(&self, password: &Secret) -> Result<AccessToken, Error> {
        let mut parameters = vec![
            ("email", self.email.expose()),
            ("password", password.expose()),
        ];
        let mut headers = Vec::new();
        match &self.application {
            Application::Id(id) => headers.push((APP_ID, id.clone())),
            Application::Url(url) => parameters.push(("url", url)),
        }
        let reply = self
            .login
            .post(BodyFormat::Json, &headers, &parameters)
            .await?;
        let scrubber = Scrubber::new()
            .secret(self.email.clone())
            .secret(password.clone());
        match reply.status() {
            StatusCode::UNAUTHORIZED => {
                let message = "login answered 401: the e-mail address or the password is wrong";
                Err(Error::new(ErrorKind::Rejected, message)
                    .with_vendor(VENDOR)
                    .with_status(reply.status())
                    .with_outcome(TokenRequestOutcome::Rejected)
                    .with_rejected_part(RejectedPart::Credentials))
            }
            StatusCode::FORBIDDEN => match SecondFactor::parse(reply.body()) {
                Some(factor) => {
                    wipe(reply);
                    self.second_factor(factor, scrubber).await
                }
                None => self.token(reply, &scrubber).map_err(judged),
            },
            _ => self.token(reply, &scrubber).map_err(judged),
        }
    }

    /// Continues after the password was accepted.
    async fn second_factor(
        &self,
        mut factor: SecondFactor,
        scrubber: Scrubber,
    ) -> Result<AccessToken, Error> {
        let Some(callback) = &self.mfa else {
            let message = "login answered 403: multi-factor authentication is on for this user, and there is \
                 no callback for the code; have it switched off for the program's account, use API \
                 keys, or set `mfa`";
            let error = Error::new(ErrorKind::Rejected, message)
                .with_vendor(VENDOR)
                .with_status(StatusCode::FORBIDDEN)
                .with_outcome(TokenRequestOutcome::Rejected)
                .with_rejected_part(RejectedPart::SecondFactor);
            self.no_callback.happened(&error, self.clock.now());
            return Err(error);
        };
        let mut left = self.mfa_deadline;
        let mut resends = 0;
        loop {
            let scrubber = scrubber
                .clone()
                .secret(factor.token.clone())
                .secret(factor.authenticator_code.clone());
            let challenge = MfaChallenge {
                authenticator: factor.authenticator(&scrubber),
                resends,
            };
            match callback.ask(challenge, &mut left).await? {
                MfaAnswer::Code(code) => return self.send_code(&factor, code, scrubber).await,
                MfaAnswer::Resend if resends < MAX_RESENDS => {
                    resends += 1;
                    self.send_again(&mut factor, &scrubber).await?;
                }
                MfaAnswer::Resend => {
                    let problem = format_args!(
                        "asked {VENDOR} for the code more than {MAX_RESENDS} times again"
                    );
                    return Err(mfa::no_code(problem));
                }
            }
        }
    }

    async fn send_code(
        &self,
        factor: &SecondFactor,
        code: Secret,
        scrubber: Scrubber,
    ) -> Result<AccessToken, Error> {
        if code.is_empty() {
            return Err(mfa::no_code("the callback's code is empty"));
        }
        let parameters = [
            ("token", factor.token.expose()),
            ("authenticatorCode", factor.authenticator_code.expose()),
            ("bindingCode", code.expose()),
        ];
        let reply = self.verify.post(BodyFormat::Json, &[], &parameters).await?;
        let result = self.token(reply, &scrubber.secret(code.clone()));
        result.map_err(of_second_factor)
    }

    /// The reply may contain another token and code for the next request.
    async fn send_again(
        &self,
        factor: &mut SecondFactor,
        scrubber: &Scrubber,
    ) -> Result<(), Error> {
        let parameters = [
            ("token", factor.token.expose()),
            ("authenticatorCode", factor.authenticator_code.expose()),
        ];
        let reply = self.resend.post(BodyFormat::Json, &[], &parameters).await?;
        if !reply.status().is_success() {
            let result = self.token(reply, scrubber);
            return result.map(|_| ()).map_err(of_second_factor);
        }
        if let Some(next) = SecondFactor::parse(reply.body()) {
            *factor = next;
        }
        wipe(reply);
        Ok(())
    }

    fn token(&self, reply: Response<Bytes>, scrubber: &Scrubber) -> Result<AccessToken, Error> {
        parse_reply(VENDOR, reply, &self.rules, scrubber, self.clock.now())
    }
}

impl TokenSource for Login {
    async fn fetch(&self, token_request: TokenRequest) -> Result<AccessToken, Error> {
        let password = token_request.credentials.secret(0).ok_or_else(|| {
            let problem = "the password is missing; pass what `TokenSource::credentials` returned";
            Error::config("TokenRequest::credentials", problem)
        })?;
        self.no_callback.check(self.clock.now())?;
        self.log_in(password).await
    }

    async fn credentials(&self) -> Result<Credentials, Error> {
        let (kind, application) = match &self.application {
            Application::Id(id) => ("id", id.expose()),
            Application::Url(url) => ("url", url.as_str()),
        };
        let url = self.login.normalized_url();
        let account = [&*url, kind, application, self.email.expose()];
        Ok(Credentials::lockable(
            &account,
            [self.read_password().await?],
        ))
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").finish_non_exhaustive()
    }
}

/// Reports that the vendor rejected the login. The vendor's page names 401 for a wrong password
/// only. To miss a rejection may lock the account; to count one too many costs a day at most.
fn judged(error: Error) -> Error {
    let looked = |status: StatusCode| status.is_success() || matches!(status.as_u16(), 400 | 403);
    match error.status() {
        Some(status) if rejected(&error) && looked(status) => {
            error.with_rejected_part(RejectedPart::Credentials)
        }
        _ => error,
    }
}

/// Reports that the vendor rejected the code, or did not send another. The password was right.
fn of_second_factor(error: Error) -> Error {
    if rejected(&error) {
        error.with_rejected_part(RejectedPart::SecondFactor)
    } else {
        error
    }
}

fn rejected(error: &Error) -> bool {
    error.outcome() == TokenRequestOutcome::Rejected
}

/// Best effort: the body may be shared.
fn wipe(reply: Response<Bytes>) {
    if let Ok(mut body) = reply.into_body().try_into_mut() {
        body.as_mut().zeroize();
    }
}

/// In one login.
const MAX_RESENDS: u8 = 3;
/// The interval between two logins that require a code, without a callback.
const DAY: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests;
