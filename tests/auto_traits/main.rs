//! The auto traits of the public types: which can be sent to another thread, shared between
//! threads, moved while they are polled, and live for `'static`. These are guarantees, because
//! losing one breaks users' builds.
//!
//! Each line is checked when this file is compiled. A broken guarantee is a compile error that
//! names it.
use std::{convert::Infallible, fs, path::Path};

use auth_testkit::{MemoryError, MemoryFuture, MemoryService};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;

/// Guarantees of types without generics, or with one representative type argument.
macro_rules! promise {
    ($($type:ty: $($promise:ident)+;)+) => {
        $($($promise::<$type>();)+)+
    };
}

fn send<T: Send>() {}
fn sync<T: Sync>() {}
fn unpin<T: Unpin>() {}
fn forever<T: 'static>() {}

type Body = Full<Bytes>;
type CloneBody = fn(&Body) -> Option<Body>;

/// An inner service whose future is `Send`, but neither `Sync` nor `Unpin`.
#[derive(Clone)]
struct Inner;

/// A future like that of an async function.
struct InnerFuture(std::cell::Cell<()>, std::marker::PhantomPinned);

impl Future for InnerFuture {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        self.0.set(());
        std::task::Poll::Pending
    }
}

impl tower::Service<Request<Body>> for Inner {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = InnerFuture;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> InnerFuture {
        InnerFuture(std::cell::Cell::new(()), std::marker::PhantomPinned)
    }
}

#[test]
fn auth_core_keeps_its_promises() {
    use auth_core::{
        AccessToken, Acquire, ApiKey, Authenticator, AuthenticatorBuilder, AuthenticatorMap,
        AuthenticatorMapBuilder, AuthenticatorOptions, Clock, ConnectFailure, Credentials,
        CredentialsId, EntryVersion, Error, ErrorKind, Event, EventKind, Generation, Health,
        HealthFailure, HttpHosts, KeepWarm, Key, KeyBuilder, KeyPart, Local, LocalAuthenticator,
        MapHealth, MemoryStore, Moment, NewEntry, NoWiderScope, Observer, Origins, Quota, QuotaUse,
        Redirected, RedirectsUnseen, RefreshPolicy, Refusal, RejectedPart, RequestsLost, Scheme,
        ScopeAnswer, Secret, SecretEnv, SecretFile, SecretFn, Sharded, SharedClock,
        SharedSecretSource, SharedTokenStore, SharedTransport, Signing, StoredEntry, SystemClock,
        Token, TokenHost, TokenRefused, TokenRequest, TokenRequestLimit, TokenRequestOutcome,
        TokenRequestReason, TokenWatch, WiderScope,
    };
    promise! {
        Event: send sync unpin forever;
        EventKind: send sync unpin forever;
        Box<dyn Observer>: send sync unpin forever;
        QuotaUse: send sync unpin forever;
        HealthFailure: send sync unpin forever;
        MapHealth: send sync unpin forever;
        RequestsLost: send sync unpin forever;
        KeepWarm: send sync unpin forever;
        TokenWatch: send sync unpin forever;
        AccessToken: send sync unpin forever;
        Acquire: send sync unpin forever;
        ApiKey: send sync unpin forever;
        Authenticator: send sync unpin forever;
        AuthenticatorBuilder: send sync unpin forever;
        AuthenticatorOptions: send sync unpin forever;
        AuthenticatorMap: send sync unpin forever;
        AuthenticatorMapBuilder: send unpin forever;
        Box<dyn Clock>: send sync unpin forever;
        Error: send sync unpin forever;
        ErrorKind: send sync unpin forever;
        TokenRequest: send sync unpin forever;
        TokenRequestLimit: send sync unpin forever;
        Generation: send sync unpin forever;
        Health: send sync unpin forever;
        Key: send sync unpin forever;
        KeyBuilder: send sync unpin forever;
        Local<Secret>: send sync unpin forever;
        LocalAuthenticator: send sync unpin forever;
        MemoryStore: send sync unpin forever;
        Moment: send sync unpin forever;
        HttpHosts: send sync unpin forever;
        Redirected: send sync unpin forever;
        RedirectsUnseen: send sync unpin forever;
        Origins: send sync unpin forever;
        KeyPart<'static>: send sync unpin forever;
        Quota: send sync unpin forever;
        TokenRequestReason: send sync unpin forever;
        Refusal: send sync unpin forever;
        RefreshPolicy: send sync unpin forever;
        RejectedPart: send sync unpin forever;
        TokenRequestOutcome: send sync unpin forever;
        Scheme: send sync unpin forever;
        Secret: send sync unpin forever;
        SecretEnv: send sync unpin forever;
        SecretFile: send sync unpin forever;
        SecretFn<fn()>: send sync unpin forever;
        Sharded<Secret>: send sync unpin forever;
        SharedClock: send sync unpin forever;
        SharedSecretSource: send sync unpin forever;
        SharedTokenStore: send sync unpin forever;
        SharedTransport: send sync unpin forever;
        Signing: send sync unpin forever;
        StoredEntry: send sync unpin forever;
        NewEntry: send sync unpin forever;
        Credentials: send sync unpin forever;
        CredentialsId: send sync unpin forever;
        SystemClock: send sync unpin forever;
        Token: send sync unpin forever;
        TokenHost: send sync unpin forever;
        ConnectFailure: send sync unpin forever;
        TokenRefused: send sync unpin forever;
        EntryVersion: send sync unpin forever;
        RequestsLost: send sync unpin forever;
        NoWiderScope: send sync unpin forever;
        ScopeAnswer: send sync unpin forever;
        WiderScope: send sync unpin forever;
    }
}

