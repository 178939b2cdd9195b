//! The faults, and the names under which they are counted.

use std::time::Duration;

use auth_testkit::Reply;
use fastrand::Rng;

use crate::scenario::choose;

/// The fault of one token request.
pub(crate) enum TokenFault {
    Reply(Reply),
    /// A panic in the source.
    Panic,
    /// The client secret cannot be read.
    NoSecret,
    /// The client secret changes directly after it was read.
    Rotation,
}

/// Chooses the fault of a token request at random.
pub(crate) fn token(rng: &mut Rng) -> (&'static str, TokenFault) {
    let (kind, reply) = match rng.u8(0..27) {
        0 => (TOKEN[0], Reply::status(500)),
        1 => {
            let after = choose(rng, [0, 1, 2, 30, 120, 3_600, 100_000]);
            let reply = Reply::status(503).header("retry-after", after.to_string());
            (TOKEN[1], reply)
        }
        2 => {
            let reply = Reply::status(429);
            let reply = match rng.u8(0..3) {
                0 => reply,
                1 => reply.header("retry-after", rng.u32(0..300).to_string()),
                _ => reply.header("retry-after", "Fri, 01 Jan 2100 00:00:00 GMT"),
            };
            (TOKEN[2], reply)
        }
        3 => (TOKEN[3], Reply::normal().delay(seconds(rng, 9_000))),
        4 => (TOKEN[4], Reply::never()),
        5 => (TOKEN[5], Reply::garbage()),
        6 => (TOKEN[6], Reply::oversize(70_000)),
        7 => (TOKEN[7], Reply::normal().cut_after(20)),
        8 => (TOKEN[8], Reply::cut()),
        9 => (TOKEN[9], Reply::html()),
        10 => (TOKEN[10], Reply::normal().same_token()),
        11 => (TOKEN[11], Reply::normal().expired_token()),
        12 => (TOKEN[12], Reply::normal().lifetime(Duration::ZERO)),
        13 => {
            let odd = [
                "-1", "\"30\"", "1.9", "1e300", "true", "[]", "\"soon\"", "null",
            ];
            (TOKEN[13], Reply::normal().expires_in(choose(rng, odd)))
        }
        14 => (TOKEN[14], Reply::redirect(307, "https://evil.test/token")),
        15 => (TOKEN[15], Reply::oauth_error(400, "invalid_grant")),
        16 => {
            let reply = Reply::status(200).json("{\"error\":\"temporarily_unavailable\"}");
            (TOKEN[16], reply)
        }
        17 => (
            TOKEN[17],
            Reply::normal().with("access_token", "\"fake token\""),
        ),
        18 => {
            let hint = rng.u32(1..100);
            (TOKEN[18], Reply::normal().with("refresh_in", hint))
        }
        19 => {
            let lifetime = Duration::from_secs(rng.u64(1..4));
            (TOKEN[19], Reply::normal().lifetime(lifetime))
        }
        20 => {
            let late = Reply::normal().lifetime(Duration::from_secs(2));
            (TOKEN[20], late.delay(Duration::from_secs(3)))
        }
        21 => (TOKEN[21], Reply::normal().trickle(seconds(rng, 300))),
        22 => (TOKEN[22], Reply::status(200)),
        23 => (TOKEN[23], Reply::normal().without("token_type")),
        24 => return (TOKEN[24], TokenFault::Panic),
        25 => return (TOKEN[25], TokenFault::NoSecret),
        _ => return (TOKEN[26], TokenFault::Rotation),
    };
    (kind, TokenFault::Reply(reply))
}

/// Chooses the fault of an API response at random.
pub(crate) fn api(rng: &mut Rng) -> (&'static str, Reply) {
    let (kind, reply) = match rng.u8(0..18) {
        0 => (API[0], Reply::status(401)),
        1 => (API[1], Reply::refuse()),
        2 => (API[2], Reply::challenge("Basic realm=\"fake\"")),
        3 => (
            API[3],
            Reply::challenge("Bearer error=\"insufficient_scope\""),
        ),
        4 => (API[4], Reply::challenge("Bearer error=\"invalid_request\"")),
        5 => {
            let line = "Bearer error=\"insufficient_user_authentication\", acr_values=\"fake\"";
            (API[5], Reply::challenge(line))
        }
        6 => (API[6], Reply::status(403)),
        7 => (API[7], Reply::status(407)),
        8 => (API[8], Reply::status(429).header("retry-after", "3")),
        9 => (API[9], Reply::status(500)),
        10 => (API[10], Reply::status(503)),
        11 => (API[11], Reply::redirect(307, "https://evil.test/things")),
        12 => (RESET, Reply::cut()),
        13 => (SILENT, Reply::never()),
        14 => (API[14], Reply::normal().delay(seconds(rng, 3_000))),
        15 => (API[15], Reply::refuse().delay(seconds(rng, 3_000))),
        16 => (EARLY, Reply::refuse().early()),
        _ => (API[17], Reply::normal().cut_after(3)),
    };
    (kind, reply)
}

