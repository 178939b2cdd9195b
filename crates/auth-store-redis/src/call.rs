use futures_util::future::try_join_all;
use redis::{
    Cmd, ErrorKind, RedisError, RedisResult, Script, ServerErrorKind, Value, aio::ConnectionLike,
    cmd,
};

/// A script of this crate.
pub(crate) struct Code {
    text: &'static str,
    script: Script,
}

impl Code {
    fn new(text: &'static str) -> Self {
        let script = Script::new(text);
        Self { text, script }
    }
}

/// All commands that a store sends; each is atomic.
pub(crate) struct Scripts {
    pub(crate) load: Code,
    pub(crate) replace: Code,
    pub(crate) lease: Code,
    pub(crate) release: Code,
}

/// A command for a server.
pub(crate) enum Order {
    Call(Call),
    /// Scripts that calls will name by their hashes.
    Load([&'static str; 4]),
}

impl Scripts {
    pub(crate) fn texts(&self) -> [&'static str; 4] {
        [&self.load, &self.replace, &self.lease, &self.release].map(|code| code.text)
    }

    pub(crate) fn new() -> Self {
        Self {
            load: Code::new(concat!(
                include_str!("scripts/entry.lua"),
                include_str!("scripts/load.lua")
            )),
            replace: Code::new(concat!(
                include_str!("scripts/entry.lua"),
                include_str!("scripts/replace.lua")
            )),
            lease: Code::new(concat!(
                include_str!("scripts/holder.lua"),
                include_str!("scripts/lease.lua")
            )),
            release: Code::new(concat!(
                include_str!("scripts/holder.lua"),
                include_str!("scripts/release.lua")
            )),
        }
    }
}

/// A script with its keys and arguments; may be sent more than once.
pub(crate) struct Call {
    by_hash: Cmd,
    by_text: Cmd,
}

impl Call {
    pub(crate) fn new(code: &Code, key: &str, arguments: &[&[u8]]) -> Self {
        let call = |name: &str, script: &str| {
            let mut call = cmd(name);
            call.arg(script).arg(1).arg(key);
            for argument in arguments {
                call.arg(argument);
            }
            call
        };
        Self {
            by_hash: call("EVALSHA", code.script.get_hash()),
            by_text: call("EVAL", code.text),
        }
    }

    /// Sends the script's text to a server that does not know it, for example after a restart.
    pub(crate) async fn send(&self, connection: &mut impl ConnectionLike) -> RedisResult<Value> {
        match self.by_hash.query_async(connection).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.by_text.query_async(connection).await
            }
            answer => answer,
        }
    }
}

/// Loads the scripts into the server's cache, in one round trip. If the user may not do that, the
/// texts are sent with the first calls instead.
pub(crate) async fn load<C>(connection: &C, texts: &[&'static str]) -> RedisResult<Value>
where
    C: ConnectionLike + Clone,
{
    let loading = texts.iter().map(|text| {
        let mut connection = connection.clone();
        async move {
            let mut load = cmd("SCRIPT");
            load.arg("LOAD").arg(*text);
            match load.query_async::<Value>(&mut connection).await {
                Err(error) if is_refused(&error) => Ok(()),
                answer => answer.map(drop),
            }
        }
    });
    try_join_all(loading).await?;
    Ok(Value::Okay)
}

fn is_refused(error: &RedisError) -> bool {
    let ErrorKind::Server(kind) = error.kind() else {
        return false;
    };
    matches!(
        kind,
        ServerErrorKind::NoPerm | ServerErrorKind::ResponseError
    )
}