#[test]
fn auth_tower_keeps_its_promises() {
    use auth_tower::{
        AnsweredRequest, Auth, AuthLayer, AuthOutcome, Error, ExistingCredential, HeadInPlace,
        InsufficientScope, KeyedAuth, MinLifetime, MinLifetimeFuture, MinLifetimeLayer,
        MissingToken, NotReplayed, OriginGuard, OriginGuardFuture, OriginGuardLayer, ReplayBody,
        ReplayBodyLayer, ReplayBodyService, ReplayCheap, ReplayOff, ReplayWith, ResponseFuture,
        ResponseHead, ServiceTransport, SignedInPlace, StepUp, Unsigned,
    };
    promise! {
        InsufficientScope: send sync unpin forever;
        HeadInPlace<'static>: send unpin forever;
        SignedInPlace<'_, MemoryService, Body>: send unpin forever;
        Auth<MemoryService>: send sync unpin forever;
        Auth<MemoryService, ReplayOff>: send sync unpin forever;
        Auth<MemoryService, ReplayWith<CloneBody>>: send sync unpin forever;
        AuthLayer: send sync unpin forever;
        AuthLayer<ReplayOff>: send sync unpin forever;
        AuthLayer<ReplayWith<CloneBody>>: send sync unpin forever;
        AnsweredRequest: send sync unpin forever;
        AuthOutcome: send sync unpin forever;
        Error<MemoryError>: send sync unpin forever;
        ExistingCredential: send sync unpin forever;
        KeyedAuth<MemoryService>: send sync unpin forever;
        MinLifetime<MemoryService>: send sync unpin forever;
        MinLifetimeLayer: send sync unpin forever;
        NotReplayed: send sync unpin forever;
        Unsigned: send sync unpin forever;
        OriginGuard<MemoryService>: send sync unpin forever;
        OriginGuardLayer: send sync unpin forever;
        ReplayBody<Body>: send sync unpin forever;
        ReplayBodyLayer: send sync unpin forever;
        ReplayBodyService<MemoryService>: send sync unpin forever;
        ReplayCheap: send sync unpin forever;
        ReplayOff: send sync unpin forever;
        ReplayWith<CloneBody>: send sync unpin forever;
        ResponseHead<'_>: send sync unpin;
        ServiceTransport<MemoryService>: send sync unpin forever;
        StepUp: send sync unpin forever;
        MissingToken: send sync unpin forever;
    }
    // Also with a body that is only `Send`.
    promise! {
        ReplayBody<InnerFuture>: send sync unpin forever;
    }
    // As far as the service below permits: a boxed future below makes it `Unpin`.
    promise! {
        OriginGuardFuture<InnerFuture>: send forever;
        OriginGuardFuture<MemoryFuture>: send unpin forever;
        ResponseFuture<Inner, Body, ReplayCheap>: send forever;
        ResponseFuture<Inner, Body, ReplayOff>: send forever;
        ResponseFuture<Inner, Body, ReplayWith<CloneBody>>: send forever;
        ResponseFuture<MemoryService, Body, ReplayCheap>: send unpin forever;
        MinLifetimeFuture<Inner, Body>: send forever;
    }
}