fn seconds(rng: &mut Rng, most_millis: u64) -> Duration {
    Duration::from_millis(rng.u64(1..most_millis))
}

const TOKEN: [&str; 27] = [
    "token endpoint: 500",
    "token endpoint: 503 with Retry-After",
    "token endpoint: 429",
    "token endpoint: slow",
    "token endpoint: silent",
    "token endpoint: broken JSON",
    "token endpoint: oversize",
    "token endpoint: cut off",
    "token endpoint: reset",
    "token endpoint: web page",
    "token endpoint: same token",
    "token endpoint: expired token",
    "token endpoint: lifetime of zero",
    "token endpoint: odd expires_in",
    "token endpoint: redirect",
    "token endpoint: invalid_grant",
    "token endpoint: error in a 200",
    "token endpoint: token no header can carry",
    "token endpoint: hint when to renew",
    "token endpoint: short life",
    "token endpoint: slower than the token lives",
    "token endpoint: trickle",
    "token endpoint: empty",
    "token endpoint: no token type",
    "source: panic",
    "source: secret not readable",
    "source: secret rotated while it is used",
];

const API: [&str; 18] = [
    "api: bare 401",
    "api: 401 invalid_token",
    "api: 401 of another scheme",
    "api: 401 insufficient_scope",
    "api: 401 invalid_request",
    "api: 401 step-up",
    "api: 403",
    "api: 407",
    "api: 429",
    "api: 500",
    "api: 503",
    "api: redirect",
    RESET,
    SILENT,
    "api: slow",
    "api: slow 401",
    EARLY,
    "api: cut off",
];

/// The connection is reset.
pub(crate) const RESET: &str = "api: reset";
/// The answer never arrives.
pub(crate) const SILENT: &str = "api: silent";
/// The answer arrives before the body was read.
pub(crate) const EARLY: &str = "api: 401 before the upload";

/// All counted faults. Each must occur.
pub(crate) fn kinds() -> impl Iterator<Item = &'static str> {
    TOKEN.into_iter().chain(API).chain(EVENTS)
}

const EVENTS: [&str; 17] = [
    event::CANCELLED_BY_TIME,
    event::CANCELLED_BY_POLLS,
    event::WALL_FORWARD,
    event::WALL_BACK,
    event::SUSPEND,
    event::REVOKED,
    event::REFUSES_ALL,
    event::SECRET_KNOWN_FIRST,
    event::SECRET_KNOWN_LATER,
    event::SECOND_TRY,
    event::OUTAGE,
    event::STREAM,
    event::OWN_CREDENTIAL,
    event::FOREIGN,
    event::REFUSAL_BACK_OFF,
    event::TWICE,
    event::OVER_QUOTA,
];

pub(crate) mod event {
    pub(crate) const CANCELLED_BY_TIME: &str = "caller: cancelled by time";
    pub(crate) const CANCELLED_BY_POLLS: &str = "caller: cancelled at an await";
    pub(crate) const WALL_FORWARD: &str = "clock: wall forward";
    pub(crate) const WALL_BACK: &str = "clock: wall back";
    pub(crate) const SUSPEND: &str = "clock: suspend";
    pub(crate) const REVOKED: &str = "api: tokens revoked";
    pub(crate) const REFUSES_ALL: &str = "api: refuses everything for a while";
    pub(crate) const SECRET_KNOWN_FIRST: &str = "secret: rotated, client first";
    pub(crate) const SECRET_KNOWN_LATER: &str = "secret: rotated, client later";
    pub(crate) const SECOND_TRY: &str = "token request: once more with another secret";
    pub(crate) const OUTAGE: &str = "token endpoint: outage";
    pub(crate) const STREAM: &str = "request: one-shot body";
    pub(crate) const OWN_CREDENTIAL: &str = "request: with its own credential";
    pub(crate) const FOREIGN: &str = "request: foreign destination";
    pub(crate) const REFUSAL_BACK_OFF: &str = "outcome: refusal_back_off";
    pub(crate) const TWICE: &str = "outcome: refused twice";
    pub(crate) const OVER_QUOTA: &str = "outcome: over quota";
}
