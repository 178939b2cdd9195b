//! Real clients and real sockets. The servers record every request.

use std::net::Ipv4Addr;

use auth_testkit::{ForeignServer, Reply};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tower::ServiceExt;

use crate::{
    STATUSES,
    kinds::{KINDS, Kind},
    stacks::{Http, Stack},
};

/// The servers of one run.
pub(crate) struct Servers {
    pub(crate) home: ForeignServer,
    pub(crate) port: ForeignServer,
    /// On Linux only: other systems answer on 127.0.0.2 only if configured.
    pub(crate) host: Option<ForeignServer>,
}

/// The target of a redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The same URL, as after a form.
    Itself,
    Path,
    SameOrigin,
    OtherPort,
    OtherHost,
    ProtocolRelative,
    Backslash,
    /// The user information resembles the permitted origin.
    HomeAsUser,
    /// The permitted origin with user information, which `Origins` does not permit.
    UserAtHome,
    /// Another port, which redirects back.
    AwayAndBack,
}

impl Target {
    pub(crate) const ALL: [Self; 10] = [
        Self::Itself,
        Self::Path,
        Self::SameOrigin,
        Self::OtherPort,
        Self::OtherHost,
        Self::ProtocolRelative,
        Self::Backslash,
        Self::HomeAsUser,
        Self::UserAtHome,
        Self::AwayAndBack,
    ];

    /// Returns the URL. `None` on systems without such an address.
    pub(crate) fn location(self, servers: &Servers) -> Option<String> {
        let authority = |server: &ForeignServer| server.origin()["http://".len()..].to_owned();
        let (home, away) = (authority(&servers.home), authority(&servers.port));
        Some(match self {
            Self::Itself => servers.home.url(),
            Self::Path => "/again".into(),
            Self::SameOrigin => format!("http://{home}/again"),
            Self::OtherPort | Self::AwayAndBack => servers.port.url(),
            Self::OtherHost => servers.host.as_ref()?.url(),
            Self::ProtocolRelative => format!("//{away}/foreign"),
            Self::Backslash => format!("/\\{away}/foreign"),
            Self::HomeAsUser => format!("http://{home}@{away}/foreign"),
            Self::UserAtHome => format!("http://user:word@{home}/again"),
        })
    }

    pub(crate) fn stays(self) -> bool {
        matches!(self, Self::Itself | Self::Path | Self::SameOrigin)
    }
}

impl Servers {
    pub(crate) async fn start() -> Self {
        let host = Ipv4Addr::new(127, 0, 0, 2);
        Self {
            home: ForeignServer::start().await,
            port: ForeignServer::start().await,
            host: if cfg!(target_os = "linux") {
                Some(ForeignServer::start_on(host).await)
            } else {
                None
            },
        }
    }

    pub(crate) fn away(&self) -> impl Iterator<Item = &ForeignServer> {
        [&self.port].into_iter().chain(&self.host)
    }

    pub(crate) fn reset(&self) {
        for server in [&self.home].into_iter().chain(self.away()) {
            server.script().clear();
            server.reset();
        }
    }

    /// Sends a request that is redirected. Returns the last status.
    async fn send(&self, http: &Http, status: u16, target: Target, location: &str) -> u16 {
        self.reset();
        self.home.script().then(Reply::redirect(status, location));
        if let Target::AwayAndBack = target {
            let back = format!("{}/again", self.home.origin());
            self.port.script().then(Reply::redirect(status, &back));
        }
        let request = Request::get(self.home.url()).body(Full::<Bytes>::default());
        http.clone().oneshot(request.unwrap()).await.unwrap()
    }

    /// Returns for each request to the permitted origin whether it was signed.
    fn at_home(&self, kind: Kind) -> Vec<bool> {
        let recorded = self.home.recorded();
        recorded
            .iter()
            .map(|request| kind.signed(request))
            .collect()
    }
}

#[tokio::test]
async fn g12_no_redirect_carries_a_secret_to_another_origin() {
    let servers = Servers::start().await;
    let (mut cells, mut foreign_requests) = (0, 0);
    for kind in KINDS {
        for stack in Stack::ALL {
            let http = stack.build(kind.authenticator(servers.home.origin()));
            for target in Target::ALL {
                let Some(location) = target.location(&servers) else {
                    continue;
                };
                for status in STATUSES {
                    let cell = format!("{status} {target:?} {stack:?} {:?}", kind.secrets());
                    let last = servers.send(&http, status, target, &location).await;
                    for server in servers.away() {
                        assert_eq!(server.secrets_seen(kind.secrets()), [], "{cell}");
                        foreign_requests += server.requests();
                    }
                    let follows = target.stays() || stack.goes_away();
                    assert_eq!(last, if follows { 200 } else { status }, "{cell}");
                    let home = servers.at_home(kind);
                    assert_eq!(home.first(), Some(&true), "{cell}");
                    assert_home(target, stack, &home[1..], &cell);
                    if let (Target::UserAtHome, Some(last)) =
                        (target, servers.home.recorded().get(1))
                    {
                        assert!(kind.bare(last), "{cell}");
                    }
                    cells += 1;
                }
            }
        }
    }
    let targets = if servers.host.is_some() { 10 } else { 9 };
    // Systems without a second loopback address have fewer.
    test_report::figure!(
        "G12: no secret at another origin after {} redirects, of which clients followed {} there",
        cells => 945..=1_050,
        foreign_requests => 375..=450,
    );
    assert_eq!(cells, 3 * 7 * 5 * targets);
    // Five stacks followed each redirect to another server. The other server received these
    // requests without a credential.
    assert_eq!(foreign_requests, 3 * 5 * 5 * (targets - 4));
}

/// Asserts which requests reached the permitted origin after the first one: `true` for a signed
/// request.
#[track_caller]
fn assert_home(target: Target, stack: Stack, later: &[bool], cell: &str) {
    match target {
        Target::Itself | Target::Path | Target::SameOrigin => assert_eq!(later, [true], "{cell}"),
        Target::UserAtHome if stack.goes_away() => assert_eq!(later, [false], "{cell}"),
        Target::AwayAndBack if stack.signs_each_hop() => assert_eq!(later, [true], "{cell}"),
        // A follower below `AuthLayer` keeps a credential that it did not remove.
        Target::AwayAndBack if stack.goes_away() => assert_eq!(later.len(), 1, "{cell}"),
        _ => assert!(later.is_empty(), "{cell}"),
    }
}
