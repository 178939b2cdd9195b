use std::{fmt, sync::Arc, time::Duration};

use auth_core::{Error, Secret, SecretSource, SharedSecretSource};
use auth_store_seal::SealingKeys;

use crate::{
    address::Address,
    link::Link,
    plain::Plain,
    store::RedisStore,
    target::{Servers, Target},
};

/// Settings of a [`RedisStore`]. Created by [`RedisStore::builder`], [`RedisStore::cluster`] and
/// [`RedisStore::sentinel`].
#[must_use]
pub struct RedisStoreBuilder {
    /// May contain passwords.
    urls: Vec<Secret>,
    kind: Kind,
    prefix: String,
    username: Option<String>,
    password: Option<SharedSecretSource>,
    #[cfg(feature = "tls")]
    ca: Option<Vec<u8>>,
    timeout: Duration,
    connect_timeout: Duration,
    latency_budget: Duration,
    sealing: Option<Sealing>,
}

enum Sealing {
    Keys(SealingKeys),
    Nothing,
}

enum Kind {
    One,
    Cluster,
    Sentinel(String),
}

impl RedisStore {
    /// Starts a store on one server: `redis://HOST:PORT/DATABASE`, `rediss://` for TLS, or
    /// `redis://USER:PASSWORD@HOST:PORT`.
    pub fn builder(url: impl AsRef<str>) -> RedisStoreBuilder {
        RedisStoreBuilder::new(vec![Secret::new(url.as_ref())], Kind::One)
    }

    /// Starts a store on a cluster: the URLs of some nodes, which know the others.
    pub fn cluster(urls: impl IntoIterator<Item: AsRef<str>>) -> RedisStoreBuilder {
        RedisStoreBuilder::new(secrets(urls), Kind::Cluster)
    }

    /// Starts a store on the server that the sentinels report as the master of that name.
    ///
    /// User names and passwords in the URLs are for the sentinels; those of the builder are for the
    /// server. `rediss://` applies to both, a database to the server.
    pub fn sentinel(
        urls: impl IntoIterator<Item: AsRef<str>>,
        master: impl Into<String>,
    ) -> RedisStoreBuilder {
        RedisStoreBuilder::new(secrets(urls), Kind::Sentinel(master.into()))
    }
}

impl RedisStoreBuilder {
    fn new(urls: Vec<Secret>, kind: Kind) -> Self {
        Self {
            urls,
            kind,
            prefix: String::from("auth:"),
            username: None,
            password: None,
            #[cfg(feature = "tls")]
            ca: None,
            timeout: TIMEOUT,
            connect_timeout: CONNECT_TIMEOUT,
            latency_budget: LATENCY_BUDGET,
            sealing: None,
        }
    }

    /// Sets the prefix of all names in Redis, so that other programs can use the same server.
    /// Default: `auth:`. Visible ASCII without `{}`, which would put all keys on one node of a
    /// cluster, and without `*?[]\`, so that an ACL pattern can contain it.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets the user of Redis' ACL, if it is not in the URL. Default: none.
    pub fn username(mut self, username: impl Into<String>) -> Self {
        self.username = Some(username.into());
        self
    }

    /// Sets the password, if it is not in the URL: a [`Secret`], or a source that is read for each
    /// connection. Default: none.
    pub fn password(mut self, password: impl SecretSource) -> Self {
        self.password = Some(SharedSecretSource::new(password));
        self
    }

    /// Sets the certificates, as PEM, of the authorities that may issue the server's certificate.
    /// Default: the system's authorities.
    #[cfg(feature = "tls")]
    pub fn ca(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca = Some(pem.into());
        self
    }

    /// Sets the time limit of one call, including the connection if
    /// [`connect`](auth_core::TokenStore::connect) was not called before. Default: 500 ms. Above
    /// zero, at most 60 s. An [`Authenticator`](auth_core::Authenticator) waits much less.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the time limit of [`connect`](auth_core::TokenStore::connect): to resolve the name,
    /// connect, authenticate and load the scripts. Default: 2 s. Above zero, at most 60 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets how long a request waits for all of Redis' answers together, without connecting, before
    /// it continues without Redis. Default: 50 ms. See
    /// [`TokenStore::latency_budget`](auth_core::TokenStore::latency_budget).
    pub fn latency_budget(mut self, latency_budget: Duration) -> Self {
        self.latency_budget = latency_budget;
        self
    }

    /// Sets the keys that encrypt entries and hash names. Required, unless
    /// [`danger_unsealed`](Self::danger_unsealed) is called.
    pub fn sealing(mut self, keys: SealingKeys) -> Self {
        self.sealing = Some(Sealing::Keys(keys));
        self
    }

    /// Stores tokens in plain text, also refresh tokens, under names that can be guessed. For
    /// tests. Anyone who can read Redis, a backup of it or its network traffic has every token in
    /// it; anyone who can write to Redis can put another token into requests.
    pub fn danger_unsealed(mut self) -> Self {
        self.sealing = Some(Sealing::Nothing);
        self
    }