#[test]
fn auth_oauth2_keeps_its_promises() {
    use auth_oauth2::{
        Assertion, AssertionContext, AssertionLogin, AssertionLoginBuilder, BodyFormat, Client,
        ClientAuth, ClientBuilder, ClientCredentials, ClientSettings, Discovery, DiscoveryBuilder,
        JwtBearer, Metadata, RefreshToken, ReplyRules, ResourceOwnerPassword, Scrubber,
        TokenEndpoint, TokenExchange,
    };
    promise! {
        Assertion: send sync unpin forever;
        AssertionLogin: send sync unpin forever;
        AssertionLoginBuilder: send sync unpin forever;
        AssertionContext<'static>: send sync unpin forever;
        Discovery: send sync unpin forever;
        DiscoveryBuilder: send sync unpin forever;
        Metadata: send sync unpin forever;
        ClientSettings: send sync unpin forever;
        JwtBearer: send sync unpin forever;
        BodyFormat: send sync unpin forever;
        Client: send sync unpin forever;
        ClientAuth: send sync unpin forever;
        ClientBuilder: send sync unpin forever;
        ClientCredentials: send sync unpin forever;
        RefreshToken: send sync unpin forever;
        ReplyRules: send sync unpin forever;
        ResourceOwnerPassword: send sync unpin forever;
        Scrubber: send sync unpin forever;
        TokenEndpoint: send sync unpin forever;
        TokenExchange: send sync unpin forever;
    }
}

#[test]
fn auth_jwt_keeps_its_promises() {
    use auth_jwt::{JwtAlgorithm, JwtAudience, JwtSigner, ServiceAccount, ServiceAccountBuilder};
    promise! {
        JwtAlgorithm: send sync unpin forever;
        JwtAudience: send sync unpin forever;
        JwtSigner: send sync unpin forever;
        ServiceAccount: send sync unpin forever;
        ServiceAccountBuilder: send sync unpin forever;
    }
}

#[test]
fn auth_reqwest_keeps_its_promises() {
    use auth_reqwest::{
        AuthMiddleware, ReqwestFuture, ReqwestService, ReqwestTransport, ReqwestTransportBuilder,
    };
    promise! {
        AuthMiddleware: send sync unpin forever;
        ReqwestFuture: send unpin forever;
        ReqwestService: send sync unpin forever;
        ReqwestTransport: send sync unpin forever;
        ReqwestTransportBuilder: send unpin forever;
    }
}

#[test]
fn auth_metrics_keeps_its_promises() {
    use auth_metrics::{Metric, MetricLabel, MetricsObserver};
    promise! {
        Metric: send sync unpin forever;
        MetricLabel: send sync unpin forever;
        MetricsObserver: send sync unpin forever;
    }
}

#[test]
fn auth_opentelemetry_keeps_its_promises() {
    use auth_opentelemetry::{Metric, MetricAttribute, OpenTelemetryObserver};
    promise! {
        Metric: send sync unpin forever;
        MetricAttribute: send sync unpin forever;
        OpenTelemetryObserver: send sync unpin forever;
    }
}

#[test]
fn auth_store_file_keeps_its_promises() {
    use auth_store_file::FileStore;
    promise! {
        FileStore: send sync unpin forever;
    }
}

