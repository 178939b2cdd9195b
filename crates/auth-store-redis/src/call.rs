use redis::{
    Cmd, ErrorKind, RedisResult, Script, ServerErrorKind, Value, aio::ConnectionLike, cmd,
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

/// All that a store asks a server, each of them atomic.
pub(crate) struct Scripts {
    pub(crate) load: Code,
    pub(crate) replace: Code,
    pub(crate) lease: Code,
    pub(crate) release: Code,
}

impl Scripts {
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

/// A script with what it is to be run on; may be sent more than once.
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

    /// A server that does not know the script, as it was restarted, is sent its text.
    pub(crate) async fn send(&self, connection: &mut impl ConnectionLike) -> RedisResult<Value> {
        match self.by_hash.query_async(connection).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.by_text.query_async(connection).await
            }
            answer => answer,
        }
    }
}