    /// Creates the store. It connects when it is first used.
    ///
    /// # Errors
    ///
    /// [`Config`](auth_core::ErrorKind::Config) on the field that is wrong: `url`, `urls`,
    /// `master`, `prefix`, `username`, `password`, `ca`, `timeout` or `connect_timeout`; `sealing`
    /// if neither [`sealing`](Self::sealing) nor [`danger_unsealed`](Self::danger_unsealed) was
    /// called; `sealing_key`, `also_opens` or `name_key` if a key is invalid; `name_key` if it is
    /// missing.
    pub fn build(self) -> Result<RedisStore, Error> {
        for (field, timeout) in [
            ("timeout", self.timeout),
            ("connect_timeout", self.connect_timeout),
        ] {
            if timeout.is_zero() || timeout > LONGEST {
                return Err(Error::config(field, "must be above 0 and at most 60 s"));
            }
        }
        check_prefix(&self.prefix)?;
        let field = match self.kind {
            Kind::One => "url",
            Kind::Cluster | Kind::Sentinel(_) => "urls",
        };
        let parse = |url| Address::parse(field, url);
        let addresses = self.urls.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        let Some(first) = addresses.first() else {
            return Err(Error::config(field, "is empty; name at least one server"));
        };
        if !addresses
            .iter()
            .all(|other| other.is_tls() == first.is_tls())
        {
            return Err(Error::config(
                field,
                "mixes redis:// and rediss://; use one of them",
            ));
        }
        if !matches!(self.kind, Kind::Sentinel(_)) {
            self.check_credentials(field, &addresses)?;
        }
        if self.username.is_some() && self.password.is_none() {
            return Err(Error::config(
                "password",
                "is missing; a user name needs a password",
            ));
        }
        #[cfg(feature = "tls")]
        let ca = self.checked_ca(first.is_tls())?;
        let servers = match self.kind {
            Kind::One => Servers::One(first.clone()),
            Kind::Cluster if addresses.iter().any(|address| address.database() != 0) => {
                return Err(Error::config(
                    field,
                    "names a database, which a cluster does not have; remove it",
                ));
            }
            Kind::Cluster => Servers::Cluster(addresses),
            Kind::Sentinel(name) if name.is_empty() => {
                return Err(Error::config("master", "must not be empty"));
            }
            Kind::Sentinel(name) => Servers::Sentinels(addresses, name),
        };
        let target = Target {
            servers,
            username: self.username,
            password: self.password,
            #[cfg(feature = "tls")]
            ca,
            timeout: self.timeout,
            connect_timeout: self.connect_timeout,
        };
        let plain = Plain::new(Arc::new(Link::new(target)), self.prefix);
        match self.sealing {
            Some(Sealing::Keys(keys)) => RedisStore::sealed(plain, keys, self.latency_budget),
            Some(Sealing::Nothing) => Ok(RedisStore::unsealed(plain, self.latency_budget)),
            None => Err(Error::config(
                "sealing",
                "is missing: pass keys (`openssl rand -base64 32` prints one), or call \
                 `danger_unsealed` to have tokens in Redis as plain text",
            )),
        }
    }

    /// Checks the servers that hold the data: each must have the same user name and password.
    fn check_credentials(&self, field: &'static str, addresses: &[Address]) -> Result<(), Error> {
        let credentials = |address: &Address| {
            let password = address.password().map(String::from);
            (address.username().map(String::from), password)
        };
        let mut all = addresses.iter().map(credentials);
        let first = all.next().unwrap_or_default();
        if !all.all(|other| other == first) {
            return Err(Error::config(
                field,
                "has different user names or passwords; use one for all servers",
            ));
        }
        if first.0.is_some() && self.username.is_some() {
            return Err(Error::config(
                "username",
                "is set twice; remove it from the URL or from the builder",
            ));
        }
        if first.1.is_some() && self.password.is_some() {
            return Err(Error::config(
                "password",
                "is set twice; remove it from the URL or from the builder",
            ));
        }
        Ok(())
    }

    #[cfg(feature = "tls")]
    fn checked_ca(&self, is_tls: bool) -> Result<Option<Vec<u8>>, Error> {
        use rustls::{
            RootCertStore,
            crypto::{CryptoProvider, aws_lc_rs},
            pki_types::{CertificateDer, pem::PemObject as _},
        };

        if is_tls && CryptoProvider::get_default().is_none() {
            // As rustls does by default, but also for programs that have several providers and no
            // default.
            let _ = aws_lc_rs::default_provider().install_default();
        }
        let Some(ca) = &self.ca else {
            return Ok(None);
        };
        if !is_tls {
            return Err(Error::config("ca", "applies to rediss:// only"));
        }
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca) {
            let added = certificate.map(|certificate| roots.add(certificate));
            if !matches!(added, Ok(Ok(()))) {
                return Err(Error::config("ca", "contains an invalid certificate"));
            }
        }
        if roots.is_empty() {
            return Err(Error::config("ca", "contains no certificate in PEM"));
        }
        Ok(Some(ca.clone()))
    }
}

/// Leaves out what may be a secret.
impl fmt::Debug for RedisStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStoreBuilder")
            .field("prefix", &self.prefix)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

fn secrets(urls: impl IntoIterator<Item: AsRef<str>>) -> Vec<Secret> {
    urls.into_iter()
        .map(|url| Secret::new(url.as_ref()))
        .collect()
}

fn check_prefix(prefix: &str) -> Result<(), Error> {
    let is_good = |char: char| char.is_ascii_graphic() && !r"{}*?[]\".contains(char);
    if prefix.is_empty() || prefix.len() > 128 || !prefix.chars().all(is_good) {
        let problem = r"must be 1 to 128 visible ASCII characters without {}*?[]\";
        return Err(Error::config("prefix", problem));
    }
    Ok(())
}

/// The part of a request's time that the store may use.
const LATENCY_BUDGET: Duration = Duration::from_millis(50);
/// Far above the time of a healthy server, far below the time that a caller waits.
const TIMEOUT: Duration = Duration::from_millis(500);
/// Name, connection, TLS, authentication and scripts: a handful of round trips.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