#[test]
fn auth_store_seal_keeps_its_promises() {
    use auth_core::MemoryStore;
    use auth_store_seal::{SealedStore, SealingKeys};
    promise! {
        SealedStore<MemoryStore>: send sync unpin forever;
        SealingKeys: send sync unpin forever;
    }
}

#[test]
fn auth_store_redis_keeps_its_promises() {
    use auth_store_redis::{RedisStore, RedisStoreBuilder};
    promise! {
        RedisStore: send sync unpin forever;
        RedisStoreBuilder: send sync unpin forever;
    }
}

#[test]
fn auth_verdigris_keeps_its_promises() {
    use auth_verdigris::{
        LegacyFuture, LegacyRefusal, LegacyRefusalLayer, PeekedBody, Verdigris, VerdigrisBuilder,
        VerdigrisSettings,
    };
    promise! {
        VerdigrisSettings: send sync unpin forever;
        LegacyFuture<InnerFuture, Body>: send forever;
        LegacyRefusal<MemoryService>: send sync unpin forever;
        LegacyRefusalLayer: send sync unpin forever;
        PeekedBody<Body>: send sync unpin forever;
        Verdigris: send sync unpin forever;
        VerdigrisBuilder: send sync unpin forever;
    }
}

#[test]
fn auth_kaizen_keeps_its_promises() {
    use auth_kaizen::{
        Central, East, Kaizen, KaizenBuilder, KaizenSettings, LegacyEndpoint, Region, RegionName,
    };
    fn any<R: Region>() {
        promise! {
        KaizenSettings: send sync unpin forever;
            R: send sync forever;
            Kaizen<R>: send sync unpin forever;
            KaizenBuilder<R>: send sync unpin forever;
        }
    }
    any::<Central>();
    any::<East>();
    promise! {
        Central: unpin;
        East: unpin;
        LegacyEndpoint: send sync unpin forever;
        RegionName: send sync unpin forever;
    }
}

#[test]
fn auth_axonize_keeps_its_promises() {
    use auth_axonize::{
        ApiKeysBuilder, ApiKeysSettings, Axonize, LoginBuilder, LoginSettings, MfaAnswer,
        MfaChallenge, fake::BindingCodes,
    };
    promise! {
        ApiKeysSettings: send sync unpin forever;
        LoginSettings: send sync unpin forever;
        ApiKeysBuilder: send sync unpin forever;
        Axonize: send sync unpin forever;
        BindingCodes: send sync unpin forever;
        LoginBuilder: send sync unpin forever;
        MfaAnswer: send sync unpin forever;
        MfaChallenge: send sync unpin forever;
    }
}

#[test]
fn auth_kayzen_keeps_its_promises() {
    use auth_kayzen::{Kayzen, KayzenBuilder, KayzenSettings};
    promise! {
        KayzenSettings: send sync unpin forever;
        Kayzen: send sync unpin forever;
        KayzenBuilder: send sync unpin forever;
    }
}

