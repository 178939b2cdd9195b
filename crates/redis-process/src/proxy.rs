use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{self, AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{self, Instant},
};

/// A loopback port in front of a server that can drop, delay or hang connections.
///
/// Forwards everything at first. A change of the mode closes existing connections, except
/// [`hang`](Self::hang) and a change of the target.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    plan: watch::Sender<Plan>,
    task: JoinHandle<()>,
}

/// The mode and the target of connections.
#[derive(Clone, Copy, Debug)]
struct Plan {
    does: Does,
    server: SocketAddr,
}

/// The handling of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    Pass,
    Refuse,
    Hang,
    LoseAnswers,
    /// In each direction.
    Delay(Duration),
}

impl FaultProxy {
    /// Starts the proxy in front of a server.
    ///
    /// # Panics
    ///
    /// If no port is free, or outside a tokio runtime.
    pub async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a free port on loopback");
        let address = listener.local_addr().expect("it has an address");
        let (plan, seen) = watch::channel(Plan {
            does: Does::Pass,
            server,
        });
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(connection(client, seen.clone()));
            }
        });
        Self {
            address,
            plan,
            task,
        }
    }

    /// Returns host and port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the URL of the server through the proxy.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Forwards everything.
    pub fn pass(&self) {
        self.does(Does::Pass);
    }

    /// Closes new connections at once.
    pub fn refuse(&self) {
        self.does(Does::Refuse);
    }

    /// Accepts connections and answers nothing, as a network that loses all packets. Existing
    /// connections hang until they are closed, new ones until the mode changes.
    pub fn hang(&self) {
        self.does(Does::Hang);
    }

    /// Forwards requests and drops answers.
    pub fn lose_answers(&self) {
        self.does(Does::LoseAnswers);
    }

    /// Forwards everything with a delay of `each_way`: a round trip takes twice as long.
    pub fn delay(&self, each_way: Duration) {
        self.does(Does::Delay(each_way));
    }

    /// Closes the existing connections, and continues in the same mode.
    pub fn cut(&self) {
        self.plan.send_modify(|_| {});
    }

    /// Forwards new connections to another server, as a host name that changes its address.
    /// Existing connections stay.
    pub fn lead_to(&self, server: SocketAddr) {
        self.plan.send_if_modified(|plan| {
            plan.server = server;
            false
        });
    }

    fn does(&self, does: Does) {
        self.plan.send_modify(|plan| plan.does = does);
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        // Accepted connections end with the channel.
        self.task.abort();
    }
}

async fn connection(mut client: TcpStream, mut plan: watch::Receiver<Plan>) {
    let Plan { does, server } = *plan.borrow_and_update();
    tokio::select! {
        () = serve(&mut client, does, server) => return,
        _ = plan.changed() => {}
    }
    let hangs = does == Does::Pass && plan.borrow().does == Does::Hang;
    // Until the proxy ends.
    while hangs && plan.changed().await.is_ok() {}
}

async fn serve(client: &mut TcpStream, does: Does, server: SocketAddr) {
    match does {
        Does::Refuse => {}
        Does::Hang => std::future::pending().await,
        Does::Pass => {
            if let Ok(mut server) = TcpStream::connect(server).await {
                let _ = io::copy_bidirectional(client, &mut server).await;
            }
        }
        Does::Delay(each_way) => {
            if let Ok(mut server) = TcpStream::connect(server).await {
                let _ = client.set_nodelay(true).and(server.set_nodelay(true));
                let (mut answers, mut questions) = server.split();
                let (mut asked, mut answered) = client.split();
                tokio::select! {
                    () = late(&mut asked, &mut questions, each_way) => {}
                    () = late(&mut answers, &mut answered, each_way) => {}
                }
            }
        }
        Does::LoseAnswers => {
            if let Ok(mut server) = TcpStream::connect(server).await {
                let (mut answers, mut to) = server.split();
                let mut lost = [0; 1024];
                let losing = async { while answers.read(&mut lost).await.is_ok_and(|n| n > 0) {} };
                let (mut asked, _answered) = client.split();
                let _ = tokio::join!(io::copy(&mut asked, &mut to), losing);
            }
        }
    }
}

/// Copies data with the set delay, until one end closes.
async fn late(
    from: &mut (impl io::AsyncRead + Unpin),
    to: &mut (impl io::AsyncWrite + Unpin),
    delay: Duration,
) {
    let (queue, mut due) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let reading = async {
        let mut buffer = [0; 16 * 1024];
        loop {
            match from.read(&mut buffer).await {
                Ok(read @ 1..) => {
                    let bytes = buffer.get(..read).unwrap_or_default().to_vec();
                    if queue.send((Instant::now() + delay, bytes)).is_err() {
                        return;
                    }
                }
                Ok(0) | Err(_) => return,
            }
        }
    };
    let writing = async {
        while let Some((at, bytes)) = due.recv().await {
            time::sleep_until(at).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = reading => {}
        () = writing => {}
    }
}
