//! A minimal HTTP client: one request per connection. It blocks within the poll, so that no
//! deadline ends a request that a test holds back.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::Arc,
};

use auth_core::{Error, ErrorKind, Transport};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use tokio::task;

use crate::points::{Halt, Step};

pub(crate) struct Wire {
    server: SocketAddr,
    halt: Arc<Halt>,
}

impl Wire {
    pub(crate) fn new(server: SocketAddr, halt: Arc<Halt>) -> Self {
        Self { server, halt }
    }
}

impl Transport for Wire {
    async fn send(&self, request: Request<Bytes>, _: usize) -> Result<Response<Bytes>, Error> {
        let (parts, body) = request.into_parts();
        self.halt.at(Step::Calling);
        let (method, path) = (parts.method.as_str(), parts.uri.path());
        let reply = call(self.server, method, path, &parts.headers, &body);
        let (status, body) = reply
            .map_err(|error| Error::new(ErrorKind::Unavailable, "no reply").with_source(error))?;
        self.halt.at(Step::Replied);
        let reply = Response::builder()
            .status(status)
            .header("content-type", "application/json");
        Ok(reply.body(body).unwrap())
    }
}

/// Sends a request. Returns the status and the body.
pub(crate) fn call(
    server: SocketAddr,
    method: &str,
    path: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> io::Result<(u16, Bytes)> {
    task::block_in_place(|| {
        let mut head = format!("{method} {path} HTTP/1.1\r\n").into_bytes();
        let length = body.len();
        let own = format!("host: {server}\r\nconnection: close\r\ncontent-length: {length}\r\n");
        head.extend_from_slice(own.as_bytes());
        for (name, value) in headers {
            let line = [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"];
            head.extend_from_slice(&line.concat());
        }
        head.extend_from_slice(b"\r\n");
        head.extend_from_slice(body);
        let mut stream = TcpStream::connect(server)?;
        stream.write_all(&head)?;
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply)?;
        parse(&reply).ok_or_else(|| io::ErrorKind::InvalidData.into())
    })
}

fn parse(reply: &[u8]) -> Option<(u16, Bytes)> {
    let end = reply.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&reply[..end]).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, Bytes::copy_from_slice(&reply[end + 4..])))
}
