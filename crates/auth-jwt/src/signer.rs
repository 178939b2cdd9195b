use std::{fmt, time::Duration};

use auth_core::{Error, ErrorKind, Secret, SecretSource, SharedSecretSource};
use auth_oauth2::{Assertion, AssertionContext, AssertionSigner};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use crate::{
    JwtAlgorithm, JwtAudience,
    keys::{self, SigningKey},
    provider::provider,
};

/// Signs JWT assertions (RFC 7523 section 3), a new one for each token request.
///
/// The key is read from a [`SecretSource`] before each token request, so that a replaced key is
/// used at once. A signer in [`client_assertion`](auth_oauth2::ClientBuilder::client_assertion) is
/// `private_key_jwt`, or `client_secret_jwt` with [`JwtAlgorithm::Hs256`] (OpenID Connect Core
/// section 9). A signer in [`jwt_bearer`](auth_oauth2::Client::jwt_bearer) is the grant of RFC 7523
/// section 2.1.
///
/// # Keys
///
/// | the text is | it contains |
/// |---|---|
/// | PEM | `PRIVATE KEY` (PKCS#8), `RSA PRIVATE KEY`, `EC PRIVATE KEY`; a `CERTIFICATE` in the same text adds its thumbprint to the header (`x5t#S256`, for Entra ID) |
/// | JWK | a private key of type RSA (with `p`, `q`, `dp`, `dq`, `qi`), EC or OKP |
/// | JWK set | several such keys |
/// | service account's key file | `private_key` and `private_key_id` |
/// | any text | the client secret, for [`JwtAlgorithm::Hs256`] |
///
/// # Rotation
///
/// If several keys fit the algorithm, the newest signs: the key with the highest `iat`, or the last
/// in the set if no key has an `iat`. Each key needs a `kid`.
///
/// To rotate without a failed request: register the new public key with the server; add the private
/// key to the set (or replace the file); then retire the old key. When the server rejects an
/// assertion, the key is read again, and used once more if it changed.
///
/// # Example
///
/// `private_key_jwt` with a key in a file:
///
/// ```
/// # use auth_core::{Error, Transport};
/// use auth_core::SecretFile;
/// use auth_jwt::{JwtAlgorithm, JwtSigner};
/// use auth_oauth2::Client;
///
/// # fn client(transport: impl Transport) -> Result<Client, Error> {
/// let key = SecretFile::new("/run/secrets/my-client.pem");
/// let client = Client::builder("https://login.example.com/token", "my-client", transport)
///     .issuer("https://login.example.com")
///     .client_assertion(JwtSigner::new(JwtAlgorithm::Es256, key))
///     .build()?;
/// # Ok(client)
/// # }
/// ```
///
/// # Security
///
/// The key is kept only while the signature needs it, and is then wiped. No error contains a part
/// of the key.
#[derive(Clone)]
pub struct JwtSigner {
    algorithm: JwtAlgorithm,
    key: SharedSecretSource,
    key_id: Option<String>,
    issuer: Option<String>,
    subject: Subject,
    audience: JwtAudience,
    lifetime: Duration,
    backdate: Duration,
    claims: Map<String, Value>,
}

#[derive(Clone)]
enum Subject {
    Client,
    Fixed(String),
    Omitted,
}

impl JwtSigner {
    /// Makes a signer for an algorithm. `key` is the source of the private key.
    pub fn new(algorithm: JwtAlgorithm, key: impl SecretSource) -> Self {
        Self {
            algorithm,
            key: SharedSecretSource::new(key),
            key_id: None,
            issuer: None,
            subject: Subject::Client,
            audience: JwtAudience::default(),
            lifetime: LIFETIME,
            backdate: Duration::ZERO,
            claims: Map::new(),
        }
    }

    /// Sets the identifier of the key, the header's `kid`. Of a JWK set, only the key with this
    /// identifier signs. Default: the JWK's own `kid`; none for PEM.
    #[must_use]
    pub fn key_id(mut self, kid: impl Into<String>) -> Self {
        self.key_id = Some(kid.into()).filter(|kid| !kid.is_empty());
        self
    }

    /// Sets the claim `aud`. Default: [`JwtAudience::Issuer`].
    #[must_use]
    pub fn audience(mut self, audience: JwtAudience) -> Self {
        self.audience = audience;
        self
    }

