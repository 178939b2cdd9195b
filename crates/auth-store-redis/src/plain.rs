use std::{fmt, sync::Arc, time::Duration};

use auth_core::{EntryVersion, Error, Key, LONGEST_LEASE, NewEntry, StoredEntry, TokenStore};
use redis::Value;

use crate::{
    call::{Call, Code, Scripts},
    entry::{self, MAX, decode, encode, millis},
    error::store,
    link::Link,
    name::Name,
};

/// The store without encryption.
#[derive(Clone)]
pub(crate) struct Plain(Arc<Shared>);

struct Shared {
    link: Arc<Link>,
    prefix: String,
    scripts: Scripts,
}

impl Plain {
    pub(crate) fn new(link: Arc<Link>, prefix: String) -> Self {
        Self(Arc::new(Shared {
            link,
            prefix,
            scripts: Scripts::new(),
        }))
    }

    async fn ask(
        &self,
        step: &'static str,
        code: &Code,
        name: &str,
        arguments: &[&[u8]],
    ) -> Result<Value, Error> {
        let call = Call::new(code, name, arguments);
        self.0.link.ask(step, call).await
    }
}

impl TokenStore for Plain {
    async fn connect(&self) -> Result<(), Error> {
        self.0.link.connect(self.0.scripts.texts()).await
    }

    async fn load(&self, key: &Key) -> Result<Option<StoredEntry>, Error> {
        let name = Name::of(key);
        let Shared {
            prefix, scripts, ..
        } = &*self.0;
        let place = name.entry(prefix);
        let head = entry::head(name);
        let answer = self.ask(LOAD, &scripts.load, &place, &[&head]).await?;
        match answer {
            Value::Nil => Ok(None),
            Value::Array(answer) => match <[Value; 2]>::try_from(answer) {
                Ok([Value::BulkString(value), Value::Int(left)]) => {
                    Ok(decode(name, value, u64::try_from(left).unwrap_or(0)))
                }
                _ => Err(store(LOAD, ODD)),
            },
            _ => Err(store(LOAD, ODD)),
        }
    }

    async fn replace(
        &self,
        key: &Key,
        expected: Option<EntryVersion>,
        entry: NewEntry,
    ) -> Result<bool, Error> {
        if entry.bytes.len() > MAX {
            return Err(store(REPLACE, "an entry is longer than 1 MiB"));
        }
        let name = Name::of(key);
        let Shared {
            prefix, scripts, ..
        } = &*self.0;
        let place = name.entry(prefix);
        let head = entry::head(name);
        let expected = expected.map(|version| version.get().to_be_bytes());
        let expected = expected.as_ref().map_or(&[][..], |version| version);
        let value = encode(name, &entry);
        let time_to_live = millis(entry.time_to_live).to_string();
        let arguments = [&head[..], expected, &value, time_to_live.as_bytes()];
        let answer = self.ask(REPLACE, &scripts.replace, &place, &arguments);
        yes_or_no(REPLACE, &answer.await?)
    }

    async fn lease(&self, key: &Key, owner: &str, time: Duration) -> Result<bool, Error> {
        let Shared {
            prefix, scripts, ..
        } = &*self.0;
        let name = Name::of(key);
        let place = name.lease(prefix);
        let time = millis(time.min(LONGEST_LEASE)).to_string();
        let holder = entry::holder(name, owner);
        let arguments = [&holder[..], time.as_bytes()];
        let answer = self.ask(LEASE, &scripts.lease, &place, &arguments);
        yes_or_no(LEASE, &answer.await?)
    }

    async fn release(&self, key: &Key, owner: &str) -> Result<(), Error> {
        let Shared {
            prefix, scripts, ..
        } = &*self.0;
        let name = Name::of(key);
        let place = name.lease(prefix);
        let holder = entry::holder(name, owner);
        let arguments = [&holder[..]];
        let answer = self.ask(RELEASE, &scripts.release, &place, &arguments);
        yes_or_no(RELEASE, &answer.await?).map(drop)
    }
}

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("servers", &self.0.link.target().servers)
            .field("prefix", &self.0.prefix)
            .finish_non_exhaustive()
    }
}

fn yes_or_no(step: &'static str, answer: &Value) -> Result<bool, Error> {
    match answer {
        Value::Int(0) => Ok(false),
        Value::Int(1) => Ok(true),
        _ => Err(store(step, ODD)),
    }
}

const LOAD: &str = "load";
const REPLACE: &str = "replace";
const LEASE: &str = "lease";
const RELEASE: &str = "release";
const ODD: &str = "the server sent an answer of an unexpected type";
