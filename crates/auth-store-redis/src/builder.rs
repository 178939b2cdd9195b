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

/// Collects the settings of a [`RedisStore`]; made by [`RedisStore::builder`],
/// [`RedisStore::cluster`] and [`RedisStore::sentinel`].
#[must_use]
pub struct RedisStoreBuilder {
    /// May have passwords in them.
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
    /// Starts a store on one server: `redis://HOST:PORT/DATABASE`, with `rediss://` by TLS, or
    /// `redis://USER:PASSWORD@HOST:PORT`.
    pub fn builder(url: impl AsRef<str>) -> RedisStoreBuilder {
        RedisStoreBuilder::new(vec![Secret::new(url.as_ref())], Kind::One)
    }

    /// Starts a store on a cluster: some of its nodes, which know the others.
    pub fn cluster(urls: impl IntoIterator<Item: AsRef<str>>) -> RedisStoreBuilder {
        RedisStoreBuilder::new(secrets(urls), Kind::Cluster)
    }

    /// Starts a store on the server that the sentinels say is the master of that name.
    ///
    /// User names and passwords in the URLs are for the sentinels, those that are set are for the
    /// server; `rediss://` and a database are for both and the server.
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

    /// Sets what all names in Redis begin with, so that others can live beside it; default `auth:`.
    /// Visible ASCII, but none of `{}`, which would put all keys on one node of a cluster, and none
    /// of `*?[]\`, so that it can stand in the pattern of an ACL.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets the user of Redis' ACL, unless it is in the URL.
    pub fn username(mut self, username: impl Into<String>) -> Self {
        self.username = Some(username.into());
        self
    }

    /// Sets the password, unless it is in the URL: a [`Secret`], or where to read it anew for each
    /// connection.
    pub fn password(mut self, password: impl SecretSource) -> Self {
        self.password = Some(SharedSecretSource::new(password));
        self
    }

    /// Sets the certificates, as PEM, of the authorities that a server's certificate may come from,
    /// in place of the system's.
    #[cfg(feature = "tls")]
    pub fn ca(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca = Some(pem.into());
        self
    }

    /// Sets how long one call may take, connecting included where
    /// [`connect`](auth_core::TokenStore::connect) was not called before. Default: 500 ms. Above
    /// zero, and no more than a minute. An [`Authenticator`](auth_core::Authenticator) waits for
    /// much less.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how long [`connect`](auth_core::TokenStore::connect) may take: to resolve the name,
    /// connect, authenticate and load the scripts. Default: 2 s. Above zero, and no more than a
    /// minute.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets how long a request waits for Redis' answers, all of them together and without
    /// connecting, before it goes on without Redis. Default: 50 ms. See
    /// [`TokenStore::latency_budget`](auth_core::TokenStore::latency_budget).
    pub fn latency_budget(mut self, latency_budget: Duration) -> Self {
        self.latency_budget = latency_budget;
        self
    }

    /// Sets the keys that entries are sealed and named with. Required, unless
    /// [`danger_unsealed`](Self::danger_unsealed) is called.
    pub fn sealing(mut self, keys: SealingKeys) -> Self {
        self.sealing = Some(Sealing::Keys(keys));
        self
    }

    /// Puts tokens into Redis as plain text, and refresh tokens and names that can be guessed too.
    /// For tests. Whoever can read Redis, a backup of it or its network traffic has every token in
    /// it; whoever can write to Redis can put a token of theirs into requests.
    pub fn danger_unsealed(mut self) -> Self {
        self.sealing = Some(Sealing::Nothing);
        self
    }

    /// Makes the store. It connects when it is first used.
    ///
    /// # Errors
    ///
    /// [`Config`](auth_core::ErrorKind::Config), naming the field: `url`, `urls`, `master`,
    /// `prefix`, `username`, `password`, `ca`, `timeout` or `connect_timeout`; `sealing` if it was
    /// neither given keys nor told to do without; `sealing_key`, `also_opens` or `name_key` if what
    /// it was given is no key, and `name_key` if it is missing.
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
            return Err(Error::config(field, "is to name a server at least"));
        };
        if !addresses
            .iter()
            .all(|other| other.is_tls() == first.is_tls())
        {
            return Err(Error::config(field, "mixes redis:// and rediss://"));
        }
        if !matches!(self.kind, Kind::Sentinel(_)) {
            self.check_credentials(field, &addresses)?;
        }
        if self.username.is_some() && self.password.is_none() {
            return Err(Error::config("password", "is missing for the user name"));
        }
        #[cfg(feature = "tls")]
        let ca = self.checked_ca(first.is_tls())?;
        let servers = match self.kind {
            Kind::One => Servers::One(first.clone()),
            Kind::Cluster if addresses.iter().any(|address| address.database() != 0) => {
                return Err(Error::config(field, "names a database: a cluster has none"));
            }
            Kind::Cluster => Servers::Cluster(addresses),
            Kind::Sentinel(name) if name.is_empty() => {
                return Err(Error::config("master", "is empty"));
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
                "is missing: give it keys (`openssl rand -base64 32` makes one), or call \
                 `danger_unsealed` to have tokens in Redis as plain text",
            )),
        }
    }

    /// Of servers that are asked for the data: whoever is at two places would be at one in vain.
    fn check_credentials(&self, field: &'static str, addresses: &[Address]) -> Result<(), Error> {
        let credentials = |address: &Address| {
            let password = address.password().map(String::from);
            (address.username().map(String::from), password)
        };
        let mut all = addresses.iter().map(credentials);
        let first = all.next().unwrap_or_default();
        if !all.all(|other| other == first) {
            return Err(Error::config(field, "differs in user name or password"));
        }
        if first.0.is_some() && self.username.is_some() {
            return Err(Error::config("username", "is in the URL as well"));
        }
        if first.1.is_some() && self.password.is_some() {
            return Err(Error::config("password", "is in the URL as well"));
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
            // What rustls does by itself, but for programs that have several and choose none.
            let _ = aws_lc_rs::default_provider().install_default();
        }
        let Some(ca) = &self.ca else {
            return Ok(None);
        };
        if !is_tls {
            return Err(Error::config("ca", "is of use for rediss:// alone"));
        }
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca) {
            let added = certificate.map(|certificate| roots.add(certificate));
            if !matches!(added, Ok(Ok(()))) {
                return Err(Error::config("ca", "has something that is no certificate"));
            }
        }
        if roots.is_empty() {
            return Err(Error::config("ca", "has no certificate in PEM"));
        }
        Ok(Some(ca.clone()))
    }
}

/// What may be a secret is left out.
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
        let problem = r"is to be 1 to 128 visible ASCII characters, none of {}*?[]\";
        return Err(Error::config("prefix", problem));
    }
    Ok(())
}

/// What a request can spare.
const LATENCY_BUDGET: Duration = Duration::from_millis(50);
/// Far above what a healthy server needs, far below what a caller would wait.
const TIMEOUT: Duration = Duration::from_millis(500);
/// Name, connection, TLS, authentication and scripts: a handful of round trips.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
