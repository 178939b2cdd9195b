use std::{
    error::Error,
    future::poll_fn,
    net::{Ipv4Addr, SocketAddr},
};

use axum::{Router, body::Body};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::{JoinHandle, JoinSet},
};
use tower_service::Service;

use crate::delivery::Cut;

/// A router behind a loopback port, until it is dropped.
#[derive(Debug)]
pub(crate) struct Listening {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

/// A port that is bound before its router exists, so that the router can know its address.
#[derive(Debug)]
pub(crate) struct Port {
    listener: TcpListener,
    address: SocketAddr,
}

impl Port {
    /// Binds a free port of 127.0.0.1.
    pub(crate) async fn bind() -> Self {
        Self::bind_on(Ipv4Addr::LOCALHOST).await
    }

    /// Binds a free port of a loopback address.
    #[allow(clippy::panic, reason = "a test without its server cannot go on")]
    pub(crate) async fn bind_on(host: Ipv4Addr) -> Self {
        assert!(host.is_loopback(), "a test server listens on loopback only");
        let bound = TcpListener::bind((host, 0)).await;
        match bound.and_then(|listener| Ok((listener.local_addr()?, listener))) {
            Ok((address, listener)) => Self { listener, address },
            Err(error) => panic!("no loopback port for the test server: {error}"),
        }
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn serve(self, router: Router) -> Listening {
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            tokio::select! {
                () = accept(self.listener, router, &mut connections) => {}
                _ = stopped => {}
            }
            connections.shutdown().await;
        });
        Listening {
            stop: Some(stop),
            task,
        }
    }
}

impl Listening {
    /// Stops, and returns when the port and all connections are closed.
    pub(crate) async fn shutdown(mut self) {
        drop(self.stop.take());
        // The task neither panics nor is aborted before this ends.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // The connections are in the task, so they end with it.
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, router: Router, connections: &mut JoinSet<()>) {
    loop {
        if connections.len() >= MAX_CONNECTIONS {
            connections.join_next().await;
        }
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(serve(stream, router.clone()));
            }
            // For example a connection that closed while it waited.
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

async fn serve(stream: TcpStream, router: Router) {
    // Without delay, so that slow bytes are sent one by one.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let answer = router.clone().call(request.map(Body::new));
        Box::pin(async move {
            let Ok(response) = answer.await;
            match response.extensions().get::<Cut>() {
                Some(cut) => Err(cut.clone()),
                None => Ok(response),
            }
        })
    });
    let mut connection = http1::Builder::new()
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), service);
    let end = poll_fn(|cx| connection.poll_without_shutdown(cx)).await;
    let mut stream = connection.into_parts().io.into_inner();
    match end.as_ref().err().and_then(|error| cut(error)) {
        Some(Cut::Reset) => {
            // Closing it now resets the connection.
            let _ = stream.set_zero_linger();
        }
        Some(Cut::Raw(bytes)) => {
            let _ = stream.write_all(bytes).await;
        }
        Some(Cut::Close) | None => {}
    }
}

/// Returns how the script ends the connection; the server wraps the script's error.
fn cut<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Cut> {
    error
        .downcast_ref()
        .or_else(|| error.source().and_then(cut))
}

/// More connections wait until others end.
const MAX_CONNECTIONS: usize = 4_096;

#[cfg(test)]
mod tests;
