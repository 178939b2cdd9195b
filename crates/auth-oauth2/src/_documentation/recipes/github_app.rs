use std::time::Duration;

use auth_core::{
    AccessToken, Authenticator, Clock, Credentials, Error, Origins, Secret, SecretFile,
    SharedTransport, SystemClock, TokenRequest, TokenSource, Transport,
};
use auth_jwt::{JwtAlgorithm, JwtAudience, JwtSigner};
use auth_oauth2::{
    AssertionContext, AssertionSigner, BodyFormat, ReplyRules, Scrubber, TokenEndpoint, parse_reply,
};
use http::header::{AUTHORIZATION, USER_AGENT};

/// Fetches the token of one installation of a GitHub App.
struct GitHubApp {
    client_id: &'static str,
    signer: JwtSigner,
    endpoint: TokenEndpoint,
}

impl TokenSource for GitHubApp {
    async fn credentials(&self) -> Result<Credentials, Error> {
        let key = self.signer.read_key().await?;
        let url = self.endpoint.normalized_url();
        Ok(Credentials::new(&[&url, self.client_id], [key]))
    }

    async fn fetch(&self, request: TokenRequest) -> Result<AccessToken, Error> {
        let key = request.credentials.secret(0);
        let key = key.ok_or_else(|| Error::config("key", "the credentials have no key"))?;
        let now = SystemClock::new().now();
        let url = self.endpoint.normalized_url();
        let context = AssertionContext::new(self.client_id, &url, now);
        let jwt = self.signer.sign(key, &context).await?;
        let headers = [
            (AUTHORIZATION, Secret::new(format!("Bearer {}", jwt.expose()))),
            (USER_AGENT, Secret::new("my-app")),
        ];
        let reply = self.endpoint.post(BodyFormat::Json, &headers, &[]).await?;
        let rules = ReplyRules::new()
            .token_member("token")
            .allow_missing_token_type()
            .default_lifetime(Duration::from_secs(3600));
        parse_reply("github", reply, &rules, &Scrubber::new().secret(jwt), now)
    }
}

pub fn github_app(key: SecretFile, http: impl Transport) -> Result<Authenticator, Error> {
    let url = "https://api.github.com/app/installations/12345678/access_tokens";
    let source = GitHubApp {
        client_id: "my-client-id",
        signer: JwtSigner::new(JwtAlgorithm::Rs256, key)
            .without_subject()
            .audience(JwtAudience::Omitted)
            .backdate(Duration::from_secs(60)),
        endpoint: TokenEndpoint::new("github", "url", url, SharedTransport::new(http))?,
    };
    let origins = Origins::new(["https://api.github.com"])?;
    Authenticator::builder(source, origins).vendor("github").build()
}