    /// Sets the claim `iss`. Default: the client identifier.
    #[must_use]
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Sets the claim `sub`. With the JWT bearer grant, it names the user for whom the token is.
    /// Default: the client identifier.
    #[must_use]
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Subject::Fixed(subject.into());
        self
    }

    /// Omits the claim `sub`, for JWTs that are not assertions of RFC 7523, for example those of a
    /// GitHub App. Default: `sub` is present.
    #[must_use]
    pub fn without_subject(mut self) -> Self {
        self.subject = Subject::Omitted;
        self
    }

    /// Sets how long an assertion is valid: the time from now to `exp`. Default: 60 seconds.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) on field `lifetime` if it is shorter than 1 second or longer
    /// than 1 hour.
    pub fn lifetime(mut self, lifetime: Duration) -> Result<Self, Error> {
        if !(SHORTEST..=LONGEST).contains(&lifetime) {
            let problem = "must be between 1 second and 1 hour; servers reject a longer one";
            return Err(Error::config("lifetime", problem));
        }
        self.lifetime = lifetime;
        Ok(self)
    }

    /// Sets how far `iat` is in the past, for example 60 seconds for GitHub, for servers that
    /// reject an assertion from a clock ahead of theirs. Default: 0.
    #[must_use]
    pub fn backdate(mut self, by: Duration) -> Self {
        self.backdate = by;
        self
    }

    /// Adds a claim, for example `scope`. A second value for the same name replaces the first one.
    /// Default: none.
    ///
    /// # Errors
    ///
    /// [`Config`](ErrorKind::Config) on field `claim` if the signer sets the claim itself.
    pub fn claim(
        mut self,
        name: impl Into<String>,
        value: impl Into<Value>,
    ) -> Result<Self, Error> {
        let name = name.into();
        if OWN_CLAIMS.contains(&name.as_str()) {
            let problem = format_args!(
                "`{name}` is a claim that the signer sets itself; use the setter for it"
            );
            return Err(Error::config("claim", problem));
        }
        self.claims.insert(name, value.into());
        Ok(self)
    }

    fn make(&self, key: &Secret, context: &AssertionContext<'_>) -> Result<Secret, Error> {
        let claims = self.claims(context)?;
        let key = keys::signing_key(key, self.algorithm, self.key_id.as_deref())?;
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", encode(&self.header(&key)), encode(&claims));
        let cannot = || {
            let name = self.algorithm.as_str();
            let problem = format!("the key cannot sign with {name}: it is damaged or too short");
            Error::config(keys::FIELD, problem)
        };
        let signer = (provider()?.signer_factory)(&self.algorithm.of_jose(), &key.encoding);
        let signer = signer.map_err(|_| cannot())?;
        let signature = signer.try_sign(message.as_bytes()).map_err(|_| cannot())?;
        let signature = URL_SAFE_NO_PAD.encode(signature);
        Ok(Secret::new(format!("{message}.{signature}")))
    }

    fn header(&self, key: &SigningKey) -> Value {
        let mut header = json!({ "typ": "JWT", "alg": self.algorithm.as_str() });
        if let Some(kid) = &key.kid {
            header["kid"] = json!(kid);
        }
        if let Some(thumbprint) = &key.thumbprint {
            header["x5t#S256"] = json!(thumbprint);
        }
        header
    }

    fn claims(&self, context: &AssertionContext<'_>) -> Result<Value, Error> {
        let now = context.now.since_unix_epoch();
        let mut claims = self.claims.clone();
        let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        set(
            "iss",
            json!(self.issuer.as_deref().unwrap_or(context.client_id)),
        );
        match &self.subject {
            Subject::Client => set("sub", json!(context.client_id)),
            Subject::Fixed(subject) => set("sub", json!(subject)),
            Subject::Omitted => None,
        };
        if let Some(audience) = self.audience.resolve(context)? {
            set("aud", json!(audience));
        }
        set("iat", json!(now.saturating_sub(self.backdate).as_secs()));
        set("exp", json!((now + self.lifetime).as_secs()));
        set("jti", json!(unique()?));
        Ok(Value::Object(claims))
    }
}

impl AssertionSigner for JwtSigner {
    async fn read_key(&self) -> Result<Secret, Error> {
        let key = self.key.read().await?;
        if key.is_empty() {
            return Err(Error::config(
                keys::FIELD,
                "the text that was read is empty; check its source",
            ));
        }
        Ok(key)
    }

    async fn sign(&self, key: &Secret, context: &AssertionContext<'_>) -> Result<Secret, Error> {
        self.make(key, context)
    }

    fn check(&self, context: &AssertionContext<'_>) -> Result<(), Error> {
        provider()?;
        self.audience.resolve(context)?;
        self.key.check()?;
        match self.key.fixed() {
            Some(key) => self.make(key, context).map(|_| ()),
            None => Ok(()),
        }
    }
}

impl From<JwtSigner> for Assertion {
    fn from(signer: JwtSigner) -> Self {
        Self::signed(signer)
    }
}

impl fmt::Debug for JwtSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtSigner")
            .field("algorithm", &self.algorithm)
            .field("key_id", &self.key_id)
            .field("audience", &self.audience)
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

/// Returns a new `jti`: 128 random bits.
fn unique() -> Result<String, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| {
        let message = "the operating system returned no random bytes for `jti`";
        Error::new(ErrorKind::Unavailable, message)
    })?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

const LIFETIME: Duration = Duration::from_secs(60);
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(3600);
const OWN_CLAIMS: [&str; 6] = ["iss", "sub", "aud", "iat", "exp", "jti"];

#[cfg(test)]
mod tests;