#[test]
fn auth_testkit_keeps_its_promises() {
    use auth_testkit::{
        Answer, BodyFormat, ClientAuth, Counters, Fetch, ForeignServer, Gate, IssuedToken, Leak,
        LogCapture, MemoryBody, MemoryError, MemoryFuture, MemoryService, MemoryTransport,
        OAuthParams, OAuthRefusal, Outcome, RecordedRequest, Recorder, RecordingObserver,
        RefreshTokenUse, RefreshTokens, Reply, RetryAfter, Script, ScriptedSource, SentRequest,
        Side, TestServer, TestServerBuilder, TokenUse, VendorRequest, VendorRules, VirtualClock,
    };
    promise! {
        RecordingObserver: send sync unpin forever;
        Answer: send sync unpin forever;
        BodyFormat: send sync unpin forever;
        ClientAuth: send sync unpin forever;
        Counters: send sync unpin forever;
        Fetch: send sync unpin forever;
        ForeignServer: send sync unpin forever;
        Gate: send sync unpin forever;
        IssuedToken: send sync unpin forever;
        Leak: send sync unpin forever;
        LogCapture: send sync unpin forever;
        MemoryBody: send unpin forever;
        MemoryError: send sync unpin forever;
        MemoryFuture: send unpin forever;
        MemoryService: send sync unpin forever;
        MemoryTransport: send sync unpin forever;
        OAuthParams: send sync unpin forever;
        OAuthRefusal: send sync unpin forever;
        Outcome: send sync unpin forever;
        RecordedRequest: send sync unpin forever;
        Recorder: send sync unpin forever;
        RefreshTokenUse: send sync unpin forever;
        RefreshTokens: send sync unpin forever;
        Reply: send sync unpin forever;
        RetryAfter: send sync unpin forever;
        Script: send sync unpin forever;
        ScriptedSource: send sync unpin forever;
        SentRequest: send sync unpin forever;
        Side: send sync unpin forever;
        TestServer: send sync unpin forever;
        TestServerBuilder: send sync unpin forever;
        TokenUse: send sync unpin forever;
        VendorRequest<'static>: send sync unpin forever;
        Box<dyn VendorRules>: send sync unpin forever;
        VirtualClock: send sync unpin forever;
    }
}

/// The tasks of the crates must run on any runtime, so the crates require no more than this of the
/// futures of their traits.
#[test]
fn futures_of_the_traits_are_send() {
    use auth_core::{Key, Secret, SecretSource, TokenRequest, TokenSource, TokenStore, Transport};
    use auth_oauth2::{AssertionContext, AssertionSigner};

    fn sendable<T: Send>(_: &T) {}
    fn source<S: TokenSource>(source: &S, token_request: TokenRequest) {
        sendable(&source.fetch(token_request));
        sendable(&source.credentials());
        sendable(&source.first_refresh_token());
    }
    fn secret<S: SecretSource>(secret: &S) {
        sendable(&secret.read());
    }
    fn store<S: TokenStore>(
        store: &S,
        key: &Key,
        entry: auth_core::NewEntry,
        time: std::time::Duration,
    ) {
        sendable(&store.load(key));
        sendable(&store.replace(key, None, entry));
        sendable(&store.lease(key, "", time));
        sendable(&store.release(key, ""));
    }
    fn transport<T: Transport>(transport: &T, request: Request<Bytes>) {
        sendable(&transport.send(request, 1));
    }
    fn signer<S: AssertionSigner>(signer: &S, key: &Secret, context: &AssertionContext<'_>) {
        sendable(&signer.read_key());
        sendable(&signer.sign(key, context));
    }
    let _ = (
        signer::<auth_jwt::JwtSigner>,
        source::<auth_oauth2::ClientCredentials>,
        secret::<auth_core::Secret>,
        store::<auth_core::SharedTokenStore>,
        store::<auth_store_seal::SealedStore<auth_core::SharedTokenStore>>,
        store::<auth_store_redis::RedisStore>,
        transport::<auth_core::SharedTransport>,
    );
}

/// Every public type of a published crate must have a line here.
#[test]
fn every_public_type_is_listed() {
    let here = include_str!("main.rs");
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates");
    let mut seen = 0;
    for entry in fs::read_dir(crates).unwrap() {
        let directory = entry.unwrap().path();
        let manifest = fs::read_to_string(directory.join("Cargo.toml")).unwrap();
        let Ok(root) = fs::read_to_string(directory.join("src/lib.rs")) else {
            continue;
        };
        if manifest.contains("publish = false") {
            continue;
        }
        let exports = root.split("\npub use ").skip(1);
        let items = exports.filter_map(|export| export.split(';').next());
        let words = items.flat_map(|items| items.split(|char: char| !char.is_alphanumeric()));
        for name in words.filter(|word| is_type(word)) {
            assert!(here.contains(name), "`{name}` has no line in this file");
            seen += 1;
        }
    }
    assert!(seen > 80, "{seen} types");
}

/// Constants have no lower-case letters.
fn is_type(word: &str) -> bool {
    word.starts_with(char::is_uppercase) && word.contains(char::is_lowercase)
}
